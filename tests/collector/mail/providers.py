"""The five providers as senders: what each would post of one message, truly signed."""

import base64
import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from collector.mail.base import Secret
from collector.request import Request
from tests.collector.mail import topics

WORDS = {
    "brevo": {
        "delivered": "delivered",
        "opened": "opened",
        "clicked": "click",
        "complained": "spam",
    },
    "mailgun": {
        "delivered": "delivered",
        "opened": "opened",
        "clicked": "clicked",
        "complained": "complained",
        "unsubscribed": "unsubscribed",
    },
    "postmark": {"delivered": "Delivery", "opened": "Open", "clicked": "Click"},
    "sendgrid": {
        "sent": "processed",
        "delivered": "delivered",
        "opened": "open",
        "clicked": "click",
        "complained": "spamreport",
        "unsubscribed": "unsubscribe",
    },
    "ses": {"delivered": "Delivery", "opened": "Open", "clicked": "Click"},
}
SENDGRID = ec.generate_private_key(ec.SECP256R1())
_DER = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
SECRETS = {
    "brevo": Secret(bearer="b-secret"),
    "mailgun": Secret(signing_key="m-secret"),
    "postmark": Secret(user="u", password="p"),
    "sendgrid": Secret(
        public_key=base64.b64encode(SENDGRID.public_key().public_bytes(*_DER)).decode()
    ),
    "ses": Secret(topic=topics.ARN),
}
PERSON = "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 Safari/605.1.15"
_numbers = count()


class Happened(NamedTuple):
    """One thing that happened to a message."""

    kind: str
    ms: int
    url: str = ""
    agent: str = PERSON


def posts(
    name: str, happened: Sequence[Happened], token: str, now_ms: int, to: str = "ana@shop.example"
) -> list[Request]:
    """Return the calls in which a provider tells it, signed at that time."""
    if name == "sendgrid":
        return [_sendgrid(happened, token, now_ms, to)]
    one = {"brevo": _brevo, "mailgun": _mailgun, "postmark": _postmark, "ses": _ses}[name]
    return [one(told, token, now_ms, to) for told in happened]


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _call(name: str, body: Any, headers: dict[str, str]) -> Request:
    sent = {key.encode(): value.encode() for key, value in headers.items()}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request("POST", f"/v1/mail/{name}", b"", sent, raw)


def _sendgrid(happened: Sequence[Happened], token: str, now_ms: int, to: str) -> Request:
    events = [
        {
            "event": WORDS["sendgrid"][told.kind],
            "timestamp": told.ms / 1000,
            "email": to,
            "sg_event_id": f"e{next(_numbers)}",
            "url": told.url,
            "useragent": told.agent,
            "kairos_token": token,
        }
        for told in happened
    ]
    body, at = json.dumps(events).encode(), str(now_ms // 1000)
    signature = SENDGRID.sign(at.encode() + body, ec.ECDSA(hashes.SHA256()))
    start = "x-twilio-email-event-webhook-"
    signed = {start + "timestamp": at, start + "signature": base64.b64encode(signature).decode()}
    return _call("sendgrid", body, signed)


def _mailgun(told: Happened, token: str, now_ms: int, to: str) -> Request:
    at, nonce = str(now_ms // 1000), f"n{next(_numbers)}"
    signature = hmac.new(b"m-secret", f"{at}{nonce}".encode(), sha256).hexdigest()
    event = {
        "event": WORDS["mailgun"][told.kind],
        "id": f"e{nonce}",
        "timestamp": told.ms / 1000,
        "recipient": to,
        "url": told.url,
        "client-info": {"user-agent": told.agent},
        "user-variables": {"kairos_token": token},
    }
    signed = {"timestamp": at, "token": nonce, "signature": signature}
    return _call("mailgun", {"signature": signed, "event-data": event}, {})


def _postmark(told: Happened, token: str, _now_ms: int, to: str) -> Request:
    cut = [token[start : start + 80] for start in range(0, len(token), 80)]  # Postmark's bound
    record = {
        "RecordType": WORDS["postmark"][told.kind],
        "MessageID": "pm-1",
        "Recipient": to,
        "DeliveredAt": _iso(told.ms),
        "ReceivedAt": _iso(told.ms),
        "OriginalLink": told.url,
        "UserAgent": told.agent,
        "Metadata": {f"kairos_token_{n}" if n > 1 else "kairos_token": part
                     for n, part in enumerate(cut, 1)},
    }  # fmt: skip
    basic = base64.b64encode(b"u:p").decode()
    return _call("postmark", record, {"authorization": f"Basic {basic}"})


def _ses(told: Happened, token: str, now_ms: int, to: str) -> Request:
    own = {"timestamp": _iso(told.ms), "link": told.url, "userAgent": told.agent}
    kind = WORDS["ses"][told.kind]
    mail = {"tags": {"kairos_token": [token]}, "destination": [to]}
    event = topics.event(kind, mail=mail, **{kind.lower(): own})
    id_ = f"00000000-0000-5000-9000-{next(_numbers):012d}"
    signed = topics.posted(topics.envelope(event, MessageId=id_, Timestamp=_iso(now_ms)))
    return _call("ses", signed.body, {})


def _brevo(told: Happened, token: str, _now_ms: int, to: str) -> Request:
    event = {
        "event": WORDS["brevo"][told.kind],
        "email": to,
        "message-id": "<1@brevo>",
        "ts_epoch": told.ms,
        "link": told.url,
        "user_agent": told.agent,
        "X-Mailin-custom": json.dumps({"kairos_token": token}),
    }
    return _call("brevo", event, {"authorization": "Bearer b-secret"})
