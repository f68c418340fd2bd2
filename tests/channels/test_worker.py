"""The worker: each message once, whatever is read twice, fails, is withdrawn or crashes."""

import asyncio
import base64
import itertools
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pytest_httpserver import HTTPServer

from channels import webhook
from channels.base import Channel, Delivered, Later, Message, Outcome, Refused, Unknown
from channels.delivery import configured
from channels.delivery.beside import floor_of, held, listed, summary
from channels.delivery.breaker import Patience
from channels.delivery.configured import connect
from channels.delivery.gate import InMemoryWithdrawals, StoreUnavailableError, keys
from channels.delivery.ledger import HORIZON, Ledger
from channels.delivery.worker import Delivery, Worker
from channels.delivery.workspaces import InMemoryWorkspaces
from events.record import VERIFIED, Event
from events.sources.base import LogUnavailableError
from profile_state.identity import person_id
from tests.channels.doubles import (
    NOW,
    InMemoryLog,
    Mails,
    RecordingChannel,
    activation,
    smtp_dialogue,
    smtp_server,
    socket_server,
)
from triggers.activation import Activation, slot_of

DAY = 86_400_000  # ms
SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
QUICK = Delivery(wait_ms=10, tick=0.005, save=0.01, revive=0.02)
keyed: Callable[[str], bool] = {"webhook"}.__contains__


class Bench:
    """A worker with its surroundings, which outlive its restarts."""

    def __init__(self, folder: Path, channels: Mapping[str, Channel], **how: Any) -> None:
        self.folder = folder
        self.stream = InMemoryLog()
        self.log = RecordingChannel()
        self.channels: dict[str, Channel] = {"log": self.log, **channels}
        self.withdrawals: Any = InMemoryWithdrawals()
        self.workspaces = InMemoryWorkspaces({"v1": {}})
        self.now = NOW
        self.ledger = Ledger
        self.how: dict[str, Any] = {"delivery": QUICK, "draw": lambda: 0.0, **how}
        self.worker: Worker

    def run(self, until: Callable[[], bool], then: Callable[[], None] | None = None) -> None:
        """Start a worker, wait until something holds, stop it."""

        async def running() -> None:
            ledger = self.ledger.open(self.folder, keyed=keyed, now=self.now)
            self.worker = Worker(
                self.stream,
                ledger,
                self.channels,
                keyed=keyed,
                withdrawals=self.withdrawals,
                workspaces=self.workspaces,
                now=lambda: self.now,
                **self.how,
            )
            stop = asyncio.Event()
            run = asyncio.create_task(self.worker.run(stop))
            try:
                async with asyncio.timeout(10):
                    while not until() and not run.done():  # noqa: ASYNC110 - files are looked at too
                        await asyncio.sleep(0.002)
                if then is not None:
                    then()
            finally:
                stop.set()
                try:
                    await run
                finally:
                    ledger.close()
                    for channel in self.channels.values():
                        await channel.close()

        asyncio.run(running())

    def settled(self, n: int = 1) -> Callable[[], bool]:
        """Hold when n activations are final."""
        words = ("delivered", "bounced", "refused", "dead", "unknown", "expired")
        return lambda: sum(self.worker.stats()[word] for word in words) >= n


def test_one_delivery_an_activation_although_the_stream_is_read_twice(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {})
    some = [activation(n) for n in range(300)]
    for a in some:
        bench.stream.send(a)
    bench.stream.send(*some)
    bench.run(bench.settled(300))
    assert sorted(bench.log.ids) == sorted(a.id for a in some)

    (tmp_path / "cursor.db").unlink()  # a worker that has lost its place reads everything again
    bench.stream.send(activation(300))
    bench.run(bench.settled(1))
    assert sorted(bench.log.ids) == sorted(a.id for a in [*some, activation(300)])
    assert summary(tmp_path) == {"log": {"delivered": 301}}


def test_a_restart_reads_on_where_it_was(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {})
    bench.stream.send(activation(0))
    bench.stream.send(activation(1))
    bench.run(bench.settled(2))
    assert bench.worker.trimmable() == [1]
    bench.run(lambda: True)
    assert bench.worker.stats()["taken"] == 0
    assert bench.worker.trimmable() == [1]


