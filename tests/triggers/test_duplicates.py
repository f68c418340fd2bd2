"""Copies of events: counted once, however late they come and wherever their first copy is kept."""

import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from events.record import VERIFIED, Event, Offset
from flows.bounds import Bounds
from profile_state.copies import mover
from profile_state.copies.base import Seen, packed
from profile_state.copies.disk import CopiesUnusableError, Disk
from profile_state.stores.base import Outputs
from profile_state.stores.memory import MemoryStore, Shelf
from tests.shop import DAY, HOUR, MINUTE, Shop, an_event

WARM = "segment: warm\nif: ['count(product_viewed) >= 2', 'sum(product_viewed.price) > 0']\n"
ONCE = """
trigger: viewed
when: {event: product_viewed}
reentry: always
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
"""
FILES = {"segments/warm.yaml": WARM, "triggers/viewed.yaml": ONCE}


def view(
    shop: Shop, message_id: str = "m", *, time: int | None = None, plan: str = "free", **rest: str
) -> Event:
    """Somebody looks at a product; what they are is said with it."""
    return an_event(
        "product_viewed",
        user="ana",
        time=shop.now if time is None else time,
        message_id=message_id,
        traits={"plan": plan},
        price=5,
        **rest,  # type: ignore[arg-type]
    )


def total(shop: Shop) -> int:
    return shop.person("user_id:ana").leaves["user_id:ana"].total


@pytest.mark.parametrize("moved", [False, True], ids=["in memory", "on disk"])
def test_r3_a_copy_after_29_days_is_dropped_and_after_31_changes_traits_alone(
    tmp_path: Path, moved: bool
) -> None:
    shop = Shop(FILES, copies=tmp_path if moved else None)
    first = view(shop)
    shop.say([first])
    assert (total(shop), len(shop.sent)) == (1, 1)
    assert (first.key in shop.engine.state.first_seen) is not moved
    shop.wait(29 * DAY)
    shop.say([first])
    assert (total(shop), len(shop.sent), shop.count("duplicate")) == (1, 1, 1)
    shop.wait(2 * DAY)
    shop.do("identify", user="ana", traits={"plan": "pro"})
    shop.say([first])
    shop.say([view(shop, "never seen", time=first.time + MINUTE, plan="trial")])
    person = shop.person("user_id:ana")
    assert (total(shop), len(shop.sent)) == (2, 1), "the identify alone was counted"
    assert person.view.traits["plan"][2] == "pro"
    assert person.view.cells["total product_viewed"] == 1
    assert shop.count("too_old") + shop.count("duplicate") == 3


def test_a_trait_of_long_ago_fills_a_gap() -> None:
    shop = Shop()
    shop.say([view(shop, time=shop.now - 40 * DAY, plan="trial")])
    assert shop.person("user_id:ana").view.traits["plan"][2] == "trial"
    assert (total(shop), shop.count("too_old")) == (0, 1)


def test_b5_a_copy_is_known_after_a_restart_wherever_its_first_is(tmp_path: Path) -> None:
    shop = Shop(FILES, copies=tmp_path)
    first = view(shop)
    shop.say([first])
    shop.engine.drain()
    shop.open()
    shop.say([first, first])
    assert (total(shop), len(shop.sent), shop.count("duplicate")) == (1, 1, 2)


def test_the_same_id_with_another_body_is_a_dead_letter_years_of_load_later(tmp_path: Path) -> None:
    shop = Shop(FILES, copies=tmp_path)
    shop.say([view(shop)])
    shop.say([view(shop, plan="another", colour="red")])
    assert (total(shop), len(shop.shelf.dead)) == (1, 1)


def test_an_import_is_known_for_as_long_as_it_is_kept(tmp_path: Path) -> None:
    shop = Shop(FILES, copies=tmp_path)
    order = an_event(
        "product_viewed",
        user="ana",
        time=shop.now - 400 * DAY,
        message_id="o1",
        trust=VERIFIED,
        import_id="history-2025",
        price=3,
    )
    shop.say([order])
    for _ in range(3):
        shop.wait(60 * DAY)
        shop.say([order])
        shop.engine._older.expire(shop.now)  # type: ignore[union-attr]
    assert (total(shop), shop.count("duplicate")) == (1, 3)
    assert shop.person("user_id:ana").view.cells["total product_viewed"] == 1


