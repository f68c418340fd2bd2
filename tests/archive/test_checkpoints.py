"""Checkpoints: one instant of a ledger, from which it is as if it had never been lost."""

import fcntl
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import structlog

from events import record
from events.archive.folder import ArchiveError
from events.record import Offset
from events.sources.memory import MemoryLog
from flows.bounds import Bounds
from flows.restored import restored
from flows.retention import Retention
from kairos.checkpoints.make import CheckpointError, Made, make
from profile_state.checkpoints.folder import Checkpoint, Checkpoints
from profile_state.checkpoints.form import Written
from profile_state.checkpoints.restore import restore
from profile_state.copies.base import Seen
from profile_state.stores.base import FencedError, everybody
from profile_state.stores.redis import RedisStore
from tests.archive.rig import FEW, KEYS, NOW, Installation, Ledger, damage, hashes, ledger
from tests.flows.test_crashes import FILES, activations_of, run_through
from tests.shop import DAY, MINUTE, an_event, at
from triggers.load import hash_of


def given_back(there: Installation, *, copies: bool = True) -> Checkpoint | None:
    """The ledger is lost, and what starts then restores it; with `copies` their folder survived."""
    there.ledger.client.flushall()
    if not copies:
        shutil.rmtree(there.folder / "copies")
    store, disk = RedisStore(there.ledger.url), there.disk()
    try:
        return restored(there.whole, store, disk, there.kept)
    finally:
        disk.close()
        store.close()


@pytest.mark.parametrize(("seed", "copies", "retained"), [(40, True, False), (41, False, True)])
def test_what_was_lost_under_load_is_given_back_as_it_was_and_sends_nothing_anew(
    tmp_path: Path, empty: Ledger, seed: int, copies: bool, retained: bool
) -> None:
    log, live = run_through(seed)  # with people who join and part, logins, copies, an erasure
    there = Installation(tmp_path, log, empty)
    there.archived()
    disk = there.disk()
    engine = there.engine(disk, FEW)
    half = log.last(0) // 2
    there.read_on(engine, seed, lambda e: e.position >= half)
    made: list[Made] = []
    making = threading.Thread(target=lambda: made.append(make(there.settings, NOW)))
    making.start()  # while this engine goes on
    there.read_on(engine, seed + 1, lambda _: not making.is_alive(), pause_s=0.01)
    making.join()
    assert half < engine.position < log.last(0), "it was made in the middle of it"
    there.read_on(engine, seed + 2)
    engine.drain()
    received = empty.activations()  # by the worker, whose ledgers survive
    disk.close()
    assert 0 < made[0].head.entry < log.last(0)
    assert empty.foreign() == set()
    if retained:
        keep = Retention(there.archive, there.kept, monotonic=lambda: 0.0, keep_ms=None, ceiling=0)
        assert keep.look(NOW).upto >= 0
        assert there.archive.problems() == []
        assert -1 < there.whole.gone(0) <= made[0].head.entry

    assert given_back(there, copies=copies) == made[0].checkpoint
    disk = there.disk()
    engine = there.engine(disk, FEW)
    assert engine.position == made[0].head.entry
    there.read_on(engine, seed + 3)
    engine.drain()
    disk.close()
    assert hashes(everybody(engine._store), engine) == hashes(iter(live.people.values()), engine)
    assert empty.counts() == dict(+live.counts)
    assert received | empty.activations() == activations_of(live)


def copied(start: int, first: int, last: int) -> list[record.Event]:
    return [
        an_event("product_viewed", user=f"u{n % 7}", time=start, message_id=f"m{n}", product_id="p")
        for n in range(first, last)
    ]


@pytest.mark.parametrize("survived", [True, False])
@pytest.mark.parametrize("room", [0, 1 << 20])  # of first copies in memory: all on disk, or none
def test_copies_on_both_sides_of_a_checkpoint_count_once(
    tmp_path: Path, empty: Ledger, survived: bool, room: int
) -> None:
    start, now = at("10:00"), [at("10:00")]
    log = MemoryLog(clock=lambda: now[0])
    there = Installation(tmp_path, log, empty)
    log.append(0, record.encode([record.Version(hash_of(FILES), FILES, "")]))
    bounds = Bounds(copies=room)

    def say(events: list[record.Event]) -> None:
        for event in events:
            now[0] += MINUTE
            log.append(0, record.encode([event]))

    disk = there.disk()
    engine = there.engine(disk, bounds)
    say(copied(start, 0, 60))
    there.read_on(engine, 1)
    make(there.settings, NOW)
    in_ledger = int(empty.client.llen("seen:{p0}"))
    assert in_ledger < 20 if room == 0 else in_ledger == 60
    say(copied(start, 30, 90))  # half of them are there already
    there.read_on(engine, 2)
    disk.close()
    there.archived(size=500)

    assert given_back(there, copies=survived) is not None
    disk = there.disk()
    engine = there.engine(disk, bounds)
    say(copied(start, 0, 90))  # all are there already
    say(copied(start, 90, 95))
    there.read_on(engine, 3)
    engine.drain()
    disk.close()
    counts = empty.counts()
    assert (counts["applied"], counts["duplicate"]) == (95, 30 + 90)


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_is_used(
    filled: Installation,
) -> None:
    there = filled
    newest, before = there.kept.all()
    of_newest = there.kept.head(newest).copies
    own = [name for name in of_newest if name not in there.kept.head(before).copies]
    assert own, "what is shared would harm both"
    for victim, how in ((newest.path, "cut"), (newest.path, "flipped"), (before.path, "gone")):
        whole = victim.read_bytes()
        damage(victim, how)
        with structlog.testing.capture_logs() as said:
            found = given_back(there)
        assert found == (before if victim == newest.path else newest)
        errors = [str(line["reason"]) for line in said if line["log_level"] == "error"]
        assert [str(victim) in reason for reason in errors] == [True] * (victim == newest.path)
        victim.write_bytes(whole)
    damage(there.kept.folder / own[0], "gone")
    assert given_back(there) == before
    assert given_back(there, copies=False) == before


