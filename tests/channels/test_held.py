"""What is held: through an outage, until an operator decides, or somebody is erased."""

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from channels.base import Delivered, Later, Message, Outcome, Refused, Unknown
from channels.delivery.beside import (
    Choice,
    chosen,
    confirm,
    drop,
    held,
    listed,
    resend,
    summary,
    tallied,
)
from channels.delivery.breaker import Patience
from channels.delivery.gate import keys
from channels.delivery.ledger import Ledger, Settled
from channels.delivery.slot import HELD, Untold
from channels.delivery.teller import Teller
from channels.delivery.worker import Delivery
from events.record import Event
from events.sources.base import LogUnavailableError
from tests.channels.doubles import NOW, RecordingChannel, activation
from tests.channels.test_worker import Bench, keyed
from triggers.activation import slot_of

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Outage(RecordingChannel):
    """A provider that is away until a time of the bench's clock."""

    def __init__(self, until: int) -> None:
        super().__init__()
        self.until = until
        self.bench: Bench
        self.calls = 0

    async def deliver(self, message: Message) -> Outcome:
        self.calls += 1
        if self.bench.now < self.until:
            return Later(after=5.0, reason="no server", whose="provider")
        return await super().deliver(message)


def through(folder: Path, outage_ms: int, many: int, **how: Any) -> tuple[Bench, Outage]:
    """Send some, and let a day and two hours pass, a minute every few milliseconds."""
    provider = Outage(NOW + outage_ms)
    patience = Patience(rest_s=0.01)
    delivery = Delivery(wait_ms=10, tick=0.002, save=0.01, revive=0.02, patience=patience)
    bench = Bench(folder, {"email": provider}, delivery=delivery, draw=lambda: 1.0, **how)
    provider.bench = bench
    bench.stream.send(*(activation(n, channel="email") for n in range(many)))
    ends = NOW + 26 * HOUR

    def passed() -> bool:
        settled = bench.settled(many)()
        if not settled:
            bench.now = min(ends, bench.now + MINUTE)
        return settled

    bench.run(passed)
    return bench, provider


@pytest.mark.parametrize("many", [3, 60])
def test_f4_what_was_sent_during_an_outage_of_two_hours_is_delivered_after_it(
    tmp_path: Path, many: int
) -> None:
    """A few messages, of which no breaker hears, and enough of them to open it."""
    bench, provider = through(tmp_path, 2 * HOUR, many)
    assert sorted(provider.ids) == sorted(activation(n, channel="email").id for n in range(many))
    assert summary(tmp_path) == {"email": {"delivered": many}}
    assert bench.now < NOW + 3 * HOUR, "soon after it"


def test_f4_what_an_outage_of_two_days_left_is_a_dead_letter_that_can_be_sent_again(
    tmp_path: Path,
) -> None:
    bench, provider = through(tmp_path, 48 * HOUR, 3)
    assert provider.ids == []
    dead = chosen(tmp_path, Choice(states=("dead",)))
    assert {row.detail for row in dead} == {"gave_up: no server"}
    assert tallied(tmp_path, Choice()) == {("dead", "email", "gave_up: no server"): 3}

    bench.now = NOW + 48 * HOUR

    def mended() -> None:
        became = resend(tmp_path, [row.id for row in dead], bench.now, "ops", "v9")
        assert set(became.values()) == {"resent"}

    def both() -> bool:
        if bench.worker.stats()["taken"] == 0 and listed(tmp_path, "dead"):
            mended()  # beside the running worker
        return len(provider.ids) == 3

    bench.run(both)
    assert sorted(provider.ids) == sorted(row.id for row in dead)
    assert summary(tmp_path) == {"email": {"delivered": 3}}


def holding(folder: Path, outcome: Outcome, **changed: Any) -> str:
    """Leave one message in a ledger with an outcome that the log has heard of."""
    ledger = Ledger.open(folder, keyed=keyed, now=NOW)
    one = activation(**{"channel": "email", **changed})
    ledger.take([one], NOW)
    ledger.intend([one.id], NOW)
    ledger.settle([Settled(one.id, outcome)], NOW)
    ledger.close()
    return one.id


UNKNOWN = Unknown(reason="time-out after the final dot")
DEAD = Refused(reason="http 404")


def test_an_unknown_message_is_sent_again_only_by_an_operators_word(tmp_path: Path) -> None:
    one = holding(tmp_path, UNKNOWN)
    bench = Bench(tmp_path, {"email": RecordingChannel()})
    bench.run(lambda: True)
    assert bench.channels["email"].ids == []  # type: ignore[attr-defined]
    assert resend(tmp_path, [one], NOW, "ops", "v9") == {one: "resent"}
    assert resend(tmp_path, [one], NOW, "ops", "v9") == {one: "not_held"}, "once"
    bench.run(bench.settled())
    assert bench.channels["email"].ids == [one]  # type: ignore[attr-defined]
    assert summary(tmp_path) == {"email": {"delivered": 1}}


