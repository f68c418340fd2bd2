"""DKIM signatures (RFC 6376) by whoever sends through a server that does not sign.

rsa-sha256, header and body relaxed, so that a server on the way may fold lines anew. From stands
twice in the list of what is signed: a second From, put in by somebody, breaks the signature.
"""

import base64
import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

FIELDS = (
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "content-type",
    "list-unsubscribe",
    "list-unsubscribe-post",
)
LEAST = 2048  # bits of a key
_SELECTOR = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_-]{1,63})*", re.IGNORECASE)
_FOLD = re.compile(rb"\r\n(?![ \t])")
_WHITE = re.compile(rb"[ \t\r\n]+")


class Signer:
    """Signs mails of one domain.

    Args:
        key: PEM of an RSA key, without a password.
        selector: under which the public key stands in the domain's DNS.
        domain: the sender's.

    Raises:
        ValueError: naming the option that is wrong, and nothing of the key.
    """

    def __init__(self, key: str, selector: str, domain: str) -> None:
        if not _SELECTOR.fullmatch(selector):
            raise ValueError(
                "channel email: dkim_selector: the name before ._domainkey was expected"
            )
        self._key = _key(key)
        self._selector = selector
        self._domain = domain

    def __repr__(self) -> str:
        return f"Signer('{self._selector}._domainkey.{self._domain}')"

    def signature(self, mail: bytes, at: float) -> bytes:
        """Return the header line that goes before a mail.

        Args:
            mail: its lines end with CRLF, and nothing on the way may change them.
            at: seconds since 1970.
        """
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

        head, _, body = mail.partition(b"\r\n\r\n")
        fields = _fields(head)
        names = ["from", *(name for name in FIELDS if name in fields)]
        digest = base64.b64encode(hashlib.sha256(_relaxed_body(body)).digest()).decode()
        value = (
            f"v=1; a=rsa-sha256; c=relaxed/relaxed; d={self._domain};\r\n"
            f" s={self._selector}; t={int(at)};\r\n"
            f" h={':'.join(names)};\r\n"
            f" bh={digest};\r\n b="
        )
        signed = [fields[name] for name in names[1:]]
        signed.append(_relaxed_field(b"DKIM-Signature", value.encode()))
        signature = self._key.sign(b"\r\n".join(signed), PKCS1v15(), SHA256())
        text = base64.b64encode(signature).decode()
        lines = "\r\n  ".join(text[start : start + 72] for start in range(0, len(text), 72))
        return f"DKIM-Signature: {value}{lines}\r\n".encode()


def _key(pem: str) -> "RSAPrivateKey":
    # Importing takes 20 ms, and most send through a server that signs.
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    wanted = f"channel email: dkim_key: the PEM of an RSA key of {LEAST} bits or more was expected"
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(f"{wanted}, without a password") from error
    if not isinstance(key, RSAPrivateKey) or key.key_size < LEAST:
        raise ValueError(wanted)
    return key


def _fields(head: bytes) -> dict[str, bytes]:
    """Return each header field by its name, as it is signed; ours stand once each."""
    found = {}
    for field in _FOLD.split(head):
        name, _, value = field.partition(b":")
        found[name.decode().lower()] = _relaxed_field(name, value)
    return found


def _relaxed_field(name: bytes, value: bytes) -> bytes:
    r"""Write a field as RFC 6376 3.4.2 says.

    >>> _relaxed_field(b"SubJect", b" Hi\r\n\t  there \r\n")
    b'subject:Hi there'
    """
    return name.lower() + b":" + _WHITE.sub(b" ", value).strip(b" ")


def _relaxed_body(body: bytes) -> bytes:
    r"""Write a body as RFC 6376 3.4.4 says.

    >>> _relaxed_body(b" C \r\nD \t E\r\n\r\n\r\n"), _relaxed_body(b"\r\n")
    (b' C\r\nD E\r\n', b'')
    """
    kept = body.replace(b"\t", b" ")
    while b"  " in kept:  # halves each run; a regular expression takes 25 times as long
        kept = kept.replace(b"  ", b" ")
    kept = kept.replace(b" \r\n", b"\r\n").rstrip(b"\r\n")
    return kept + b"\r\n" if kept else b""