def test_later_is_tried_again_after_a_restart_with_its_backoff(tmp_path: Path) -> None:
    channel = RecordingChannel(Later(after=30.0, reason="smtp 451"))
    bench = Bench(tmp_path, {"email": channel}, draw=lambda: 0.5)
    bench.stream.send(activation(channel="email"))
    bench.run(lambda: bench.worker.stats()["retried"] == 1)
    assert summary(tmp_path) == {"email": {"pending": 1}}

    bench.now += 30_999  # 30 s were asked for, half of 2 s is jitter
    bench.run(lambda: True)
    assert len(channel.messages) == 1
    bench.now += 1
    bench.run(bench.settled())
    assert channel.ids == [activation(channel="email").id] * 2
    assert summary(tmp_path) == {"email": {"delivered": 1}}


@pytest.mark.parametrize("elsewhere", [True, False])
def test_it_gives_up_after_its_attempts_and_a_day_or_has_another_channel_to_go_to(
    tmp_path: Path, elsewhere: bool
) -> None:
    channel = RecordingChannel(*[Later(after=0.0, reason="smtp 451")] * 12)
    bench = Bench(tmp_path, {"email": channel})
    bench.stream.send(activation(channel="email", tell=elsewhere))

    def tried() -> bool:
        if not elsewhere and len(channel.messages) == 11:
            bench.now = NOW + DAY
        return bool(listed(tmp_path, "dead"))

    bench.run(tried)
    assert len(channel.messages) == (8 if elsewhere else 12)
    assert listed(tmp_path, "dead")[0].detail == "gave_up: smtp 451"


def test_d10_the_log_hears_what_became_of_a_message(tmp_path: Path) -> None:
    """One that is sent, one that fails, one whose address is none, one withdrawn, one to a system."""
    said: list[Event] = []
    email = RecordingChannel(Delivered(), Refused("smtp 554"), Refused("smtp 550", "address"))
    bench = Bench(tmp_path, {"email": email, "webhook": RecordingChannel()}, say=said.extend)
    some = [activation(n, channel="email") for n in range(4)]
    bench.withdrawals.at[keys(some[3])[0]] = NOW + 1
    for a in (*some, activation(4, channel="webhook"), activation(5, channel="sms")):
        bench.stream.send(a)
    bench.run(bench.settled(6))
    about = {"message": some[2].id, "purpose": "marketing"}
    assert {(event.leaf, event.name): event.properties for event in said} == {
        ("user_id:u0", "email_sent"): {"message": some[0].id, "purpose": "marketing"},
        ("user_id:u1", "delivery_failed"): {
            "message": some[1].id, "channel": "email", "reason": "smtp 554",
        },
        ("user_id:u2", "email_bounced"): {**about, "permanent": True, "detail": "smtp 550"},
        ("user_id:u2", "delivery_failed"): {
            "message": some[2].id, "channel": "email", "reason": "smtp 550",
        },
        ("user_id:u2", "address_lost"): {
            "kind": "email", "address": "ana2@shop.example", "reason": "bounced",
        },
    }  # fmt: skip
    assert {event.trust for event in said} == {VERIFIED}
    before = len(
        said
    )  # what is written while the ledger is read may be told from both; it counts once
    bench.run(lambda: True)
    assert len(said) == before, "what was told is told by no later run"


def test_d10_what_the_log_cannot_take_is_told_later_and_lost_by_no_stop(tmp_path: Path) -> None:
    said: list[Event] = []
    away = True

    def say(events: Sequence[Event]) -> None:
        if away:
            raise LogUnavailableError("away")
        said.extend(events)

    gone = RecordingChannel(*(Refused("http 410") for _ in range(2)))
    bench = Bench(tmp_path, {"webhook": gone}, say=say)
    failing = activation(0, channel="webhook", tell=True)
    bench.stream.send(failing, activation(1))
    bench.run(bench.settled(2))
    assert not said
    found = held(tmp_path, failing.id)
    assert found is not None
    assert found.activation is not None, "its body stays until it is told"
    away = False
    bench.run(lambda: bool(said))
    assert [event.properties["reason"] for event in said] == ["http 410"]
    found = held(tmp_path, failing.id)
    assert found is not None
    assert found.activation is None, "it has gone to another channel, so nobody sends it again"


