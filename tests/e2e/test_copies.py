"""Copies for seed addresses, on a stack of real processes: who leaves by one leaves alone."""

from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import redis

from channels.delivery.beside import listed
from profile_state.identity import person_id
from profile_state.reach import SUPPRESSED, hidden
from profile_state.stores.keys import withdrawn
from tests.channels.doubles import Mails
from tests.e2e.stacks import eventually, mailing, only_link, post, server_key, workspace

FILES = {
    "workspace.yaml": "workspace: shop\npurposes: {marketing: {default: allowed}}\n"
    "seeds: [tess@shop.example, inbox@agency.example, rcpt550@agency.example]\nexamples: {first_name: Ana}\n",
    **{
        f"triggers/{name}.yaml": f"trigger: {name}\nwhen: {{event: {name}}}\nreentry: always\n"
        f"do: [{{send: {{channels: [email], template: {name}}}}}]\n"
        "deliver: {purpose: marketing, quiet_hours: off}\n"
        for name in ("news", "sale")
    },
    **{
        f"templates/{name}.liquid": "---\nsubject: Hi {{ first_name }}\n---\n{{ email }}"
        "<a href='{{ unsubscribe_url }}'>Leave</a>"
        for name in ("news", "sale")
    },
}


def found(deliveries: Path) -> set[tuple[str, str, str]]:
    """Return trigger, state and reason of what did not arrive."""
    rows = [row for state in ("refused", "bounced") for row in listed(deliveries, state)]
    return {(row.trigger, row.state, row.detail) for row in rows}


def test_seed_addresses_see_what_is_sent_and_may_leave(tmp_path: Path) -> None:
    data, mails = tmp_path / "data", Mails()
    key = server_key(data)
    with (
        mailing(data, workspace(tmp_path / "workspace", FILES), mails) as stack,
        closing(redis.Redis.from_url(stack.settings.ledger)) as ledger,
    ):

        def happens(what: str, nth: int) -> None:
            traits = {"email": f"c{nth}@shop.example", "first_name": "Sarah"}
            calls: list[dict[str, Any]] = [
                {"type": "identify", "userId": f"c{nth}", "traits": traits},
                {"type": "track", "event": what, "userId": f"c{nth}", "messageId": f"{what}{nth}"},
            ]
            assert post(stack, key, calls).json()["accepted"] == 2

        for nth in range(3):
            happens("news", nth)
        assert eventually(lambda: len(mails.accepted) == 5)
        customers = {f"c{nth}@shop.example" for nth in range(3)}
        assert {to for to, _ in mails.accepted} == customers | {
            "tess@shop.example",
            "inbox@agency.example",
        }
        (copy,) = [raw for to, raw in mails.accepted if to == "tess@shop.example"]
        assert b"Subject: Hi Ana" in copy
        assert b"[email]" in copy
        assert b"Sarah" not in copy
        assert not any(to.encode() in copy for to in customers)

        gone = "rcpt550@agency.example"
        lost = withdrawn(person_id(f"email:{gone}"), SUPPRESSED, hidden(gone))
        assert eventually(lambda: bool(ledger.exists(lost))), "the engine has heard that it bounced"
        done = httpx.post(only_link(copy), data={"List-Unsubscribe": "One-Click"}, timeout=20)
        assert done.status_code == 200
        happens("sale", 0)
        assert eventually(lambda: len(mails.accepted) == 7), [to for to, _ in mails.accepted]
        assert sorted(to for to, _ in mails.accepted[5:]) == [
            "c0@shop.example",
            "inbox@agency.example",
        ]
        stayed = {("sale", "refused", "consent"), ("sale", "bounced", "suppressed")}
        assert eventually(lambda: stayed <= found(stack.settings.deliveries))
