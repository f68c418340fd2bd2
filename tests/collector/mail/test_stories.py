"""Each fixture tells what its README says: one message, from its sending to a complaint."""

from typing import Any

import pytest

from collector.mail.base import Confirmation, Verified
from tests.collector.mail.stories import FILES, SENT, calls, provider, secret, signed_ms, told

ANA, GONE, FULL, BLOCKED = "ana", "gone", "full", "blocked"
HUMAN = [
    ("opened", 3600, ANA),
    ("clicked", 3660, ANA),
    ("unsubscribed", 3700, ANA),
    ("complained", 3800, ANA),
]

# kind, seconds after the sending, who; in the order of the fixture.
STORIES: dict[str, list[Any]] = {
    "sendgrid": [
        ("sent", 0, ANA),
        ("deferred", 3, ANA),
        ("delivered", 40, ANA),
        ("opened", 45, ANA),
        *HUMAN[:3],
        ("unsubscribed", 3701, ANA),  # from a group
        HUMAN[3],
        ("bounced", 5, GONE),
        ("bounced", 6, BLOCKED),
        ("dropped", 1, GONE),
    ],
    "mailgun": [
        ("delivered", 40.25, ANA),
        ("opened", 45.25, ANA),
        ("opened", 3600.25, ANA),
        ("clicked", 46.25, ANA),
        *[(kind, at + 0.25, who) for kind, at, who in HUMAN[1:]],
        ("bounced", 5.25, GONE),
        ("deferred", 6.25, ANA),
    ],
    "postmark": [
        ("delivered", 40, ANA),
        HUMAN[0],
        ("opened", 45, ANA),
        *HUMAN[1:],
        ("bounced", 5, GONE),
        ("bounced", 6, FULL),
    ],
    "ses": [("delivered", 40, ANA), ("opened", 45, ANA), *HUMAN, ("bounced", 5, GONE)],
    "brevo": [
        ("sent", 0, ANA),
        ("delivered", 40, ANA),
        ("opened", 45, ANA),
        ("opened", 3600, ANA),
        ("opened", 3605, ANA),
        *HUMAN[1:],
        ("bounced", 5, GONE),
        ("bounced", 6, FULL),
        ("dropped", 7, BLOCKED),
    ],
}

# What the flags say of each open and click, by seconds after the sending.
MACHINES = {
    "sendgrid": {45: True, 3600: False, 3660: None},
    "mailgun": {45.25: True, 46.25: True, 3600.25: False, 3660.25: False},
    "postmark": {45: None, 3600: None, 3660: None},
    "ses": {45: None, 3600: None, 3660: None},
    "brevo": {45: True, 3600: False, 3605: False, 3660: None},
}
BOUNCES = {
    "sendgrid": [True, False],
    "mailgun": [True],
    "postmark": [True, False],
    "ses": [True],
    "brevo": [True, False],
}


@pytest.mark.parametrize("name", FILES)
def test_a_provider_tells_the_story(name: str) -> None:
    story = [(t.kind, (t.time_ms - SENT) / 1000, t.address) for t in told(name)]
    assert story == [(kind, at, f"{who}.example@example.com") for kind, at, who in STORIES[name]]


@pytest.mark.parametrize("name", FILES)
def test_everything_that_is_told_carries_our_token(name: str) -> None:
    assert {t.token for t in told(name)} == {"s-77"}


@pytest.mark.parametrize("name", FILES)
def test_a_provider_flags_its_machines(name: str) -> None:
    flagged = {
        (t.time_ms - SENT) / 1000: t.machine for t in told(name) if t.kind in ("opened", "clicked")
    }
    assert flagged == MACHINES[name]
    assert all(t.machine is None for t in told(name) if t.kind not in ("opened", "clicked"))
    assert all(bool(t.reason) == (t.machine is not None) for t in told(name))


@pytest.mark.parametrize("name", FILES)
def test_a_bounce_says_whether_the_address_is_no_good(name: str) -> None:
    assert [t.permanent for t in told(name) if t.kind == "bounced"] == BOUNCES[name]
    assert all(t.permanent is None for t in told(name) if t.kind != "bounced")
    assert all(t.detail for t in told(name) if t.kind == "bounced")


@pytest.mark.parametrize("name", FILES)
def test_a_click_has_its_link_and_nothing_else_has_one(name: str) -> None:
    for t in told(name):
        assert t.url.startswith("https://shop.example.com/sale") == (t.kind == "clicked")


@pytest.mark.parametrize("name", FILES)
def test_who_opened_and_clicked_says_with_what(name: str) -> None:
    agents = [t.agent for t in told(name) if t.kind == "opened"]
    assert any("Macintosh" in agent for agent in agents)


@pytest.mark.parametrize("name", FILES)
def test_every_call_of_the_story_is_verified(name: str) -> None:
    for call in calls(name):
        done = provider(name).verify(call, secret(name), signed_ms(name, call) + 1000)
        assert isinstance(done, Verified)


def test_sns_asks_first_whether_it_may_post() -> None:
    asked = provider("ses").read(calls("ses")[0].body)
    assert isinstance(asked, Confirmation)
    assert asked.url.startswith(
        "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription"
    )