def test_d10_a_crash_between_the_outcome_and_its_telling_loses_no_word(tmp_path: Path) -> None:
    told: list[Event] = []
    bench = Bench(tmp_path / "before", {"email": RecordingChannel()}, say=told.extend)
    bench.stream.send(activation(channel="email"))
    crashed = tmp_path / "crashed"

    def say(events: Sequence[Event]) -> None:
        if not crashed.exists():
            shutil.copytree(tmp_path / "before", crashed)  # what the disk has now
        told.extend(events)

    bench.how["say"] = say
    bench.run(lambda: bool(told))
    bench.folder = crashed
    bench.run(lambda: len(told) == 2)
    assert told[0].key == told[1].key, "said twice it counts once"
    assert summary(crashed) == {"email": {"delivered": 1}}


@pytest.mark.parametrize(("channel", "sends"), [("email", 1), ("webhook", 2)])
def test_a_crash_inside_the_send_window(tmp_path: Path, channel: str, sends: int) -> None:
    """The provider has the message, the machine dies before the answer is written down."""
    provider = RecordingChannel()
    bench = Bench(tmp_path / "before", {channel: provider})
    one = activation(channel=channel)
    bench.stream.send(one)

    def calling() -> bool:
        provider.gate = provider.gate or asyncio.Event()
        return len(provider.messages) == 1

    def crash() -> None:
        shutil.copytree(tmp_path / "before", tmp_path / "after")  # what the disk has now
        assert provider.gate is not None
        provider.gate.set()

    bench.run(calling, crash)
    provider.gate = None
    assert summary(tmp_path / "after") == {channel: {"intent": 1}}

    bench.folder = tmp_path / "after"
    if channel == "webhook":
        bench.run(bench.settled())
        assert summary(bench.folder) == {channel: {"delivered": 1}}
    else:
        bench.run(lambda: True)
        assert summary(bench.folder) == {channel: {"unknown": 1}}
        assert [row.id for row in listed(bench.folder, "unknown")] == [one.id]
    assert provider.ids == [one.id] * sends


@pytest.mark.parametrize(
    ("changed", "state", "reason"),
    [
        ({"valid_until": NOW - 1}, "expired", "valid_until"),
        ({"valid_until": NOW}, "delivered", ""),
        ({"decided": NOW - HORIZON - 1}, "expired", "horizon"),
        ({"leaf": "user_id:gone"}, "refused", "consent"),
        ({"leaf": "user_id:gone", "decided": NOW + 1}, "delivered", ""),
        ({"leaf": "user_id:gone", "purpose": "transactional"}, "delivered", ""),
        ({"leaf": "user_id:nomail"}, "delivered", ""),
        ({"leaf": "user_id:nomail", "channel": "email"}, "refused", "consent"),
        ({"template": "nothing"}, "dead", "render_failed: nothing"),
        ({"template": "bomb"}, "dead", "render_failed: bomb"),
        ({"template": "wrong"}, "dead", "render_failed: wrong"),
        ({"template": "order"}, "dead", "render_failed: last_name, event.order_id"),
        ({"template": "order", "facts": {"last_name": "Ana", "language": "de"}, "event": {"order_id": " "}}, "dead", "render_failed: first_name, event.order_id"),
        ({"template": "order", "facts": {"last_name": "Ana"}, "event": {"order_id": "o1"}}, "delivered", ""),
    ],
)  # fmt: skip
def test_the_last_moment(tmp_path: Path, changed: dict[str, Any], state: str, reason: str) -> None:
    bench = Bench(tmp_path, {"email": RecordingChannel()})
    bench.workspaces.versions["v1"] = {
        "templates/bomb.liquid": "{% for i in (1..99999999) %}x{% endfor %}",
        "templates/wrong.liquid": "{% nonsense %}",
        "templates/order.liquid": "---\nrequire: [last_name, event.order_id]\n---\nHi {{ last_name }}",
        "templates/order.de.liquid": "---\nrequire: [first_name, event.order_id]\n---\nHallo",
    }
    bench.withdrawals.withdraw(person_id("user_id:gone"), "marketing", "*", NOW)
    bench.withdrawals.withdraw(person_id("user_id:nomail"), "marketing", "email", NOW)
    bench.stream.send(activation(**changed))
    bench.run(lambda: bool(listed(tmp_path, state)))
    [row] = listed(tmp_path, state)
    assert row.detail == reason
    assert bench.worker.stats()["channels"].get(row.channel, {}).get("refused", 0) == (
        state == "refused"
    )