def test_a_day_goes_when_none_of_its_events_could_count(tmp_path: Path) -> None:
    shop = Shop(FILES, copies=tmp_path)
    shop.say([view(shop)])
    disk = Disk(tmp_path)
    disk.expire(shop.now + 31 * DAY)
    assert disk
    disk.expire(shop.now + 33 * DAY)
    assert not disk
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seed", range(3))
def test_where_first_copies_are_kept_changes_nothing(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    events: list[Event] = []
    entries: list[tuple[int, Event]] = []
    now = Shop(FILES).now
    for n in range(150):
        now += draw.choice((0, MINUTE, HOUR, 2 * DAY))
        if events and draw.random() < 0.4:
            events.append(draw.choice(events))
        else:
            time = now - draw.choice((0, 0, DAY, 29 * DAY, 31 * DAY))
            events.append(
                an_event(
                    "product_viewed",
                    user=f"u{draw.randrange(5)}",
                    time=time,
                    message_id=f"m{n}",
                    price=1,
                )
            )
        entries.append((now, events[-1]))
    found = set()
    for folder, room in (
        (None, 0),
        (tmp_path / "none", 0),
        (tmp_path / "some", 30 * mover.BYTES_EACH),
    ):
        shop = Shop(FILES, copies=folder, bounds=Bounds(copies=room))
        for nth, (instant, event) in enumerate(entries):
            shop.now = instant
            shop.say([event])
            if nth % 40 == 39:
                shop.engine.drain()
                shop.open()
        counts = tuple(shop.count(name) for name in ("applied", "duplicate", "too_old"))
        assert sum(counts) == len(entries)
        found.add((shop.facts, counts, len(shop.sent)))
    assert len(found) == 1


def test_what_was_moved_leaves_the_ledger_after_it_is_on_disk(tmp_path: Path) -> None:
    store = MemoryStore(Shelf())
    store.own()
    copies = [Seen(Offset(n, 0), bytes([n]) * 16, b"d" * 8, time=DAY) for n in range(10)]
    held = {copy.key: packed(copy.offset, copy.digest) for copy in copies}
    for copy in copies:
        store.put(Outputs(seen=[copy]))
    disk = Disk(tmp_path)
    moving = mover.Mover(store, disk, 3 * mover.BYTES_EACH, sync=8)
    assert moving.step(held, DAY)
    assert (len(held), len(store.shelf.seen)) == (6, 10), "not yet safe from a power cut"
    assert moving.step(held, DAY)
    assert (len(held), len(store.shelf.seen)) == (2, 2)
    assert not moving.step(held, DAY)
    assert len(disk.find([copy.key for copy in copies])) == 8


@pytest.mark.parametrize("holds", ["BEGIN IMMEDIATE", "BEGIN; SELECT * FROM copies"])
def test_what_a_stopped_process_holds_is_moved_later_and_nobody_waits(
    tmp_path: Path, holds: str
) -> None:
    store = MemoryStore(Shelf())
    store.own()
    copies = [Seen(Offset(n, 0), bytes([n]) * 16, b"d" * 8, time=DAY) for n in range(12)]
    held = {copy.key: packed(copy.offset, copy.digest) for copy in copies}
    for copy in copies:
        store.put(Outputs(seen=[copy]))
    moving = mover.Mover(store, Disk(tmp_path), 0, sync=8)
    assert moving.step(held, DAY)
    [path] = tmp_path.glob("*.sqlite")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        for part in holds.split(";"):
            other.execute(part).fetchone()
        began = time.monotonic()
        moving.step(held, DAY)
        assert time.monotonic() - began < 1, "nobody waits for a lock"
        assert len(store.shelf.seen) == 12, "what is not safe from a power cut stays in the ledger"
        other.execute("ROLLBACK")
    while held:
        moving.step(held, DAY)
    assert len(store.shelf.seen) < 12
    assert len(Disk(tmp_path).find([copy.key for copy in copies])) == 12


def test_a_broken_disk_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "day-1.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(CopiesUnusableError, match="restore the folder from a backup"):
        Disk(tmp_path)