def test_workers_do_not_believe_a_ledger_that_is_given_back_before_it_has_read_on(
    filled: Installation,
) -> None:
    there, store = filled, RedisStore(filled.ledger.url)
    store.own()
    store.vouch()
    store.settled(5)
    store.close()
    there.ledger.client.delete(KEYS.mark)
    assert there.ledger.client.exists(KEYS.vouched)
    store, disk = RedisStore(there.ledger.url), there.disk()
    assert restored(there.whole, store, disk, there.kept) is not None
    disk.close()
    store.close()
    assert not there.ledger.client.exists(KEYS.vouched)


def test_without_a_good_checkpoint_all_is_read_again_or_it_is_said_what_is_missing(
    filled: Installation,
) -> None:
    there = filled
    for one in there.kept.all():
        damage(one.path, "cut")
    assert given_back(there, copies=False) is None
    there.ledger.client.mset({"restoring:{p0}": "of a crash", "person:{p0}:p_1": "half of them"})
    there.ledger.client.set("log:{p0}", "of whoever else is on this server")
    disk, store = there.disk(), RedisStore(there.ledger.url)
    assert restored(there.whole, store, disk, there.kept) is None
    store.close()
    left = set(there.ledger.client.scan_iter())
    own = {b"epoch:{p0}", b"owner:{p0}", b"calls:{p0}"}
    assert left == own | {b"log:{p0}"}, "it begins anew"
    engine = there.engine(disk)
    there.read_on(engine, 5)
    assert engine.position == there.log.last(0)
    disk.close()
    there.archive.release(there.archive.places()[2].last, "2026-11-28T10:00:00+00:00")
    assert given_back(there) is None
    disk = there.disk()
    with pytest.raises(ArchiveError, match=r"were let go of on 2026-11-28.*only a checkpoint"):
        there.read_on(there.engine(disk), 5)
    disk.close()


def test_a_checkpoint_beyond_the_end_of_the_log_is_of_another_log(
    filled: Installation,
) -> None:
    other = Installation(filled.folder / "other", MemoryLog(clock=lambda: NOW), filled.ledger)
    other.kept.folder.parent.mkdir(parents=True)
    filled.kept.folder.rename(other.kept.folder)
    with structlog.testing.capture_logs() as said:
        assert given_back(other) is None
    assert ["another log" in line["event"] for line in said] == [True, True]


def test_nothing_is_let_go_of_that_good_checkpoints_do_not_cover(filled: Installation) -> None:
    there = filled
    newest, before = there.kept.all()
    segments = there.archive.places()

    def look() -> list[int]:
        Retention(there.archive, there.kept, monotonic=lambda: 0.0, keep_ms=1, ceiling=None).look(
            NOW * 2
        )
        return [place.last for place in there.archive.places()]

    whole = {one.path: one.path.read_bytes() for one in (newest, before)}
    for one in (newest, before):
        damage(one.path, "flipped")
    assert look() == [place.last for place in segments], "no checkpoint is good"
    newest.path.write_bytes(whole[newest.path])
    before.path.write_bytes(whole[before.path])
    left = look()
    assert left == [place.last for place in segments if place.last > before.entry]
    assert look() == left
    before.path.unlink()
    assert look() == [place.last for place in segments if place.last > newest.entry]
    assert there.archive.problems() == []
    assert given_back(there) == newest


def test_what_must_go_and_cannot_is_said_once(filled: Installation) -> None:
    there = filled
    shutil.rmtree(there.kept.folder)
    keep = Retention(there.archive, there.kept, monotonic=lambda: 0.0, keep_ms=None, ceiling=1)
    with structlog.testing.capture_logs() as said:
        verdicts = [keep.look(NOW) for _ in range(3)]
    assert {v.upto for v in verdicts} == {-1}
    assert verdicts[0].held == len(there.archive.places()) - 1
    assert [line["log_level"] for line in said] == ["warning"]


def nobody_follows(found: Ledger) -> None:
    found.client.acl_setuser(
        "default",
        enabled=True,
        nopass=True,
        keys=["*"],
        categories=["+@all"],
        commands=["-sync"],
    )