def test_a_withdrawal_while_a_message_waits_for_its_next_attempt_holds(tmp_path: Path) -> None:
    channel = RecordingChannel(Later(after=60.0, reason="smtp 451"))
    bench = Bench(tmp_path, {"email": channel})
    bench.stream.send(activation(channel="email"))
    bench.run(lambda: bench.worker.stats()["retried"] == 1)
    bench.withdrawals.withdraw(person_id("user_id:u0"), "marketing", "email", NOW + 5)
    bench.now += 60_000
    bench.run(bench.settled())
    assert len(channel.messages) == 1
    assert listed(tmp_path, "refused")[0].detail == "consent"


def test_nothing_leaves_while_nobody_can_tell_who_withdrew(tmp_path: Path) -> None:
    class Away(InMemoryWithdrawals):
        asked = 0

        async def check(self, activations: Any) -> dict[str, str]:
            self.asked += 1
            if self.asked < 3:
                raise StoreUnavailableError("withdrawals: connection refused")
            assert not bench.log.messages
            return await super().check(activations)

    bench = Bench(tmp_path, {})
    bench.withdrawals = Away()
    bench.stream.send(activation())
    bench.run(bench.settled())
    assert bench.withdrawals.asked == 3
    assert len(bench.log.messages) == 1


def test_the_message_is_rendered_with_the_version_that_decided(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {})
    hello = "---\nsubject: Hi {{ first_name }}\n---\n<p>Cart {{ event.cart_id }}"
    bench.workspaces.versions = {
        "old": {"templates/hi.log.liquid": hello},
        "new": {"templates/hi.liquid": "new"},
    }
    for n, version in enumerate(("old", "new")):
        bench.stream.send(activation(n, template="hi", version=version))
    bench.run(bench.settled(2))
    assert {(m.subject, m.text) for m in bench.log.messages} == {
        ("Hi Ana", "<p>Cart c1"),
        ("", "new"),
    }
    assert bench.log.messages[0].payload["facts"] == {"first_name": "Ana"}


@pytest.mark.parametrize(
    ("facts", "subject"),
    [
        ({}, "Hi"),
        ({"first_name": "Ana"}, "Hi Ana"),
        ({"language": "pt-BR"}, "Olá"),
        ({"locale": "de_AT", "first_name": "Ana"}, "Hallo Ana"),
    ],
)
def test_the_person_is_written_to_in_their_language(
    tmp_path: Path, facts: dict[str, str], subject: str
) -> None:
    bench = Bench(tmp_path, {})
    bench.workspaces.versions["v1"] = {
        f"templates/hi{tag}.liquid": f"---\nsubject: {hello} {{{{ first_name }}}}\n---\nText"
        for tag, hello in (("", "Hi"), (".de", "Hallo"), (".log.pt", "Olá"))
    }
    bench.stream.send(activation(template="hi", facts=facts))
    bench.run(bench.settled())
    assert [m.subject for m in bench.log.messages] == [subject]


def test_the_styles_of_an_e_mail_are_on_its_elements_and_on_those_of_no_other_message(
    tmp_path: Path,
) -> None:
    mail = RecordingChannel()
    bench = Bench(tmp_path, {"email": mail})
    text = "<style>p {color: red}</style><p>{{ first_name }}</p>"
    bench.workspaces.versions["v1"] = {"templates/hi.liquid": text}
    for n, channel in enumerate(("email", "log")):
        bench.stream.send(
            activation(n, channel=channel, template="hi", facts={"first_name": "<b>Ana"})
        )
    bench.run(bench.settled(2))
    [message] = mail.messages
    assert '<p style="color: red;">&lt;b&gt;Ana</p>' in message.html
    assert message.text == "<b>Ana"
    assert bench.log.messages[0].html == ""


def test_a_version_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {})
    bench.stream.send(activation(template="hi", version="v2"))
    bench.run(lambda: bench.worker.stats()["retried"] == 1)
    assert not bench.log.messages
    bench.workspaces.versions["v2"] = {"templates/hi.liquid": "there"}
    bench.now += 5_000
    bench.run(bench.settled())
    assert [m.text for m in bench.log.messages] == ["there"]


def test_a_missing_channel_is_stood_in_for_by_the_log_and_the_receipt_says_so(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, {})
    bench.stream.send(activation(channel="sms"))
    bench.run(bench.settled())
    assert [m.channel for m in bench.log.messages] == ["sms"]
    [row] = listed(tmp_path, "delivered")
    assert (row.channel, row.detail) == ("sms", "log: channel sms is not configured")


