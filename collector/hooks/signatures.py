"""How callers of webhooks show who they are: over the raw body, in constant time, and not late."""

import binascii
import hmac
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import Literal

import msgspec

from collector.mail.base import TOLERANCE, Refused, Verified
from collector.mail.common.fields import hashed
from collector.mail.common.fresh import seconds, stale
from collector.request import Request

Kind = Literal["hmac", "stripe", "standard", "token", "basic"]

_WRONG = Refused("the signature does not fit the body and the secret")
_SECRET = "whsec_"  # noqa: S105 - before the base64 of a Standard Webhooks key


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """How a caller shows who it is.

    `hmac`: SHA-256 over the body, in `header`, behind `prefix`. `stripe`: over time and body, in
    `Stripe-Signature`. `standard`: as Standard Webhooks says. `token`: `header` says the secret.
    `basic`: user and password, with a colon between.
    """

    kind: Kind
    header: str = ""
    encoding: Literal["base64", "hex"] = "base64"
    prefix: str = ""


def verify(signature: Signature, request: Request, secret: str, now_ms: int) -> Verified | Refused:
    """Say whether who has the secret made this call.

    >>> asked = Request("POST", "/", headers={b"x-token": b"t1"})
    >>> verify(Signature(kind="token", header="X-Token"), asked, "t1", 0)
    Verified(nonce='', expires_ms=0)
    >>> verify(Signature(kind="token", header="X-Token"), asked, "t2", 0).reason
    'the signature does not fit the body and the secret'
    """
    if not secret:
        return Refused("no secret is set")
    key = secret.encode()
    sent = request.header(signature.header.lower().encode())
    match signature.kind:
        case "token":
            return _same(sent, key)
        case "basic":
            return _same(_basic(request), key)
        case "stripe":
            return _stripe(request, key, now_ms)
        case "standard":
            return _standard(request, secret, now_ms)
    digest = hmac.new(key, request.body, sha256)
    base64 = signature.encoding == "base64"
    right = b64encode(digest.digest()) if base64 else digest.hexdigest().encode()
    return _same(sent, signature.prefix.encode() + right)


def _same(sent: bytes, right: bytes) -> Verified | Refused:
    return Verified() if hmac.compare_digest(sent, right) else _WRONG


def _basic(request: Request) -> bytes:
    scheme, _, value = request.header(b"authorization").partition(b" ")
    try:
        return b64decode(value.strip(), validate=True) if scheme.lower() == b"basic" else b""
    except binascii.Error:
        return b""


def _stripe(request: Request, secret: bytes, now_ms: int) -> Verified | Refused:
    """Check `t=SECONDS,v1=HEX[,v1=HEX]`, HMAC-SHA256 over `SECONDS.BODY`; docs.stripe.com/webhooks."""
    sent = request.header(b"stripe-signature").decode("latin-1")
    fields = [part.strip().partition("=") for part in sent.split(",")]
    at = next((value for name, _, value in fields if name == "t"), "")
    signed_ms = seconds(at)
    if isinstance(signed_ms, Refused):
        return signed_ms
    late = stale(signed_ms, now_ms, TOLERANCE, TOLERANCE)
    if late:
        return late
    right = hmac.new(secret, at.encode() + b"." + request.body, sha256).hexdigest()
    given = [value.encode() for name, _, value in fields if name == "v1"]
    if not any(hmac.compare_digest(value, right.encode()) for value in given):
        return _WRONG
    return Verified(hashed(at, request.body), signed_ms + TOLERANCE + 1)


def _standard(request: Request, secret: str, now_ms: int) -> Verified | Refused:
    """Check `webhook-signature`, HMAC-SHA256 over `ID.SECONDS.BODY`; standardwebhooks.com."""
    call, at = request.header(b"webhook-id"), request.header(b"webhook-timestamp")
    signed_ms = seconds(at.decode("latin-1"))
    if isinstance(signed_ms, Refused):
        return signed_ms
    late = stale(signed_ms, now_ms, TOLERANCE, TOLERANCE)
    if late:
        return late
    try:
        key = b64decode(secret.removeprefix(_SECRET), validate=True)
    except binascii.Error:
        return Refused("the secret is none of Standard Webhooks: whsec_ and base64")
    digest = hmac.new(key, b".".join((call, at, request.body)), sha256).digest()
    right = b"v1," + b64encode(digest)
    given = request.header(b"webhook-signature").split()
    if not any(hmac.compare_digest(one, right) for one in given):
        return _WRONG
    return Verified(hashed(call), signed_ms + TOLERANCE + 1)
