"""A way out of an e-mail, on a stack of real processes: from the link in it to the message that stays."""

import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import redis

from channels.delivery.beside import listed, summary
from kairos.embedded.stack import Stack
from profile_state.identity import person_id
from tests.channels.doubles import Mails
from tests.e2e.stacks import eventually, mailing, only_link, post, server_key, workspace
from tests.e2e.test_journeys import decided

NEWS = """
trigger: news
when: {event: read}
reentry: always
do: [{send: {channels: [email], template: news}}]
deliver: {purpose: marketing, quiet_hours: off}
"""
FILES = {
    "workspace.yaml": "workspace: shop\ntimezone: UTC\npurposes: {marketing: {default: allowed}}\n",
    "triggers/news.yaml": NEWS,
    "templates/news.liquid": "---\nsubject: News\n---\n<a href='{{ unsubscribe_url }}'>Leave</a>",
}


def test_r44_who_unsubscribes_with_one_click_gets_not_even_what_was_decided_before(
    tmp_path: Path,
) -> None:
    """The engine stands still, so it is the collector's own word that reaches the worker in time."""
    data, mails = tmp_path / "data", Mails()
    key = server_key(data)
    folder = workspace(tmp_path / "workspace", FILES)
    with (
        mailing(data, folder, mails) as stack,
        closing(redis.Redis.from_url(stack.settings.ledger)) as ledger,
    ):

        def reads(user: str, nth: int) -> None:
            calls: list[dict[str, Any]] = [
                {"type": "identify", "userId": user, "traits": {"email": f"{user}@shop.example"}},
                {"type": "track", "event": "Read", "userId": user, "messageId": f"m{nth}"},
            ]
            assert post(stack, key, calls).json()["accepted"] == 2

        reads("ana", 1)
        assert eventually(lambda: len(mails.accepted) == 1)
        link = only_link(mails.accepted[0][1])
        assert link.startswith(f"{stack.url}/u/")

        assert "Unsubscribe" in httpx.get(link).text
        reads("ana", 2)
        assert eventually(lambda: len(mails.accepted) == 2), "who only looks stays"

        with standing_still(stack, "workers"):
            reads("ana", 3)
            assert eventually(lambda: len(decided(ledger, "news")) == 3)
            with standing_still(stack, "live"):
                done = httpx.post(link, data={"List-Unsubscribe": "One-Click"}, timeout=20)
                assert done.status_code == 200
                who = f"withdrawn:{person_id('user_id:ana')}:marketing:email"
                assert ledger.pttl(who) > 89 * 86_400_000
            at = decided(ledger, "news")[2].decided
            assert int(ledger.get(who) or 0) >= at
        assert eventually(lambda: len(listed(stack.settings.deliveries, "refused")) == 1)
        (refused,) = listed(stack.settings.deliveries, "refused")
        assert refused.detail == "consent"

        reads("ana", 4)
        reads("bob", 1)
        assert eventually(lambda: len(mails.accepted) == 3)
        assert [to for to, _ in mails.accepted] == ["ana@shop.example"] * 2 + ["bob@shop.example"]
        assert len(decided(ledger, "news")) == 4, "of ana nothing more is decided"
        assert summary(stack.settings.deliveries) == {"email": {"delivered": 3, "refused": 1}}


@contextmanager
def standing_still(stack: Stack, part: str) -> Iterator[None]:
    """Stop a process of the stack in its tracks for a while."""
    process = stack.children[part].process
    process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGCONT)
