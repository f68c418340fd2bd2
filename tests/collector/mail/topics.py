"""An SNS topic of our own, with a certificate that is made for the test."""

import datetime
import json
from base64 import b64encode
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from collector.mail.base import Secret
from collector.request import Request

ARN = "arn:aws:sns:eu-central-1:123456789012:mail"
PLACE = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123abcd.pem"
NOW_MS = 1_795_500_000_000  # 2026-11-24T06:00:00Z
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = KEY, begins: int = 2026, ends: int = 2027
) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(begins, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(ends, 1, 1, tzinfo=datetime.UTC))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


PEM = certificate()


def trusting(**changed: Any) -> Secret:
    given = {"topic": ARN, "certificate": PEM, "certificate_url": PLACE}
    return Secret(**(given | changed))


def event(kind: str, **fields: Any) -> dict[str, Any]:
    mail = {
        "timestamp": "2026-11-24T06:00:00.000Z",
        "messageId": "m1",
        "destination": ["ana@shop.example"],
        "tags": {"kairos_token": ["t1"]},
    }
    return {"eventType": kind, "mail": mail | fields.pop("mail", {}), **fields}


def envelope(message: Any = "hello", **changed: Any) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "MessageId": "00000000-0000-5000-9000-000000000001",
        "TopicArn": ARN,
        "Message": message if type(message) is str else json.dumps(message),
        "Timestamp": "2026-11-24T06:00:00.000Z",
        "SignatureVersion": "2",
        "SigningCertURL": PLACE,
        **changed,
    }


def posted(fields: dict[str, Any], *names: str) -> Request:
    """Sign an envelope; the names are those that are signed, a notification's unless given."""
    names = names or ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
    lines = "".join(f"{name}\n{fields[name]}\n" for name in names if name in fields)
    way: Any = hashes.SHA1() if fields["SignatureVersion"] == "1" else hashes.SHA256()  # noqa: S303
    signature = b64encode(KEY.sign(lines.encode(), padding.PKCS1v15(), way)).decode()
    body = json.dumps(fields | {"Signature": signature}).encode()
    return Request("POST", "/mail/ses", b"", {b"content-type": b"text/plain"}, body)
