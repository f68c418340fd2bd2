"""R17: an event that raises is tried three times and kept; its neighbours are as if it had not come."""

import sys
from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Any

import msgspec
import pytest

from events import record
from events.record import DeadLetter, Event, NewerError, Offset, Record, Settled
from events.sources.memory import MemoryLog
from flows.bounds import DEFAULT, Bounds
from flows.poison import TRIES, WARY, NotAppliedError
from flows.replayed import ReplayedEngine
from kairos.operators.letters import Letter, again
from profile_state.stores.base import FencedError
from profile_state.stores.memory import MemoryStore, Shelf
from tests.extension import installed
from tests.flows.test_crashes import activations_of, people_of, read_again
from tests.invariants.test_fencing import held
from tests.shop import ADDRESSES, DAY, MINUTE, SECOND, WORKSPACE, Shop, an_event, at

CROWDED = Bounds(people=0, stride=4096)
FILES = {
    "segments/large.yaml": "segment: large\nif: ['share(order_completed.total) < 5']\n",
    "triggers/thanked.yaml": """
trigger: thanked
when: {event: order_completed}
if: ['last(order_completed.total) > 2']
reentry: always
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
""",
    "triggers/cart.yaml": """
trigger: cart
when: {event: cart_updated, then_no: order_completed, within: 30m}
while_active: restart
reentry: always
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
""",
}
Written = list[tuple[int, list[Record]]]  # entries: ms, records


@pytest.fixture(autouse=True)
def extension() -> Iterator[None]:
    with installed():
        yield


def order(user: str, total: Any, time: int, message_id: str, **rest: Any) -> Event:
    return an_event(
        "order_completed", user=user, total=total, time=time, message_id=message_id, **rest
    )


def history(seed: int, *, share: float = 0.1) -> tuple[Written, set[Offset]]:
    """Entries of several events each; returns with them where the poison is."""
    draw, ids, now = Random(seed), count(1), at("10:00")
    entries: Written = []
    places: set[Offset] = set()
    for nth in range(60):
        now += draw.choice((1, SECOND, 10 * MINUTE))
        group: list[Record] = []
        for place in range(draw.randrange(1, 6)):
            user, name = f"u{draw.randrange(6)}", f"m{next(ids)}"
            anon = f"d{draw.randrange(8)}" if draw.random() < 0.3 else None
            what = draw.random()
            if what < share:  # the first entry is the workspace's
                group.append(order(user, draw.choice((0, "dear", True)), now, name, anon=anon))
                if group[-1].properties["total"] is not True:  # type: ignore[union-attr]
                    places.add(Offset(nth + 1, place))
            elif what < 0.6:
                group.append(order(user, draw.randrange(1, 60), now, name, anon=anon))
            else:
                group.append(
                    an_event("cart_updated", user=user, anon=anon, time=now, message_id=name)
                )
        entries.append((now, group))
    return entries, places


def without(entries: Written, places: set[Offset]) -> Written:
    return [
        (now, [r for place, r in enumerate(group) if Offset(nth, place) not in places])
        for nth, (now, group) in enumerate(entries, 1)
    ]


def lived(entries: Written) -> Shop:
    """Live through a history, ticks and all."""
    shop = Shop(FILES, start=at("9:00"))
    for now, group in entries:
        shop.now = now  # no tick in between: both logs must have the same entries
        shop.log.append(0, record.encode(group))
    shop.run()
    shop.wait(DAY)
    shop.engine.drain()
    return shop


def dead(shelf: Shelf) -> dict[Offset, DeadLetter]:
    return {
        Offset(*place): msgspec.msgpack.decode(body, type=DeadLetter)
        for place, body in shelf.dead.items()
    }


