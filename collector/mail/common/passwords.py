"""For providers that sign nothing: what a call must carry in its head."""

import binascii
from base64 import b64decode
from hmac import compare_digest

from collector.mail.base import Refused, Secret, Verified
from collector.request import Request

NEEDS = ("user", "password", "bearer", "header")
HEADER = b"x-kairos-secret"


def verify(call: Request, secret: Secret) -> Verified | Refused:
    """Say whether a call carries all that is set: Basic or Bearer, and the header.

    Nothing is signed, so there is no nonce: who knows the password may say anything, and what is
    said twice is known by its id.

    >>> verify(Request("POST", "/", headers={b"authorization": b"Bearer t1"}), Secret(bearer="t1"))
    Verified(nonce='', expires_ms=0)
    >>> verify(Request("POST", "/", headers={b"authorization": b"Bearer t2"}), Secret(bearer="t1"))
    Refused(reason='Authorization: it is not the token that is set')
    >>> verify(Request("POST", "/"), Secret())
    Refused(reason='nothing is set: a password, a bearer token or a header is needed')
    """
    if not (secret.password or secret.bearer or secret.header):
        return Refused("nothing is set: a password, a bearer token or a header is needed")
    if secret.password and secret.bearer:
        return Refused("a password and a bearer token are set, and a call has room for one")
    scheme, _, sent = call.header(b"authorization").partition(b" ")
    if secret.bearer and not (
        scheme.lower() == b"bearer" and compare_digest(sent.strip(), secret.bearer.encode())
    ):
        return Refused("Authorization: it is not the token that is set")
    if secret.password and not (scheme.lower() == b"basic" and _basic(sent.strip(), secret)):
        return Refused("Authorization: it is not the user and password that are set")
    if secret.header and not compare_digest(call.header(HEADER), secret.header.encode()):
        return Refused("X-Kairos-Secret: it is not what is set")
    return Verified()


def _basic(sent: bytes, secret: Secret) -> bool:
    try:
        given = b64decode(sent, validate=True)
    except (binascii.Error, ValueError):
        return False
    # Compared as one, so that it takes as long whichever of the two is wrong.
    return compare_digest(given, f"{secret.user}:{secret.password}".encode())