def test_an_unknown_message_that_has_arrived_is_confirmed_and_the_log_hears_it(
    tmp_path: Path,
) -> None:
    one = holding(tmp_path, UNKNOWN)
    said: list[Event] = []
    bench = Bench(tmp_path, {"email": RecordingChannel()}, say=said.extend)
    decided: list[dict[str, str]] = []

    def beside() -> bool:
        if not decided:
            decided.append(confirm(tmp_path, [one], NOW, "ops"))
        return bool(said)

    bench.run(beside)
    assert decided == [{one: "confirmed"}]
    assert [(event.name, event.properties["message"]) for event in said] == [("email_sent", one)]
    [row] = listed(tmp_path, "delivered")
    assert row.detail == "confirmed by ops"
    found = held(tmp_path, one)
    assert found is not None
    assert found.activation is None
    assert confirm(tmp_path, [holding(tmp_path / "d", DEAD)], NOW, "ops") == {one: "not_held"}


def test_a_dropped_message_leaves_no_body(tmp_path: Path) -> None:
    one = holding(tmp_path, DEAD, address="very-private@shop.example")
    assert drop(tmp_path, [one], NOW, "ops") == {one: "dropped"}
    [row] = listed(tmp_path, "refused")
    assert row.detail == "dropped by ops"
    Ledger.open(tmp_path, keyed=keyed, now=NOW).close()  # folds the write-ahead log
    assert b"very-private" not in (tmp_path / f"slot-{slot_of(one):02}.db").read_bytes()
    assert resend(tmp_path, [one], NOW, "ops", "v9") == {one: "not_held"}


def test_what_went_to_another_channel_is_not_sent_again(tmp_path: Path) -> None:
    one = holding(tmp_path, DEAD, tell=True)
    assert resend(tmp_path, [one], NOW, "ops", "v9") == {one: "elsewhere"}


def test_what_is_told_late_does_not_hide_what_came_since(tmp_path: Path) -> None:
    """The log heard that it failed; before that is marked, an operator sends it and it arrives."""
    ledger = Ledger.open(tmp_path, keyed=keyed, now=NOW)
    one = activation(channel="email")
    ledger.take([one], NOW)
    ledger.settle([Settled(one.id, DEAD, tell=True)], NOW)
    heard = ledger.untold(9)
    assert resend(tmp_path, [one.id], NOW + 1, "ops", "v9") == {one.id: "resent"}
    ledger.intend([one.id], NOW + 2)
    ledger.settle([Settled(one.id, Delivered(), tell=True)], NOW + 3)
    ledger.told(heard)
    assert [untold.state for untold in ledger.untold(9)] == ["delivered"]
    ledger.close()


@pytest.mark.parametrize(
    ("changed", "became"),
    [
        ({"valid_until": NOW + HOUR - 1}, "too_late"),
        ({"valid_until": NOW + HOUR}, "resent"),
        ({"decided": NOW - 90 * DAY + HOUR}, "resent"),
        ({"decided": NOW - 90 * DAY + HOUR - 1}, "too_late"),
    ],
)
def test_what_is_too_late_is_not_sent_again(
    tmp_path: Path, changed: dict[str, Any], became: str
) -> None:
    one = holding(tmp_path, DEAD, **changed)
    assert resend(tmp_path, [one], NOW + HOUR, "ops", "v9") == {one: became}
    assert len(listed(tmp_path, "dead")) == (became == "too_late")


def test_a_template_that_was_mended_is_the_one_that_is_sent(tmp_path: Path) -> None:
    """What it says comes from the workspace in force then; every other message is as decided."""
    bench = Bench(tmp_path, {})
    bench.workspaces.versions = {
        "v1": {"templates/hi.liquid": "{% nonsense %}", "templates/ok.liquid": "as decided"},
        "v2": {"templates/hi.liquid": "mended", "templates/ok.liquid": "newer"},
    }
    bench.log.answers = [Refused("http 404")]
    bench.stream.send(activation(0, template="hi"), activation(1, template="ok"))
    bench.run(bench.settled(2))
    ids = [row.id for row in listed(tmp_path, "dead")]
    assert set(resend(tmp_path, ids, NOW, "ops", "v2").values()) == {"resent"}
    bench.run(bench.settled(2))
    assert sorted(m.text for m in bench.log.messages) == ["as decided", "as decided", "mended"]