@pytest.mark.parametrize(("seed", "share"), [(2, 0.1), (4, 0.4)])
def test_r17_neighbours_are_as_if_it_had_not_come_wherever_it_is_and_whatever_crashes(
    seed: int, share: float
) -> None:
    entries, places = history(seed, share=share)
    assert places
    live, clean = lived(entries), lived(without(entries, places))
    assert clean.sent_by("thanked")
    assert clean.sent_by("cart")
    assert dead(live.shelf).keys() == places
    assert people_of(live.shelf) == people_of(clean.shelf)
    assert activations_of(live.shelf) == activations_of(clean.shelf)
    assert +live.shelf.counts == +clean.shelf.counts
    died = 0
    for nth, bounds in enumerate((DEFAULT, DEFAULT, CROWDED)):
        shelf, crashes, _ = read_again(live.log, seed * 100 + nth, bounds)
        died += crashes
        assert shelf.dead == live.shelf.dead
        assert people_of(shelf) == people_of(live.shelf)
        assert activations_of(shelf) == activations_of(live.shelf)
        assert +shelf.counts == +live.shelf.counts
        assert shelf.dues == live.shelf.dues
    assert died > 1


class Raised:
    """Counts how often a rule of the workspace raises."""

    def __enter__(self) -> "Raised":
        self.times = 0
        sys.settrace(self._called)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _called(self, frame: Any, _event: str, _arg: object) -> Any:
        return self._happened if frame.f_code.co_filename.startswith("<workspace") else None

    def _happened(self, _frame: Any, event: str, _arg: object) -> Any:
        self.times += event == "exception"
        return self._happened


def test_r17_it_is_tried_three_times_alone_and_replayed_once_the_rule_is_mended() -> None:
    shop = Shop(FILES)
    with Raised() as rule:
        poison = shop.do("order_completed", user="ana", total=0)
    assert rule.times == 1 + TRIES, "once in company, and three times alone"
    [(place, letter)] = dead(shop.shelf).items()
    assert letter.code == "poison"
    assert letter.reason.startswith("ZeroDivisionError in ")
    assert "ana" not in letter.reason
    with Raised() as rule:
        shop.say([poison])
    assert rule.times == TRIES, "what was not applied has no copies"
    assert len(shop.shelf.dead) == 2

    shop.do("order_completed", user="ana", total=10)
    assert len(shop.sent_by("thanked")) == 1
    assert shop.person("user_id:ana").leaves["user_id:ana"].total == 1
    shop.edit(
        triggers__thanked=FILES["triggers/thanked.yaml"].replace("> 2", ">= 0"),
        segments__large="segment: large\nif: ['count(order_completed) > 9']\n",
    )
    event = again(Letter(place, letter))
    assert event == poison
    shop.say([event, Settled(place.entry, place.nth, "me")])
    assert place not in shop.shelf.dead
    assert shop.person("user_id:ana").leaves["user_id:ana"].total == 2
    shop.say([event])
    assert shop.count("duplicate") == 1


@pytest.mark.parametrize("seed", [1])
def test_r17_a_replay_on_the_clock_of_its_file_decides_as_if_it_had_not_come(seed: int) -> None:
    entries, places = history(seed)
    assert replayed(entries, seed) == replayed(without(entries, places), 0)


@pytest.mark.parametrize("seed", [2, 3])
def test_r17_a_replay_that_is_read_again_lets_time_pass_as_before(seed: int) -> None:
    first, back = (
        an_event("seen", anon="old", time=at("9:00", day), message_id=f"d{day}") for day in (0, 200)
    )
    poison = order("ana", 0, back.time, "zero")
    found = replayed([(first.time, [first]), (back.time, [poison, back])], seed)
    clean = replayed([(first.time, [first]), (back.time, [back])], 0)
    assert found == clean
    assert clean[2]["expired"] == 1, "who stays away for 200 days is forgotten on the way"