def test_a_slow_channel_has_its_own_limit_and_others_do_not_notice(tmp_path: Path) -> None:
    slow, quick = RecordingChannel(), RecordingChannel()
    how = Delivery(wait_ms=10, tick=0.005, calls_of={"email": 4}, depth=10)
    bench = Bench(tmp_path, {"email": slow, "webhook": quick}, delivery=how)
    opened = False

    def until() -> bool:
        nonlocal opened
        slow.gate = slow.gate or asyncio.Event()
        if not opened and len(quick.messages) == 50 and len(slow.messages) == 4:
            counts = summary(tmp_path)["email"]
            assert counts == {"intent": 4, "pending": 46}  # waiting is not intending
            slow.gate.set()
            opened = True
        return opened and bench.settled(100)()

    for n in range(50):
        bench.stream.send(activation(n, channel="email"), activation(n, channel="webhook"))
    bench.run(until)
    assert slow.at_once == 4
    assert len(set(slow.ids)) == len(slow.ids) == 50


class Steady(RecordingChannel):
    """Takes a moment for each message."""

    async def deliver(self, message: Message) -> Outcome:
        await asyncio.sleep(0.01)
        return await super().deliver(message)


def test_slack_is_called_for_one_message_at_a_time(tmp_path: Path) -> None:
    slack, webhook = RecordingChannel(), RecordingChannel()
    slack.gate = webhook.gate = gate = asyncio.Event()
    bench = Bench(tmp_path, {"slack": slack, "webhook": webhook})

    def until() -> bool:
        if len(webhook.messages) == 6 and slack.messages:
            gate.set()
        return bench.settled(12)()

    for n in range(6):
        bench.stream.send(activation(n, channel="slack"), activation(n, channel="webhook"))
    bench.run(until)
    assert (webhook.at_once, slack.at_once) == (6, 1)
    assert len(slack.messages) == 6


