"""Headers for machines: what a mailbox provider unsubscribes with, and what brings a token home."""

import asyncio
import json
import re
from email import message_from_bytes
from email.message import Message as Parsed
from email.policy import compat32
from typing import Any

import pytest

from channels import email
from channels.base import Delivered, Message, Outcome, Refused
from collector.mail.base import Reading
from events.sealed import Seal, Sealed
from kairos.discovery import found_in
from tests.channels.doubles import NOW, Mails, smtp_server
from tests.collector.mail import topics

SEAL = Seal(bytes(range(32)))
SHORT = SEAL.close(Sealed("0b60e56f61c32cf0576db310533ef66b", "email", "news", "user_id:u1"))
LONG = SEAL.close(
    Sealed("0b60e56f61c32cf0576db310533ef66b", "email", "n" * 40, "user_id:" + "u" * 247)
)
LINK = "https://shop.example/u/" + "aB3_-" * 60 + "?x=1,2;3&y=%7E"


def sent(message: Message, **options: Any) -> tuple[Outcome, list[bytes]]:
    mails = Mails()

    async def once(port: int) -> Outcome:
        url = f"smtp://127.0.0.1:{port}"
        channel = email.connect({"url": url, "sender": "a@shop.example", **options})
        try:
            return await channel.deliver(message)
        finally:
            await channel.close()

    with smtp_server(mails) as port:
        return asyncio.run(once(port)), [content for _, content in mails.accepted]


def parsed(message: Message, **options: Any) -> Parsed:
    """The mail as received, by a parser that decodes nothing."""
    outcome, [content] = sent(message, **options)
    assert isinstance(outcome, Delivered)
    assert max(len(line) for line in content.split(b"\r\n")) <= 998
    return message_from_bytes(content, policy=compat32)


def message(**changed: Any) -> Message:
    fields = {"id": "a" * 32, "channel": "email", "to": "ana@x.example", "text": "Hi"}
    return Message(**(fields | changed))


@pytest.mark.parametrize("link", ["https://shop.example/u/t1", LINK, LINK + "x" * 550])
def test_the_link_arrives_as_it_was_whatever_its_length(link: str) -> None:
    found = parsed(message(unsubscribe=link))
    assert found.get_all("List-Unsubscribe") == [f"<{link}>"]
    assert found.get_all("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]


def test_without_a_link_there_is_no_such_header() -> None:
    assert not [name for name in parsed(message()) if name.startswith("List-")]


@pytest.mark.parametrize(
    "link",
    [
        "https://shop.example/a b",
        "https://shop.example/>, <mailto:x@y",
        "https://shop.example/ä",
        "mailto:leave@shop.example",
        "https://shop.example/" + "x" * 900,
    ],
)
def test_what_cannot_stand_in_the_header_is_refused(link: str) -> None:
    refused = Refused(reason="cannot be written as an e-mail: ValueError")
    assert sent(message(unsubscribe=link)) == (refused, [])


@pytest.mark.parametrize("field", ["token", "unsubscribe", "subject"])
def test_nothing_is_injected_through_any_field(field: str) -> None:
    evil = message(**{field: "https://shop.example/\r\nX-Injected: 1"})
    refused = Refused(reason="line break or control character in a header")
    assert sent(evil, provider="ses") == (refused, [])


def test_a_token_goes_to_nobody_who_does_not_take_it_out() -> None:
    assert SHORT.encode() not in sent(message(token=SHORT))[1][0]


@pytest.mark.parametrize("provider", found_in("collector.mail"))
def test_a_provider_gets_its_own_header_alone_and_none_without_a_token(provider: str) -> None:
    def headers(**options: Any) -> set[str]:
        found = parsed(message(token=options.pop("token", "")), **options).keys()
        return {re.sub(r"_\d$", "", name) for name in found}

    usual = headers()
    assert headers(provider=provider) == usual
    assert headers(provider=provider, token=SHORT) - usual == {
        {
            "brevo": "X-Mailin-custom",
            "mailgun": "X-Mailgun-Variables",
            "postmark": "X-PM-Metadata-kairos_token",
            "sendgrid": "X-SMTPAPI",
            "ses": "X-SES-MESSAGE-TAGS",
        }[provider]
    }


# What each provider makes of its header, by its documentation, in the event that it posts.


def brevo(mail: Parsed) -> dict[str, Any]:
    return {"event": "opened", "ts_epoch": NOW, "X-Mailin-custom": mail["X-Mailin-custom"]}


def mailgun(mail: Parsed) -> dict[str, Any]:
    said = json.loads(mail["X-Mailgun-Variables"])
    signature = {"timestamp": "1", "token": "n", "signature": "s"}
    event = {"event": "opened", "timestamp": NOW / 1000, "user-variables": said}
    return {"signature": signature, "event-data": event}


def postmark(mail: Parsed) -> dict[str, Any]:
    start = "X-PM-Metadata-"
    said = {n.removeprefix(start): v for n, v in mail.items() if n.startswith(start)}
    assert len(said) <= 10
    assert all(len(name) <= 20 and len(value) <= 80 for name, value in said.items())
    return {"RecordType": "Open", "ReceivedAt": "2026-03-02T12:00:00Z", "Metadata": said}


def sendgrid(mail: Parsed) -> list[dict[str, Any]]:
    said = json.loads(mail["X-SMTPAPI"])["unique_args"]
    return [{"event": "open", "timestamp": NOW / 1000, **said}]


def ses(mail: Parsed) -> str:
    said = dict(tag.split("=") for tag in mail["X-SES-MESSAGE-TAGS"].split(", "))
    assert all(re.fullmatch("[A-Za-z0-9_-]{1,256}", word) for tag in said.items() for word in tag)
    tags = {name: [value] for name, value in said.items()}
    event = topics.event("Open", mail={"tags": tags, "destination": ["a@x.example"]})
    return topics.posted(topics.envelope(event)).body.decode()


@pytest.mark.parametrize("token", [SHORT, LONG], ids=["short", "long"])
@pytest.mark.parametrize("event", [brevo, mailgun, postmark, sendgrid, ses])
def test_a_token_comes_home(event: Any, token: str) -> None:
    provider = event.__name__
    posted = event(parsed(message(token=token), provider=provider))
    body = posted if isinstance(posted, str) else json.dumps(posted)
    read = found_in("collector.mail")[provider].read(body.encode())
    assert isinstance(read, Reading), read
    [one] = read.told
    assert one.token == token


def test_every_provider_that_tells_can_be_told_a_token() -> None:
    assert {f.__name__ for f in (brevo, mailgun, postmark, sendgrid, ses)} == set(
        found_in("collector.mail")
    )
