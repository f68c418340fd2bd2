"""The fixtures as calls: one story that each provider tells, with signatures that are real."""

import json
from typing import Any

from collector.mail.base import Provider, Reading, Secret, Told
from collector.request import Request
from events.clock import parse_instant
from kairos.discovery import one_in
from tests.shared import shared

FILES = {
    "brevo": "brevo",
    "mailgun": "mailgun",
    "postmark": "postmark",
    "sendgrid": "sendgrid",
    "ses": "ses_sns",
}
SENT = 1_795_500_000_000  # ms; 2026-11-24T06:00:00Z, when the message of the story went out


def provider(name: str) -> Provider:
    module: Any = one_in("collector.mail", name)
    return module  # type: ignore[no-any-return]


def fixture(name: str) -> dict[str, Any]:
    text = shared(f"fixtures/email/{FILES[name]}.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def calls(name: str) -> list[Request]:
    story = fixture(name)
    sent = story["request"]
    headers = {key.lower().encode(): value.encode() for key, value in sent["headers"].items()}
    raw = sent.get("body_raw")
    bodies = [raw] if raw else map(json.dumps, story["bodies"])
    return [Request("POST", f"/mail/{name}", b"", headers, body.encode()) for body in bodies]


def secret(name: str) -> Secret:
    known = fixture(name)["verification"]
    match name:
        case "brevo":
            return Secret(bearer=known["token"])
        case "mailgun":
            return Secret(signing_key=known["signing_key"])
        case "postmark":
            return Secret(user=known["username"], password=known["password"])
        case "sendgrid":
            return Secret(public_key=known["public_key"])
        case _:
            first = fixture(name)["bodies"][0]
            return Secret(
                topic=first["TopicArn"],
                certificate=known["certificate_pem"],
                certificate_url=first["SigningCertURL"],
            )


def signed_ms(name: str, call: Request) -> int:
    """When a call was signed; any time for those that sign nothing."""
    if name == "sendgrid":
        return int(call.headers[b"x-twilio-email-event-webhook-timestamp"]) * 1000
    body = json.loads(call.body)
    if name == "mailgun":
        return int(body["signature"]["timestamp"]) * 1000
    return (parse_instant(body["Timestamp"]) or 0) if name == "ses" else SENT


def told(name: str) -> list[Told]:
    """All that the story tells, in the order in which it is sent."""
    all_of_it: list[Told] = []
    for call in calls(name):
        reading = provider(name).read(call.body)
        if isinstance(reading, Reading):
            assert reading.ignored == reading.malformed == ()
            all_of_it += reading.told
    return all_of_it