def replayed(entries: Written, seed: int) -> tuple[Any, ...]:
    now, draw = 0, Random(seed)
    log, shelf = MemoryLog(clock=lambda: now), Shelf()
    engine = ReplayedEngine(
        log, MemoryStore(shelf), ADDRESSES, clock=lambda: now, monotonic=lambda: 0.0
    )
    engine.recover()
    engine.adopt({"workspace.yaml": WORKSPACE, **FILES})
    for now, group in entries:  # noqa: B007 - the log's clock reads it
        log.append(0, record.encode(group))
    now += 3 * DAY
    log.append(0, record.encode([record.Tick(now)]))
    while entries_read := log.read(0, engine.position, draw.randrange(1, 3), 0):
        engine.process(entries_read)
        if draw.random() < 0.5:
            engine.drain()
    engine.drain()
    return people_of(shelf), activations_of(shelf), +shelf.counts


@pytest.mark.parametrize(
    "junk",
    [b"", b"\x00", b'{"event": "Seen"}', b"\x01\xc1", b"\x01" + b"\x91" * 5000, b"\xff" * 99],
)
def test_r17_an_entry_that_nobody_can_read_is_kept_and_the_next_one_is_applied(junk: bytes) -> None:
    shop = Shop(FILES)
    shop.log.append(0, junk)
    shop.do("order_completed", user="ana", total=10)
    [letter] = dead(shop.shelf).values()
    assert (letter.code, letter.body) == ("unreadable_entry", junk)
    assert len(shop.sent_by("thanked")) == 1


def test_an_entry_of_a_newer_release_stops_the_engine() -> None:
    shop = Shop(FILES)
    shop.log.append(0, b"\x02" + record.encode([])[1:])
    with pytest.raises(NewerError, match="start the release that wrote it"):
        shop.run()
    assert not shop.shelf.dead


def test_a_sweep_that_raises_ends_the_engine_and_changes_nothing() -> None:
    plain = FILES | {
        "segments/large.yaml": "segment: large\nif: ['last(order_completed.total) > 5']\n"
    }
    del plain["triggers/thanked.yaml"]
    shop = Shop(plain)
    shop.do("order_completed", user="ana", total=0)
    shop.engine.drain()
    before = people_of(shop.shelf)
    with pytest.raises(NotAppliedError, match="ZeroDivisionError"):
        shop.edit(segments__large=FILES["segments/large.yaml"])
    shop.open()
    with pytest.raises(NotAppliedError, match="ZeroDivisionError"):
        shop.run()
    assert people_of(shop.shelf) == before
    assert not shop.shelf.dead


def test_an_engine_that_was_replaced_does_not_come_back_over_poison() -> None:
    shop = Shop(FILES)
    shop.do("order_completed", user="ana", total=10)
    shop.engine.drain()
    old, log = shop.engine, shop.log
    log.append(0, record.encode([order("ana", 0, shop.now, "zero")]))
    shop.open()
    before = held(shop.shelf)
    with pytest.raises(FencedError):
        old.process(log.read(0, old.position, 9, 0))
    assert held(shop.shelf) == before


def read_all(shop: Shop) -> None:
    """Let the engine read everything, and write nothing."""
    while entries := shop.log.read(0, shop.engine.position, 100, 0):
        shop.engine.process(entries)


def test_many_poisonous_events_drop_memory_once() -> None:
    """Else a rule that raises for everybody would stop the partition for all that."""
    shop = Shop(FILES)
    epoch = shop.shelf.epoch
    for n in range(100):
        shop.log.append(0, record.encode([order(f"u{n % 7}", 0, shop.now, f"m{n}")]))
    read_all(shop)
    assert len(shop.shelf.dead) == 100
    assert shop.shelf.epoch == epoch + 1

    # What is known of them stays known while they are read again.
    for n in range(WARY + 200):
        shop.log.append(0, record.encode([order(f"u{n % 7}", 1, shop.now, f"good{n}")]))
    shop.log.append(0, record.encode([order("u1", 0, shop.now, "last")]))
    read_all(shop)
    assert len(shop.shelf.dead) == 101
    assert shop.shelf.epoch == epoch + 2
