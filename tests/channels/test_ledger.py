"""The delivery ledger remembers: taken once, intended before called, settled for good."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from channels.base import Delivered, Later, Outcome, Refused, Unknown
from channels.delivery.beside import listed, lost_slots, summary
from channels.delivery.ledger import HORIZON, Expired, Ledger, Settled, SlotTakenError, Taken
from tests.channels.doubles import NOW, activation
from triggers.activation import SLOTS, Activation, slot_of

DAY = 86_400_000


def opened(
    folder: Path,
    *,
    now: int = NOW,
    slots: range = range(SLOTS),
    keyed: Callable[[str], bool] = {"webhook"}.__contains__,
) -> Ledger:
    return Ledger.open(folder, keyed=keyed, now=now, slots=slots)


def crash(ledger: Ledger) -> None:
    """Leave everything as a dead process leaves it: no last saving, the lock given back."""
    ledger._threads.shutdown()
    ledger._cursors._db.close()
    for slot in ledger._slots.values():
        slot._db.close()
    for lease in ledger._leases.values():
        lease.close()


def test_an_activation_is_new_once(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    some = [activation(n) for n in range(200)]
    assert ledger.take(some, NOW) == some
    assert ledger.take([*some, activation(200)], NOW) == [activation(200)]
    ledger.close()

    again = opened(tmp_path)
    assert again.take(some, NOW) == []
    again.close()


def test_an_id_twice_in_one_batch_is_one_activation(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    assert ledger.take([activation(1), activation(1)], NOW) == [activation(1)]
    ledger.close()


def test_a_crash_after_take_leaves_it_due(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.take([activation(1)], NOW)
    crash(ledger)

    again = opened(tmp_path)
    assert again.take([activation(1)], NOW) == []
    assert again.due(NOW, 10) == [Taken(activation(1), 0)]
    assert again.due(NOW, 10) == []  # it is in hand now
    again.close()


@pytest.mark.parametrize(
    ("channel", "becomes"), [("email", "unknown"), ("sms", "unknown"), ("webhook", "pending")]
)
def test_a_crash_after_intend_is_resolved_by_the_channels_key(
    tmp_path: Path, channel: str, becomes: str
) -> None:
    ledger = opened(tmp_path)
    one = activation(1, channel=channel)
    ledger.take([one], NOW)
    assert ledger.intend([one.id], NOW) == {one.id}
    crash(ledger)

    again = opened(tmp_path)
    assert again.counts() == {channel: {becomes: 1}}
    assert again.due(NOW, 10) == ([Taken(one, 1)] if becomes == "pending" else [])
    assert again.intend([one.id], NOW) == ({one.id} if becomes == "pending" else set())
    again.close()


def full(ledger: Ledger, *of: Activation) -> None:
    """Let slots meet a disk that takes nothing, until they are opened again."""
    for a in of:
        ledger._slots[slot_of(a.id)]._db.execute("PRAGMA query_only = ON")


@pytest.mark.parametrize(
    ("outcome", "becomes"),
    [(Delivered(), "delivered"), (Later(0.0, "smtp 451"), "pending"), (Refused("x"), "dead")],
)
def test_an_outcome_waits_until_its_slot_can_be_written_again(
    tmp_path: Path, outcome: Outcome, becomes: str
) -> None:
    ledger = opened(tmp_path)
    one, other = activation(1, channel="email"), activation(2, channel="email")
    ledger.take([one, other], NOW)
    ledger.intend([one.id, other.id], NOW)
    full(ledger, one)
    ledger.settle([Settled(one.id, outcome), Settled(other.id, outcome)], NOW)
    assert (list(ledger.unserved), ledger.owes) == ([slot_of(one.id)], True)
    assert ledger.counts() == {"email": {becomes: 1}}
    assert ledger.revive(NOW)
    assert (ledger.unserved, ledger.owes) == ({}, False)
    assert ledger.counts() == {"email": {becomes: 2}}
    assert len(ledger.due(NOW, 10)) == (2 if becomes == "pending" else 0)
    ledger.close()


@pytest.mark.parametrize("channel", ["email", "webhook"])
def test_a_slot_that_comes_back_leaves_open_calls_alone(tmp_path: Path, channel: str) -> None:
    ledger = opened(tmp_path)
    one = activation(1, channel=channel)
    ledger.take([one], NOW)
    ledger.intend([one.id], NOW)
    full(ledger, one)
    ledger.prune(NOW)
    assert ledger.revive(NOW)
    assert ledger.counts() == {channel: {"intent": 1}}
    assert ledger.due(NOW + DAY, 10) == []
    assert ledger.intend([one.id], NOW) == set()
    ledger.settle([Settled(one.id, Delivered())], NOW)
    assert ledger.counts() == {channel: {"delivered": 1}}

    two = activation(2, channel=channel)
    ledger.take([two], NOW)
    full(ledger, two)
    assert ledger.intend([two.id], NOW) == set(), "without an intent there is no call"
    assert ledger.revive(NOW)
    assert ledger.due(NOW, 10) == [Taken(two, 0)]
    assert ledger.intend([two.id], NOW) == {two.id}
    crash(ledger)
    opened(tmp_path).close()
    becomes = "pending" if channel == "webhook" else "unknown"
    assert summary(tmp_path) == {channel: {"delivered": 1, becomes: 1}}


def test_what_is_in_hand_twice_is_called_once(tmp_path: Path) -> None:
    """A slot that came back hands out what waits in a lane already."""
    ledger = opened(tmp_path)
    one = activation(1)
    ledger.take([one], NOW)
    full(ledger, one)
    ledger.prune(NOW)
    assert ledger.revive(NOW)
    assert ledger.due(NOW, 10) == [Taken(one, 0)]
    assert ledger.intend([one.id], NOW) == {one.id}
    ledger.settle([Settled(one.id, Later(60.0, "smtp 451"))], NOW)
    assert ledger.intend([one.id], NOW) == set()
    assert ledger.due(NOW + 60_000, 10) == [Taken(one, 1)]
    ledger.close()


def test_a_crash_after_settle_changes_nothing(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.take([activation(1)], NOW)
    ledger.intend([activation(1).id], NOW)
    ledger.settle([Settled(activation(1).id, Delivered(provider_id="q1"))], NOW)
    crash(ledger)

    again = opened(tmp_path)
    assert again.due(NOW + DAY, 10) == []
    assert again.counts() == {"log": {"delivered": 1}}
    again.close()


def test_what_is_final_stays(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    one = activation(1).id
    ledger.take([activation(1)], NOW)
    ledger.settle([Settled(one, Unknown(reason="time-out"))], NOW)
    ledger.settle([Settled(one, Delivered())], NOW)
    ledger.settle([Settled(one, Later(after=0.0, reason="again"))], NOW)
    assert ledger.intend([one], NOW) == set()
    assert ledger.counts() == {"log": {"unknown": 1}}
    [row] = listed(tmp_path, "unknown")
    assert (row.id, row.channel, row.trigger, row.detail) == (one, "log", "welcome", "time-out")
    ledger.close()


def test_later_is_due_when_its_time_has_come_and_counts_attempts(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    one = activation(1)
    ledger.take([one], NOW)
    ledger.intend([one.id], NOW)
    ledger.settle([Settled(one.id, Later(after=60.0, reason="smtp 451"))], NOW)
    assert ledger.next_due() == NOW + 60_000
    assert ledger.due(NOW + 59_999, 10) == []
    crash(ledger)

    again = opened(tmp_path)
    assert again.due(NOW + 59_999, 10) == []
    assert again.due(NOW + 60_000, 10) == [Taken(one, 1)]
    again.close()


def test_due_returns_what_each_channel_and_trigger_has_room_for(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    of = (("email", "welcome"), ("sms", "welcome"), ("sms", "sale"))
    some = [
        activation(50 * nth + n, channel=channel, trigger=trigger)
        for nth, (channel, trigger) in enumerate(of)
        for n in range(50)
    ]
    ledger.take(some, NOW)
    for n, a in enumerate(some):
        ledger.defer([a.id], NOW + n % 3)
    due = [t.activation for t in ledger.due(NOW + 3, 7, {("email", "welcome"): 3})]
    found = [(a.channel, a.trigger) for a in due]
    assert [found.count(one) for one in of] == [3, 7, 7]
    assert ledger.due(NOW + 3, 0) == []
    assert len(ledger.due(NOW + 3, 1_000)) == 133
    assert ledger.next_due() == float("inf")
    ledger.close()


def test_due_skips_channels_without_room_and_puts_back(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    a, b = activation(1, channel="email"), activation(1, channel="sms")
    ledger.take([a, b], NOW)
    ledger.defer([a.id, b.id], NOW + 5)
    assert ledger.due(NOW + 5, 10, {("email", "welcome"): 0}) == [Taken(b, 0)]
    assert ledger.due(NOW + 5, 10) == [Taken(a, 0)]
    ledger.defer([a.id], NOW + 9)
    assert ledger.due(NOW + 8, 10) == []
    assert ledger.due(NOW + 9, 10) == [Taken(a, 0)]
    ledger.close()


def test_the_body_goes_when_the_state_is_final(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    secret = activation(1, address="very-private@shop.example")
    ledger.take([secret], NOW)
    file = tmp_path / f"slot-{slot_of(secret.id):02}.db"
    bytes_now = file.read_bytes() + file.with_name(file.name + "-wal").read_bytes()
    assert b"very-private" in bytes_now  # so that the check below can fail
    ledger.settle([Settled(secret.id, Refused(reason="consent", whose="person"))], NOW)
    ledger.close()
    assert b"very-private" not in file.read_bytes()
    assert not file.with_name(file.name + "-wal").exists()


def test_a_slot_has_one_worker(tmp_path: Path) -> None:
    ledger = opened(tmp_path, slots=range(8))
    with pytest.raises(SlotTakenError, match=r"slot-07 is held by another worker \(process \d+\)"):
        opened(tmp_path, slots=range(7, 16))
    other = opened(tmp_path, slots=range(8, 16))  # the refused one kept none of its leases
    other.close()
    ledger.close()
    opened(tmp_path, slots=range(7, 16)).close()


def test_workers_share_the_stream_by_slot(tmp_path: Path) -> None:
    some = [activation(n) for n in range(100)]
    low, high = opened(tmp_path, slots=range(32)), opened(tmp_path, slots=range(32, 64))
    taken = low.take(some, NOW), high.take(some, NOW)
    assert [a for a in some if slot_of(a.id) < 32] == taken[0]
    assert [a for a in some if slot_of(a.id) >= 32] == taken[1]
    low.close()
    high.close()


def test_a_decision_older_than_the_horizon_is_expired(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    edge = activation(1, decided=NOW - HORIZON)
    old = activation(2, decided=NOW - HORIZON - 1)
    assert ledger.take([edge, old], NOW) == [edge]
    assert ledger.counts() == {"log": {"pending": 1, "expired": 1}}
    ledger.close()


def test_a_forgotten_id_stays_unsendable_even_if_the_clock_goes_back(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    one = activation(1)
    ledger.take([one], NOW)
    ledger.settle([Settled(one.id, Delivered())], NOW)
    assert ledger.prune(NOW + HORIZON) == 0
    assert ledger.prune(NOW + HORIZON + 1) == 1
    assert ledger.take([one], NOW) == []
    assert ledger.counts() == {"log": {"expired": 1}}
    ledger.close()


def test_pending_is_not_pruned(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.take([activation(1)], NOW)
    assert ledger.prune(NOW + 2 * HORIZON) == 0
    ledger.close()


def test_counts_beside_a_running_worker_and_after_its_crash(tmp_path: Path) -> None:
    assert summary(tmp_path) == {}
    ledger = opened(tmp_path)
    ids = [activation(n).id for n in range(4)]
    ledger.take([activation(n) for n in range(4)], NOW)
    consent = Refused(reason="consent", whose="person")
    outcomes: list[Outcome | Expired] = [Delivered(), consent, Expired(), Delivered()]
    ledger.settle([Settled(i, o) for i, o in zip(ids, outcomes, strict=True)], NOW)
    expected = {"log": {"delivered": 2, "refused": 1, "expired": 1}}
    assert ledger.counts() == summary(tmp_path) == expected
    crash(ledger)
    assert summary(tmp_path) == expected
    opened(tmp_path).close()
    assert summary(tmp_path) == expected


def test_the_cursor_is_never_ahead_of_what_is_taken(tmp_path: Path) -> None:
    ledger = opened(tmp_path, slots=range(32))
    assert ledger.cursor(0) == (-1, -1)
    ledger.mark(0, 7)
    ledger.mark(1, 3)
    ledger.save()
    ledger.mark(0, 9)
    assert ledger.cursor(0) == (9, -1), "the other half of the slots has read nothing yet"
    crash(ledger)

    again = opened(tmp_path, slots=range(32))
    assert (again.cursor(0).read, again.cursor(1).read) == (7, 3)
    again.close()
    wider = opened(tmp_path, slots=range(33))  # slot 32 was never served: from the oldest entry
    assert wider.cursor(0) == (-1, -1)
    wider.close()


def test_a_damaged_slot_is_not_served_says_so_and_holds_its_entries(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    some = [activation(n) for n in range(100)]
    ledger.take(some, NOW)
    ledger.mark(0, 5)
    ledger.close()
    bad = slot_of(some[0].id)
    file = tmp_path / f"slot-{bad:02}.db"
    whole = file.read_bytes()
    file.write_bytes(b"not a database" * 100)

    again = opened(tmp_path)
    assert list(again.unserved) == [bad]
    assert f"slot-{bad:02}.db cannot be used" in again.unserved[bad]
    more = [activation(n) for n in range(100, 200)]
    assert again.take(more, NOW) == [a for a in more if slot_of(a.id) != bad]
    again.mark(0, 9)
    assert again.cursor(0) == (9, 5)
    assert not again.revive(NOW)

    file.write_bytes(whole)
    assert again.revive(NOW)
    assert again.unserved == {}
    assert again.cursor(0) == (5, 5)
    assert again.take(more, NOW) == [a for a in more if slot_of(a.id) == bad]
    again.close()


@pytest.mark.parametrize("loss", ["emptied", "missing"])
def test_a_slot_whose_file_has_lost_what_it_knew_is_not_served(tmp_path: Path, loss: str) -> None:
    one = activation(1)
    n = slot_of(one.id)
    ledger = opened(tmp_path)
    ledger.take([one], NOW)
    ledger.settle([Settled(one.id, Delivered())], NOW)
    ledger.mark(0, 5)
    ledger.close()
    assert lost_slots(tmp_path) == []
    file = tmp_path / f"slot-{n:02}.db"
    whole = file.read_bytes()
    if loss == "emptied":  # as some file systems leave a file after a power cut, or a bad copy
        file.write_bytes(b"")
    else:
        file.unlink()

    again = opened(tmp_path)
    words = f"slot-{n:02}.db is {'empty' if loss == 'emptied' else 'missing'}, so nobody knows"
    assert again.unserved[n].startswith(words)
    assert again.take([one], NOW) == [], "an engine that recovers makes its last activations again"
    again.mark(0, 9)
    assert again.cursor(0) == (9, 5)
    assert not again.revive(NOW)
    assert [said.startswith(words) for said in lost_slots(tmp_path)] == [True]
    file.write_bytes(whole)
    assert again.revive(NOW)
    assert again.take([one], NOW) == []
    again.close()
    assert lost_slots(tmp_path) == []

    file.unlink()
    (tmp_path / "cursor.db").unlink()  # somebody said that it may begin anew
    anew = opened(tmp_path)
    assert anew.take([one], NOW) == [one]
    anew.close()


def test_a_newer_ledger_is_left_alone(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    ledger.take([activation(1)], NOW)
    ledger.close()
    n = slot_of(activation(1).id)
    db = sqlite3.connect(tmp_path / f"slot-{n:02}.db")
    db.execute("PRAGMA user_version = 3")
    db.close()
    again = opened(tmp_path)
    assert "version 3" in again.unserved[n]
    again.close()