def test_somebody_erased_is_in_no_body_that_waits(tmp_path: Path) -> None:
    """For its next attempt, as a dead letter, as unknown; whoever is not erased keeps theirs."""
    answers = (Later(600.0, "smtp 451"), DEAD, UNKNOWN, DEAD)
    channel = RecordingChannel(*answers)
    bench = Bench(tmp_path, {"email": channel}, delivery=QUICK_SWEEP, now_us=lambda: NOW * 1000)
    some = [activation(n, channel="email") for n in range(4)]
    for a in some:
        bench.stream.send(a)

    def bodies() -> list[bool]:
        found = [held(tmp_path, a.id) for a in some]
        return [one is not None and one.activation is not None for one in found]

    bench.run(lambda: len(channel.messages) == 4 and bench.worker.stats()["calling"] == 0)
    assert bodies() == [True] * 4
    for a in some[:3]:
        bench.withdrawals.at[keys(a)[2]] = NOW + 1
    bench.run(lambda: bodies() == [False, False, False, True])
    states = [found.row.state for a in some if (found := held(tmp_path, a.id))]
    assert states == ["refused", "dead", "unknown", "dead"]
    assert resend(tmp_path, [some[1].id], NOW, "ops", "v9") == {some[1].id: "no_body"}


QUICK_SWEEP = Delivery(
    wait_ms=10, tick=0.005, save=0.01, revive=0.02, sweep=0.02, calls_of={"email": 1}
)


def test_a_body_waits_thirty_days_for_an_operator(tmp_path: Path) -> None:
    one = holding(tmp_path, DEAD)
    for now, kept in ((NOW + HELD, True), (NOW + HELD + 1, False)):
        Ledger.open(tmp_path, keyed=keyed, now=now).close()
        found = held(tmp_path, one)
        assert found is not None
        assert (found.activation is not None) == kept
    assert listed(tmp_path, "dead"), "that it died is known for longer"


def test_a_ledger_of_before_is_read_on(tmp_path: Path) -> None:
    """Version 1: no column that says what is told, and none of today's indexes."""
    ledger = Ledger.open(tmp_path, keyed=keyed, now=NOW)
    waiting, done = activation(0, channel="email"), activation(64, channel="email")
    ledger.take([waiting, done], NOW)
    ledger.settle([Settled(done.id, Delivered())], NOW)
    ledger.close()
    for path in tmp_path.glob("slot-*.db"):
        db = sqlite3.connect(path)
        for index in ("waiting_by", "closed", "held", "untold"):
            db.execute(f"DROP INDEX {index}")
        db.execute("ALTER TABLE activation DROP COLUMN told")
        db.execute("CREATE INDEX final ON activation (changed) WHERE body IS NULL")
        db.execute("PRAGMA user_version = 1")
        db.close()
    said: list[Event] = []
    bench = Bench(tmp_path, {"email": RecordingChannel()}, say=said.extend)
    bench.run(lambda: bool(said))
    assert summary(tmp_path) == {"email": {"delivered": 2}}
    assert [event.properties["message"] for event in said] == [waiting.id], "nothing of the past"


def test_a_message_that_is_told_of_later_than_there_is_room_in_memory_for(tmp_path: Path) -> None:
    """More outcomes than a teller keeps, of which the log hears only when it is back."""
    ledger = Ledger.open(tmp_path, keyed=keyed, now=NOW)
    some = [activation(n, channel="email") for n in range(40)]
    ledger.take(some, NOW)
    ledger.settle([Settled(a.id, Delivered(), tell=True) for a in some], NOW)
    said: list[str] = []
    tries = iter([True, True, False])

    def say(events: Any) -> None:
        if next(tries, False):
            raise LogUnavailableError("away")
        said.extend(event.properties["message"] for event in events)

    async def running() -> None:
        async def thread(function: Any, *args: Any) -> Any:
            return await asyncio.to_thread(function, *args)

        telling = Teller(ledger, say, thread, 0.001, room=5)
        for a in some:
            telling.note(Untold(a, "delivered", "", NOW))
        run = asyncio.create_task(telling.run())
        async with asyncio.timeout(10):
            while len(said) < 40:  # noqa: ASYNC110 - the list is the witness
                await asyncio.sleep(0.002)
        telling.stop()
        await run

    asyncio.run(running())
    assert sorted(said) == sorted(a.id for a in some)
    assert ledger.untold(100) == []
    ledger.close()


def test_what_is_noted_while_the_ledger_is_read_is_told_once(tmp_path: Path) -> None:
    """A worker that starts reads what is untold, and its first calls end meanwhile."""
    said: list[str] = []

    async def running() -> None:
        loop = asyncio.get_running_loop()

        class Meanwhile(Ledger):
            def untold(self, limit: int) -> list[Untold]:
                found = super().untold(limit)
                for one in found:
                    loop.call_soon_threadsafe(telling.note, one)
                time.sleep(0.05)
                return found

        async def thread(function: Any, *args: Any) -> Any:
            return await asyncio.to_thread(function, *args)

        def say(events: Any) -> None:
            said.extend(event.properties["message"] for event in events)

        ledger = Meanwhile.open(tmp_path, keyed=keyed, now=NOW)
        some = [activation(n, channel="email") for n in range(3)]
        ledger.take(some, NOW)
        ledger.settle([Settled(a.id, Delivered(), tell=True) for a in some], NOW)
        telling = Teller(ledger, say, thread, 0.001)
        telling.stop()
        await telling.run()
        ledger.close()

    asyncio.run(running())
    assert len(said) == len(set(said)) == 3
