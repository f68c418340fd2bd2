"""What leaves with a message and leads home: tokens, and links for those who can be reached."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from channels.base import Message, Refused
from channels.delivery.links import Links
from channels.delivery.templates import Renderer
from channels.delivery.vouchers import Wanted
from channels.delivery.workspaces import InMemoryWorkspaces
from events.sealed import Seal, Sealed
from kairos.doctor.engine import links as looked_at
from kairos.settings import Settings, SettingsError
from tests.channels.doubles import activation

SEAL = Seal(bytes(range(32)))
PUBLIC = "https://id.shop.example"  # which is one of `*.shop.example`
FILES = {
    "templates/plain.liquid": "Hi {{ first_name }}",
    "templates/leave.liquid": "---\nsubject: Bye\n---\n<a href='{{ unsubscribe_url }}'>leave</a>",
    "templates/choose.liquid": "{{ preferences_url }}",
    "templates/needs.liquid": "---\nrequire: [unsubscribe_url]\n---\nHi",
}


async def no_codes(wanted: Sequence[Wanted]) -> dict[Wanted, str]:
    assert not wanted
    return {}


def made(
    links: Links | None,
    template: str | None = "plain",
    renderer: Renderer | None = None,
    **changed: Any,
) -> Message | Refused:
    renderer = renderer or Renderer(InMemoryWorkspaces({"v1": FILES}), no_codes, links)
    said = activation(1, **{"channel": "email", "template": template, **changed})
    made = asyncio.run(renderer.messages([said]))[said.id]
    assert isinstance(made, Message | Refused)
    return made


def message(*args: Any, **changed: Any) -> Message:
    found = made(*args, **changed)
    assert isinstance(found, Message)
    return found


def test_an_email_carries_its_token_and_a_way_out_of_its_purpose() -> None:
    found = message(Links(SEAL, PUBLIC))
    one = activation(1, channel="email")
    assert SEAL.open(found.token) == Sealed(one.id, "email", "marketing", one.leaf)
    assert found.unsubscribe == f"{PUBLIC}/u/{found.token}"


def test_a_receipt_has_no_way_out_in_its_head_and_may_have_one_in_its_text() -> None:
    found = message(Links(SEAL, PUBLIC), "leave", purpose="transactional")
    assert found.unsubscribe == ""
    assert found.html == f"<a href='{PUBLIC}/u/{found.token}'>leave</a>"


def test_without_a_public_address_there_is_a_token_and_no_link() -> None:
    found = message(Links(SEAL))
    assert (SEAL.open(found.token) is not None, found.unsubscribe) == (True, "")


@pytest.mark.parametrize("links", [None, Links(), Links(SEAL)])
@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("leave", "unsubscribe_url"),
        ("choose", "preferences_url"),
        ("needs", "unsubscribe_url"),
    ],
)
def test_where_no_link_can_be_made_what_speaks_of_one_is_not_sent(
    links: Links | None, template: str, name: str
) -> None:
    assert made(links, template) == Refused(reason=f"render_failed: {name}")


def test_no_trait_takes_the_place_of_a_link() -> None:
    facts = {"preferences_url": "https://evil.example/"}
    assert made(Links(SEAL), "choose", facts=facts) == Refused("render_failed: preferences_url")
    found = message(Links(SEAL, PUBLIC), "choose", facts=facts)
    assert found.text == f"{PUBLIC}/p/{found.token}"


def test_on_other_channels_a_token_is_made_where_the_text_carries_it_alone() -> None:
    links = Links(SEAL, PUBLIC)
    assert message(links, channel="sms").token == ""
    assert message(links, None, channel="log").token == ""
    found = message(links, "leave", channel="sms")
    assert found.token in found.text
    assert found.unsubscribe == "", "it is a header of e-mails"


@pytest.mark.parametrize(
    "text",
    [
        "http://id.shop.example", "ftp://127.0.0.1", "id.shop.example", "https://", "https://u@h/",
        "https://h/?q", "https://h/#f", "https://h/\n", "https://h /", "https://[::1", "https://h:x",
        "http://127.0.0.1.example", "https://h\\x",
    ],
)  # fmt: skip
def test_a_public_address_is_https_and_nothing_but_an_address(text: str) -> None:
    with pytest.raises(SettingsError, match="KAIROS_PUBLIC_URL"):
        Settings.from_env({"KAIROS_PUBLIC_URL": text})


@pytest.mark.parametrize("text", [PUBLIC, "http://localhost:8765", "http://[::1]:1", f"{PUBLIC}/k"])
def test_a_public_address_stands_as_it_is(text: str) -> None:
    settings = Settings.from_env({"KAIROS_PUBLIC_URL": text})
    assert settings.public_url == text
    assert Settings.from_env(settings.to_env()).public_url == text


def test_doctor_says_that_mails_have_no_way_out() -> None:
    assert looked_at("").state == "warning"
    assert "KAIROS_PUBLIC_URL" in looked_at("").found
    assert looked_at(PUBLIC).state == "ok"
