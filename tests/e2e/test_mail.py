"""A mail provider's webhooks on a stack of real processes: a person's click goes on, a machine's not."""

import time
from contextlib import closing
from pathlib import Path

import httpx
import redis

from collector.request import Request
from events.sealed import Sealed, seal_at
from kairos.embedded.stack import Stack
from kairos.settings import Collector
from tests.collector.mail.providers import Happened, posts
from tests.e2e.stacks import eventually, post, server_key, watched, workspace
from tests.e2e.test_journeys import decided
from triggers.activation import Activation

JOURNEY = """
trigger: welcome
when: {event: signed_up}
reentry: always
do:
  - send: {channels: [email], template: hello}
  - wait_for: {event: clicked, timeout: 1d, then: [{send: {channels: [log]}}]}
deliver: {purpose: marketing, quiet_hours: off}
"""
FILES = {
    "workspace.yaml": "workspace: shop\ntimezone: UTC\npurposes: {marketing: {default: allowed}}\n",
    "triggers/welcome.yaml": JOURNEY,
    "templates/hello.liquid": "Hello",
}
SECRETS = {"mailgun": {"signing_key": "m-secret"}}


def test_what_a_provider_tells_goes_on_with_the_persons_journey(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = server_key(data)
    folder = workspace(tmp_path / "workspace", FILES)
    with (
        Stack(data, folder, door=Collector(mail=SECRETS)) as stack,
        watched(stack),
        httpx.Client(base_url=stack.url, timeout=20) as provider,
        closing(redis.Redis.from_url(stack.settings.ledger)) as ledger,
    ):
        users = ("hasty", "human")
        calls = [
            call
            for user in users
            for call in (
                {"type": "identify", "userId": user, "traits": {"email": f"{user}@shop.example"}},
                {"type": "track", "event": "Signed Up", "userId": user},
            )
        ]
        assert post(stack, key, calls).json()["accepted"] == 4
        assert eventually(lambda: len(decided(ledger, "welcome")) == 2)
        sent = {one.leaf.removeprefix("user_id:"): one for one in decided(ledger, "welcome")}
        seal = seal_at(data / "seal.key")
        now = time.time_ns() // 1_000_000

        def tell(user: str, *happened: Happened) -> None:
            one = sent[user]
            token = seal.close(Sealed(one.id, one.channel, one.purpose, one.leaf))
            for call in posts("mailgun", happened, token, now):
                _posted(provider, call)

        tell(
            "hasty",
            Happened("delivered", now),
            Happened("clicked", now + 900, "https://s.example/"),
        )
        tell("human", Happened("delivered", now - 60_000))
        tell("human", Happened("clicked", now, "https://s.example/"))
        assert eventually(lambda: len(decided(ledger, "welcome")) == 3)
        (after,) = [one for one in decided(ledger, "welcome") if one.channel == "log"]
        assert after.leaf == "user_id:human"

        def mails(user: str) -> list[Activation]:
            leaf = f"user_id:{user}"
            return [
                one
                for one in decided(ledger, "welcome")
                if one.leaf == leaf and one.channel == "email"
            ]

        tell("human", Happened("unsubscribed", now + 5))
        again = {**calls[3], "messageId": "again"}
        later = [{**call, "userId": "later"} for call in calls[:2]]
        assert post(stack, key, [again, *later]).json()["accepted"] == 3
        assert eventually(lambda: len(mails("later")) == 1)
        assert mails("human") == [sent["human"]]


def _posted(provider: httpx.Client, call: Request) -> None:
    headers = {key.decode(): value.decode() for key, value in call.headers.items()}
    assert provider.post(call.path, content=call.body, headers=headers).status_code == 200