def test_a_server_that_lets_nobody_follow_it_is_told_in_words(tmp_path: Path) -> None:
    with ledger() as found:
        nobody_follows(found)
        there = Installation(tmp_path, MemoryLog(clock=lambda: NOW), found)
        with pytest.raises(CheckpointError, match=r"gives no snapshot: .*SYNC"):
            make(there.settings, NOW)
    assert there.kept.all() == []


def test_over_tcp_with_a_password_as_over_a_socket(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {"port": str(port), "bind": "127.0.0.1", "repl-diskless-sync": "no"}
    with ledger(**options) as found:
        found.client.acl_setuser(
            "kairos", enabled=True, passwords=["+word"], keys=["*"], categories=["+@all"]
        )
        nobody_follows(found)
        log, _ = run_through(40)
        there = Installation(tmp_path, log, found)
        there.archived()
        disk = there.disk()
        there.read_on(engine := there.engine(disk), 40)
        engine.drain()
        disk.close()
        by_tcp = f"redis://kairos:word@127.0.0.1:{port}/0"
        made = make(msgspec.structs.replace(there.settings, ledger=by_tcp), NOW)
        before = found.everything()
        assert given_back(there) == made.checkpoint
        assert found.everything() == before


def test_a_ledger_that_was_never_begun_has_no_checkpoint(tmp_path: Path, empty: Ledger) -> None:
    there = Installation(tmp_path, MemoryLog(clock=lambda: NOW), empty)
    with pytest.raises(CheckpointError, match="was not begun yet"):
        make(there.settings, NOW)
    assert list(there.kept.folder.iterdir()) == [there.kept.folder / "making.lock"]


class Overtaken(Checkpoints):
    """Checkpoints in whose reading another engine takes the partition over."""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder)
        self.other = RedisStore(url)

    def commands(self, checkpoint: Checkpoint) -> Iterator[Written]:
        for nth, command in enumerate(super().commands(checkpoint)):
            if nth == 3:
                self.other.own()
            yield command


def test_a_restore_that_another_engine_overtook_changes_nothing_more(
    filled: Installation,
) -> None:
    newest, _ = filled.kept.all()
    store, disk = RedisStore(filled.ledger.url), filled.disk()
    kept = Overtaken(filled.archive.folder, filled.ledger.url)
    with pytest.raises(FencedError):
        restore(store, disk, kept, newest)
    assert not store.begun()
    assert filled.ledger.client.exists("mark:{p0}") == 0
    assert restored(filled.whole, kept.other, disk, filled.kept) == newest
    for one in (store, kept.other, disk):
        one.close()


def test_without_the_folder_of_first_copies_there_is_none(tmp_path: Path, empty: Ledger) -> None:
    there = Installation(tmp_path, MemoryLog(clock=lambda: NOW), empty)
    settings = msgspec.structs.replace(there.settings, copies=tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match="let copies count again; name it in KAIROS_COPIES"):
        make(settings, NOW)


def test_there_is_none_where_the_engine_lets_go_of_a_day_meanwhile(filled: Installation) -> None:
    disk = filled.disk()
    disk.add([Seen(Offset(1, 0), b"k" * 16, b"d" * 8, time=DAY)])
    disk.close()
    filled.ledger.client.hset("mark:{p0}", mapping={"entry": 1, "nth": 0})
    snapshot = filled.kept.folder / "making" / "snapshot.rdb"

    def expire() -> None:  # after the snapshot, and before what is read behind it
        while not snapshot.exists():
            time.sleep(0.001)
        (filled.folder / "copies" / "p0" / "day-1.sqlite").unlink()

    before = filled.kept.all()
    expiring = threading.Thread(target=expire)
    expiring.start()
    with pytest.raises(CheckpointError, match=r"let go of first copies meanwhile \(day-1\)"):
        make(filled.settings, NOW)
    expiring.join()
    assert filled.kept.all() == before


def test_days_that_are_past_are_written_once_and_again_where_they_are_damaged(
    tmp_path: Path,
) -> None:
    kept, rows = Checkpoints(tmp_path), [(b"k" * 16, b"d" * 8, 7, 0)]
    name = kept.write_copies("day-1", 1, [rows])
    path = kept.folder / name
    whole, written = path.read_bytes(), path.stat().st_ino
    assert kept.write_copies("day-1", 1, [rows]) == name
    assert path.stat().st_ino == written
    damage(path, "flipped")
    assert kept.write_copies("day-1", 1, [rows]) == name
    assert path.read_bytes() == whole
    assert kept.write_copies("day-1", 2, [[*rows, (b"l" * 16, b"d" * 8, 8, 0)]]) != name
    kept.sweep()
    assert list(kept.folder.iterdir()) == [], "nothing needs them"


def test_two_are_never_made_at_once(tmp_path: Path, empty: Ledger) -> None:
    there = Installation(tmp_path, MemoryLog(clock=lambda: NOW), empty)
    there.kept.folder.mkdir(parents=True)
    with (there.kept.folder / "making.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CheckpointError, match="another one is being made"):
            make(there.settings, NOW)
