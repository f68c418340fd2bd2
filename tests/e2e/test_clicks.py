"""A link of an e-mail, on a stack of real processes: who follows it comes where it leads, and goes on.

The mail's offer was drawn, so how it was and the click are in the log for who learns from it.
"""

from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import redis

from events.record import OFFER_DRAWN, Event
from flows.open import open_whole
from flows.poison import decoded
from tests.channels.doubles import Mails
from tests.e2e.stacks import eventually, mailing, only_link, post, server_key, workspace
from tests.e2e.test_journeys import decided

JOURNEY = """
trigger: welcome
when: {event: signed_up}
do:
  - send: {channels: [email], template: hello, offer: next_best}
  - wait_for: {event: clicked, timeout: 1d, then: [{send: {channels: [log]}}]}
deliver: {purpose: marketing, quiet_hours: off}
"""
FILES = {
    "workspace.yaml": (
        "workspace: shop\ntimezone: UTC\npurposes: {marketing: {default: allowed}}\n"
        "links: {hosts: [shop.example], track: true, utm: {campaign: '{trigger}'}}\n"
        "models: {next_best: }\noffers: offers.yaml\n"
    ),
    "offers.yaml": "offers: {spring_10: {label: Ten}, vip_20: {label: Twenty}}\n",
    "triggers/welcome.yaml": JOURNEY,
    "templates/hello.liquid": (
        "---\nsubject: '{{ offer.label }}'\n---\n<a href='https://shop.example/a?b=c'>Look</a>"
    ),
}


def test_a_click_on_a_link_of_ours_goes_on_with_the_persons_journey(tmp_path: Path) -> None:
    data, mails = tmp_path / "data", Mails()
    key = server_key(data)
    with (
        mailing(data, workspace(tmp_path / "workspace", FILES), mails) as stack,
        closing(redis.Redis.from_url(stack.settings.ledger)) as ledger,
    ):
        calls: list[dict[str, Any]] = [
            {"type": "identify", "userId": "ana", "traits": {"email": "ana@shop.example"}},
            {"type": "track", "event": "Signed Up", "userId": "ana"},
        ]
        assert post(stack, key, calls).json()["accepted"] == 2
        assert eventually(lambda: len(mails.accepted) == 1)
        link = only_link(mails.accepted[0][1])
        assert link.startswith(f"{stack.url}/c/")
        on = httpx.get(link, headers={"user-agent": "Mozilla/5.0 (X11) Firefox/145.0"})
        assert on.status_code == 302
        led = urlsplit(on.headers["location"])
        assert (led.netloc, led.path) == ("shop.example", "/a")
        assert parse_qs(led.query) == {"b": ["c"], "utm_campaign": ["welcome"]}
        assert eventually(lambda: len(decided(ledger, "welcome")) == 2)
        mail, behind = decided(ledger, "welcome")
        assert behind.channel == "log"
        with closing(open_whole(stack.settings)) as log:
            records = [r for e in log.read(0, -1, 1_000, 0) for r in decoded(e).records]
        events = [one for one in records if isinstance(one, Event)]
        (drawn,) = [one.properties for one in events if one.name == OFFER_DRAWN]
        assert drawn == {"message": mail.id, **(mail.drawn or {})}
        assert drawn["probability"] == 0.5
        (click,) = [one for one in events if one.name == "email_clicked"]
        assert click.properties["message"] == mail.id
