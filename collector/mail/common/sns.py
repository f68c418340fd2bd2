"""Amazon SNS: the envelope around a message, and its RSA signature."""

import binascii
import re
from base64 import b64decode
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from collector.mail.base import TOLERANCE, Refused, Secret, Verified, Wanted
from collector.mail.common.fields import decode, hashed, instant
from collector.mail.common.fresh import stale

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

# The names that are signed, in the order of their bytes; a Subject only where there is one.
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_ASKING = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _ASKING,
    "UnsubscribeConfirmation": _ASKING,
}
_HASHES = ("1", "2")  # SHA-1 and SHA-256

# SNS sends the same message, with the same Timestamp and signature, again for up to an hour. With
# five minutes alone, an outage of six would lose what was told in its first.
RETRIES = 3_600_000  # ms

_HOST = re.compile(r"sns\.[a-z]{2}(?:-[a-z]+){1,3}-[0-9]{1,2}\.amazonaws\.com(?:\.cn)?")
_CERTIFICATE = re.compile(r"/SimpleNotificationService(?:-[A-Za-z0-9]+)?\.pem")
_SEEN = re.compile(r"[!-\[\]-~]{1,2048}")  # ASCII without spaces, controls and the backslash


class Envelope(msgspec.Struct, frozen=True, rename="pascal"):
    """What SNS posts, as JSON under `text/plain`."""

    type: str
    message_id: str
    topic_arn: str
    message: str
    timestamp: str
    signature_version: str
    signature: str
    signing_cert_url: str = msgspec.field(name="SigningCertURL")
    subject: str | None = None
    token: str | None = None
    subscribe_url: str | None = msgspec.field(default=None, name="SubscribeURL")


_envelope = msgspec.json.Decoder(Envelope)
_MEMBERS = {f.encode_name: f.name for f in msgspec.structs.fields(Envelope)}


def opened(body: bytes) -> Envelope | Refused:
    """Decode an envelope.

    >>> opened(b'{"eventType":"Open"}')
    Refused(reason='Object missing required field `Type`; raw message delivery must be off')
    """
    envelope = decode(_envelope, body)
    if isinstance(envelope, Refused):
        return Refused(f"{envelope.reason}; raw message delivery must be off")
    return envelope


_NO_PLACE = Refused("SigningCertURL: https://sns.REGION.amazonaws.com/….pem was expected")


def of_sns(url: str) -> bool:
    """Say whether a URL leads to SNS and nowhere else, whoever parses it.

    >>> of_sns("https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription")
    True
    >>> of_sns("https://sns.eu-central-1.amazonaws.com.shop.example/")
    False
    >>> of_sns("https://sns.eu-central-1.amazonaws.com:443@shop.example/")
    False
    """
    if not _SEEN.fullmatch(url):
        return False  # parsers drop some of these characters, and not all the same ones
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    # The whole of what stands for the host, so that there is neither a user nor a port.
    whole = parts.scheme == "https" and url.startswith("https://") and not parts.fragment
    return whole and _HOST.fullmatch(parts.netloc) is not None


def confirms(url: str) -> bool:
    """Say whether a GET of this URL confirms a subscription, and does nothing else.

    >>> confirms("https://sns.eu-central-1.amazonaws.com/?Action=DeleteTopic")
    False
    """
    if not of_sns(url):
        return False
    try:
        actions = parse_qs(urlsplit(url).query, max_num_fields=20).get("Action")
    except ValueError:
        return False
    return actions == ["ConfirmSubscription"] and urlsplit(url).path in ("", "/")


def _is_certificate(url: str) -> bool:
    if not of_sns(url):
        return False
    parts = urlsplit(url)
    return _CERTIFICATE.fullmatch(parts.path) is not None and not parts.query


def verify(body: bytes, secret: Secret, now_ms: int) -> Verified | Refused:
    """Check topic, certificate, time and signature of an envelope."""
    if not secret.topic:
        return Refused("no topic is set; the ARN of the one that may post is needed")
    envelope = opened(body)
    if isinstance(envelope, Refused):
        return envelope
    if envelope.type not in _SIGNED:
        return Refused(f"Type: one of {', '.join(_SIGNED)} was expected")
    if envelope.topic_arn != secret.topic:
        return Refused("TopicArn: it is not the topic that is set")
    if envelope.signature_version not in _HASHES:
        return Refused("SignatureVersion: 1 or 2 was expected")
    if not _is_certificate(envelope.signing_cert_url):
        return _NO_PLACE
    signed_ms = instant(envelope.timestamp)
    if signed_ms is None:
        return Refused("Timestamp: a time in ISO 8601 was expected")
    before = max(secret.tolerance_ms, RETRIES + TOLERANCE)
    late = stale(signed_ms, now_ms, before, TOLERANCE)
    if late:
        return late
    url = envelope.signing_cert_url
    if not secret.certificate or url != secret.certificate_url:
        return Wanted("the certificate at SigningCertURL was not given", url=url)
    wrong = _wrong(envelope, secret, now_ms)
    if wrong:
        return wrong
    return Verified(hashed(_lines(envelope)), signed_ms + before + 1)


def _lines(envelope: Envelope) -> str:
    pairs = ((name, getattr(envelope, _MEMBERS[name])) for name in _SIGNED[envelope.type])
    return "".join(f"{name}\n{value}\n" for name, value in pairs if value is not None)


def _wrong(envelope: Envelope, secret: Secret, now_ms: int) -> Refused | None:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - it takes 20 ms
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256  # noqa: PLC0415

    key = _key(secret.certificate, now_ms)
    if isinstance(key, Refused):
        return key
    # What version 1 signs with is SNS's choice, and the operator's: a topic can be set to 2.
    way: Any = SHA1() if envelope.signature_version == "1" else SHA256()  # noqa: S303
    try:
        signature = b64decode(envelope.signature, validate=True)
        key.verify(signature, _lines(envelope).encode(), PKCS1v15(), way)
    except (binascii.Error, ValueError, InvalidSignature):
        return Refused("the signature does not fit message and certificate")
    return None


def _key(pem: str, now_ms: int) -> "RSAPublicKey | Refused":
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - it takes 40 ms
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
    from cryptography.x509 import InvalidVersion, load_pem_x509_certificate  # noqa: PLC0415

    try:
        certificate = load_pem_x509_certificate(pem.encode())
        key = certificate.public_key()
        begins = certificate.not_valid_before_utc.timestamp()
        ends = certificate.not_valid_after_utc.timestamp()
    except (ValueError, UnsupportedAlgorithm, InvalidVersion):
        return Refused("the certificate cannot be read")
    if not isinstance(key, RSAPublicKey) or key.key_size < 2048:
        return Refused("the certificate has no RSA key of 2048 bits or more")
    if not begins * 1000 <= now_ms <= ends * 1000:
        return Refused("the certificate is not valid now")
    return key