def test_a_template_is_posted_to_slack_and_a_trait_mentions_nobody(
    tmp_path: Path, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/services/x").respond_with_data("ok")
    channel = connect({"slack": {"url": httpserver.url_for("/services/x")}})["slack"]
    bench = Bench(tmp_path, {"slack": channel})
    template = "---\nsubject: New & big\n---\n{{ first_name }} bought it."
    bench.workspaces = InMemoryWorkspaces({"v1": {"templates/sold.slack.liquid": template}})
    bench.stream.send(
        activation(channel="slack", template="sold", facts={"first_name": "<!channel>"})
    )
    bench.run(bench.settled())
    [(request, _)] = httpserver.log
    assert request.get_json() == {"text": "*New &amp; big*\n&lt;!channel&gt; bought it."}


def test_a_receiver_whose_name_leads_into_a_private_network_is_refused_once_and_for_good(
    tmp_path: Path,
) -> None:
    asked: list[str] = []

    async def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["10.0.0.1"]

    given = {"url": "https://hooks.example/", "secret": f"whsec_{'A' * 32}", "resolve": resolve}
    bench = Bench(tmp_path, {"webhook": connect({"webhook": given})["webhook"]})
    bench.stream.send(activation(channel="webhook"))
    bench.run(bench.settled())
    [row] = listed(tmp_path, "dead")
    assert row.detail == "url: the name leads to an address that is private"
    assert asked == ["hooks.example"]


def test_a_backlog_is_not_taken_up_and_put_down_again_and_again(tmp_path: Path) -> None:
    """R21: a channel that works off what waited takes nothing from the others."""
    put_down = 0

    class Counting(Ledger):
        def take(
            self, activations: Sequence[Activation], now: int, down: Set[str] = frozenset()
        ) -> list[Activation]:
            nonlocal put_down
            put_down += len(down)
            return super().take(activations, now, down)

        def defer(self, ids: Sequence[str], at: int) -> None:
            nonlocal put_down
            put_down += len(ids)
            super().defer(ids, at)

    webhook, waiting = Steady(), 600
    how = Delivery(depth=50, calls=8, calls_of={}, wait_ms=10, tick=0.01)
    bench = Bench(tmp_path, {"webhook": webhook}, delivery=how)
    bench.ledger = Counting
    bench.stream.send(*(activation(n, channel="webhook") for n in range(waiting)))
    bench.run(lambda: len(webhook.messages) >= 250)
    assert waiting - 50 <= put_down < waiting + 100


def test_a_bug_in_a_channel_is_recorded_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    email = RecordingChannel(KeyError("very-private"))
    webhook = RecordingChannel(KeyError("very-private"))
    bench = Bench(tmp_path, {"email": email, "webhook": webhook})
    for n, channel in itertools.product(range(2), ("email", "webhook")):
        bench.stream.send(activation(n, channel=channel))
    bench.run(bench.settled(4))
    assert [row.detail for row in listed(tmp_path, "unknown")] == ["bug in the channel"]
    assert summary(tmp_path)["webhook"] == {"delivered": 2}
    written = "".join(capsys.readouterr())
    assert "bug in a channel" in written
    assert "very-private" not in written


def test_a_stop_lets_open_calls_end(tmp_path: Path) -> None:
    channel = RecordingChannel()
    bench = Bench(tmp_path, {"email": channel})
    bench.stream.send(activation(channel="email"))

    def calling() -> bool:
        channel.gate = channel.gate or asyncio.Event()
        return len(channel.messages) == 1

    def then() -> None:
        assert channel.gate is not None
        asyncio.get_running_loop().call_later(0.05, channel.gate.set)

    bench.run(calling, then)
    assert summary(tmp_path) == {"email": {"delivered": 1}}


def test_refused_and_unknown_are_final_and_counted(tmp_path: Path) -> None:
    channel = RecordingChannel(Refused(reason="smtp 550"), Unknown(reason="time-out"))
    bench = Bench(tmp_path, {"email": channel})
    bench.stream.send(activation(0, channel="email"), activation(1, channel="email"))
    bench.run(bench.settled(2))
    bench.now += HORIZON // 2
    bench.run(lambda: True)
    assert len(channel.messages) == 2
    stats = bench.worker.stats()
    assert (stats["dead"], stats["unknown"], stats["waiting"], stats["calling"]) == (0, 0, 0, 0)
    assert summary(tmp_path) == {"email": {"dead": 1, "unknown": 1}}


def test_latency_counts_what_events_caused_and_only_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {}, now_us=lambda: NOW * 1000 + 2_500)
    caused, timed = activation(0, accepted_us=NOW * 1000), activation(1)
    bench.stream.send(caused, timed, caused)
    bench.run(bench.settled(2))
    assert bench.worker.stats()["latency_ms"] == {"p50": 2.5, "p99": 2.5}
    assert bench.worker._latencies._count == 1


def test_a_slot_that_fails_on_the_way_comes_back_with_all_its_messages(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {})
    some = [activation(n) for n in range(200)]
    bad = slot_of(some[0].id)
    path = tmp_path / f"slot-{bad:02}.db"
    path.mkdir()  # what cannot be opened
    for a in some:
        bench.stream.send(a)
    others = [a for a in some if slot_of(a.id) != bad]

    def until() -> bool:
        if path.is_dir() and bench.settled(len(others))():
            assert list(bench.worker.stats()["unserved"]) == [bad]
            assert bench.worker.trimmable() == [-1]
            path.rmdir()
        return bench.settled(len(some))()

    bench.run(until)
    assert sorted(bench.log.ids) == sorted(a.id for a in some)


@pytest.mark.parametrize(
    ("channel", "answer", "calls"),
    [
        ("email", Delivered(), 1),
        ("email", Later(0.0, "smtp 451"), 2),
        ("webhook", Delivered(), 1),
    ],
)
def test_a_slot_that_fails_during_a_call_comes_back_with_what_came_of_it(
    tmp_path: Path, channel: str, answer: Outcome, calls: int
) -> None:
    provider = RecordingChannel(answer)
    bench = Bench(tmp_path, {channel: provider})
    one = activation(channel=channel)
    bench.stream.send(one)
    failed = False

    def until() -> bool:
        nonlocal failed
        provider.gate = provider.gate or asyncio.Event()
        if len(provider.messages) == 1 and not failed:
            bench.worker._ledger._slots[slot_of(one.id)]._db.execute("PRAGMA query_only = ON")
            provider.gate.set()
            failed = True
        return bench.settled()()

    bench.run(until)
    assert provider.ids == [one.id] * calls
    assert summary(tmp_path) == {channel: {"delivered": 1}}
    stats = bench.worker.stats()
    assert (stats["delivered"], stats["unknown"]) == (1, 0)


def test_messages_that_expire_since_the_clock_was_ahead_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(tmp_path, {})
    one, again = activation(0), activation(0, id=activation(0).id[:-1] + "x")
    bench.stream.send(one)
    bench.run(bench.settled(1))
    bench.now = NOW + 2 * HORIZON
    bench.run(lambda: True)  # it prunes at its start
    assert "the clock went back" not in capsys.readouterr().out
    bench.now = NOW
    bench.stream.send(again)
    bench.run(lambda: bool(listed(tmp_path, "expired")))
    assert "messages expire, for the clock went back" in capsys.readouterr().out
    assert not bench.log.ids[1:]
    assert floor_of(tmp_path) == NOW + HORIZON


def test_an_entry_that_cannot_be_read_stops_the_worker(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {})
    bench.stream.append(0, b"\xc1 not ours")
    with pytest.raises(ExceptionGroup) as stopped:
        bench.run(lambda: False)
    assert stopped.group_contains(ValueError, match="partition 0, entry 0: not a list of activ")


def test_a_worker_without_the_log_channel_is_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {})
    del bench.channels["log"]
    with pytest.raises(ValueError, match="needs the channel 'log'"):
        bench.run(lambda: True)


class Moody(ThreadingHTTPServer):
    """A receiver that hangs until it does not any more, and remembers what it took."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.well = threading.Event()
        self.asked = 0
        self.took: list[str] = []


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Moody

    def do_POST(self) -> None:
        self.server.asked += 1
        if self.server.well.wait(5):
            self.rfile.read(int(self.headers["content-length"]))
            self.server.took.append(self.headers["webhook-id"])
            self.send_response(204)
            self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def moody() -> Iterator[Moody]:
    with Moody() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.well.set()
            server.shutdown()
            thread.join()


def hook(server: Moody) -> Channel:
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    return webhook.connect({"url": url, "secret": SECRET, "timeout": 0.2})


def test_r21_f3_a_provider_that_hangs_is_left_alone_and_no_other_waits_for_it(
    tmp_path: Path,
) -> None:
    """F3 too: what waited for it is delivered once it is well again."""
    many, mails = 300, Mails()
    how = Delivery(
        wait_ms=10, tick=0.005, save=0.01, calls=16, patience=Patience(rest_s=1.0), attempts=99
    )
    with moody() as hanging, smtp_server(mails) as port:
        email = configured.connect(
            {"email": {"url": f"smtp://127.0.0.1:{port}", "sender": "Shop <a@shop.example>"}}
        )["email"]
        bench = Bench(tmp_path, {"webhook": hook(hanging), "email": email}, delivery=how)
        for n in range(many):
            bench.stream.send(activation(n, channel="webhook"), activation(n, channel="email"))
        seen: list[str] = []

        def until() -> bool:
            held = bench.worker.stats()["held"]
            if not hanging.well.is_set() and len(mails.accepted) == many and "webhook" in held:
                seen.append(held["webhook"])
                assert hanging.asked <= 20 + 16, "nobody asks a provider that is left alone"
                assert "email" not in held
                hanging.well.set()
            bench.now += 1_000 if hanging.well.is_set() else 0  # what failed is due again
            return hanging.well.is_set() and bench.settled(2 * many)()

        bench.run(until)
        assert bench.worker.stats()["held"] == {}
    assert seen[0].startswith("the provider fails, asked again in ")
    assert summary(tmp_path) == {name: {"delivered": many} for name in ("email", "webhook")}
    assert len(set(hanging.took)) == many


def test_r22_a_keyed_receiver_is_asked_again_after_an_answer_that_broke_off(tmp_path: Path) -> None:
    """It said 200, and was cut before the end of its answer: copies have one id, so one counts."""
    asked: list[str] = []

    def serve(connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65_536)
        [found] = re.findall(rb"webhook-id: (\S+)", head)
        asked.append(found.decode())
        cut = len(asked) == 1
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (9 if cut else 0))

    with socket_server(serve) as port:
        channel = webhook.connect({"url": f"http://127.0.0.1:{port}/", "secret": SECRET})
        bench = Bench(tmp_path, {"webhook": channel})
        bench.stream.send(activation(channel="webhook"))

        def until() -> bool:
            bench.now += 1_000
            return bench.settled()()

        bench.run(until)
    assert asked == [activation(channel="webhook").id] * 2
    assert summary(tmp_path) == {"webhook": {"delivered": 1}}


def test_r22_without_a_key_it_is_unknown_and_never_sent_again(tmp_path: Path) -> None:
    asked = 0

    def serve(connection: socket.socket) -> None:
        nonlocal asked
        asked += 1
        smtp_dialogue(connection, b"DOT", None)

    with socket_server(serve) as port:
        options = {"url": f"smtp://127.0.0.1:{port}", "sender": "Shop <a@shop.example>"}
        bench = Bench(tmp_path, configured.connect({"email": options}))
        bench.stream.send(activation(channel="email"))
        bench.run(bench.settled())
        bench.now += DAY
        bench.run(lambda: True)
    assert asked == 1
    [row] = listed(tmp_path, "unknown")
    assert row.detail == "connection lost after the final dot"


def test_r44_who_unsubscribes_between_the_lease_and_the_gate_gets_nothing(tmp_path: Path) -> None:
    """The message is in hand already; what is asked right before the call decides."""
    first, second = activation(1, channel="email"), activation(2, channel="email")
    channel = RecordingChannel()
    channel.gate = None
    bench = Bench(tmp_path, {"email": channel}, delivery=Delivery(calls=1, calls_of={}, tick=0.005))
    bench.stream.send(first, second)
    left = False

    def until() -> bool:
        nonlocal left
        channel.gate = channel.gate or asyncio.Event()
        if channel.ids == [first.id] and bench.worker.stats()["waiting"] == 1 and not left:
            bench.withdrawals.withdraw(person_id(second.leaf), "marketing", "email", NOW)
            channel.gate.set()
            left = True
        return left and bench.settled(2)()

    bench.run(until)
    assert channel.ids == [first.id]
    [row] = listed(tmp_path, "refused")
    assert (row.id, row.detail) == (second.id, "consent")


def test_who_is_too_fast_for_a_provider_waits_as_long_as_it_asks(tmp_path: Path) -> None:
    channel = RecordingChannel(Later(after=0.3, reason="http 429", whose="pace"))
    bench = Bench(tmp_path, {"email": channel}, delivery=Delivery(calls=1, calls_of={}, tick=0.005))
    began = time.monotonic()
    for n in range(3):
        bench.stream.send(activation(n, channel="email"))
    bench.run(bench.settled(2))
    assert time.monotonic() - began >= 0.3
    assert summary(tmp_path)["email"] == {"delivered": 2, "pending": 1}


def test_a_channel_has_a_rate(tmp_path: Path) -> None:
    how = Delivery(wait_ms=10, tick=0.005, per_s_of={"email": 50.0})
    channel = RecordingChannel()
    bench = Bench(tmp_path, {"email": channel}, delivery=how)
    bench.stream.send(*(activation(n, channel="email") for n in range(75)))
    began = time.monotonic()
    bench.run(bench.settled(75))
    assert time.monotonic() - began >= 0.5, "50 at once, and 25 more take half a second"


def test_a_campaign_does_not_make_a_reminder_wait(tmp_path: Path) -> None:
    """Whatever waits in the ledger, and whatever is behind it in the stream."""
    channel = Steady()
    how = Delivery(wait_ms=10, tick=0.005, depth=20, calls=4, calls_of={})
    bench = Bench(tmp_path, {"email": channel}, delivery=how)
    bench.stream.send(*(activation(n, channel="email", trigger="sale") for n in range(400)))
    reminder = activation(1_000, channel="email", trigger="reminder")

    sent = False

    def until() -> bool:
        nonlocal sent
        if len(channel.messages) >= 40 and not sent:
            bench.stream.send(reminder)
            sent = True
        return reminder.id in channel.ids

    bench.run(until)
    assert channel.ids.index(reminder.id) < 200


def test_a_lane_that_was_full_is_filled_again_before_the_next_look_at_what_is_due(
    tmp_path: Path,
) -> None:
    how = msgspec.structs.replace(QUICK, tick=3.0, depth=10)
    bench = Bench(tmp_path, {}, delivery=how)
    bench.stream.send(*(activation(n) for n in range(200)))
    began = time.monotonic()
    bench.run(until=bench.settled(200))
    assert len(bench.log.ids) == len(set(bench.log.ids)) == 200
    assert time.monotonic() - began < 9, "twenty times ten, and not every three seconds ten"
