"""Archiver and archive: nothing is lost or doubled, and with the log they read as one."""

from pathlib import Path
from random import Random

import pytest
import structlog

from events.archive.folder import Archive, ArchiveError
from events.archive.whole import Whole
from events.record import Offset
from events.sources.base import Entry, Log, LogUnavailableError
from events.sources.memory import MemoryLog
from flows.archiver import Archiver
from flows.room import LOOKS, Room


class Full(MemoryLog):
    """A log that asks for room."""

    def fullness(self) -> float:
        return 0.9


def written(count: int) -> MemoryLog:
    log = Full(clock=lambda: 7)
    for n in range(count):
        log.append(0, b"%d" % n * (n % 5 + 1))
    return log


def archiver(log: Log, folder: Path, size: int = 40, now_s: float = 0.0) -> Archiver:
    return Archiver(log, Archive(folder, 0), monotonic=lambda: now_s, age_s=10, size=size)


def everything(log: Log, limit: int = 7, after: int = -1) -> list[Entry]:
    found: list[Entry] = []
    while some := log.read(0, found[-1].id if found else after, limit, 0):
        found += some
    return found


@pytest.mark.parametrize("seed", range(8))
def test_what_is_archived_and_trimmed_reads_as_if_nothing_had_left(
    tmp_path: Path, seed: int
) -> None:
    draw, log = Random(seed), written(0)
    archive = Archive(tmp_path, 0)
    whole, writer = Whole(log, [archive]), archiver(log, tmp_path)
    room = Room(whole, 0)
    right: list[Entry] = []
    for n in range(200):
        payload = b"%d" % n * draw.randrange(1, 9)
        right.append(Entry(log.append(0, payload), 7, payload))
        if draw.random() < 0.3:
            writer.step(0)
        if draw.random() < 0.1:
            writer = archiver(log, tmp_path)  # it crashed
        if draw.random() < 0.2:
            room.look(Offset(draw.randrange(n + 1), 0))
        if draw.random() < 0.1:
            whole = Whole(log, [archive])  # a process that starts
            after = draw.randrange(-1, n + 1)
            assert everything(whole, draw.randrange(1, 9), after) == right[after + 1 :]
            upto, most = draw.randrange(n + 2), draw.randrange(1, 30)
            assert whole.back(0, upto, most) == right[:upto][::-1][:most]
    assert log.gone(0) > 50
    assert whole.gone(0) == -1
    assert everything(whole) == right
    assert list(archive.problems()) == []
    assert archive.last <= whole.last(0) == 199


def test_a_segment_that_is_not_full_is_written_when_its_time_has_come(tmp_path: Path) -> None:
    now = [0.0]
    log = written(3)
    one = Archiver(log, Archive(tmp_path, 0), monotonic=lambda: now[0], age_s=10, size=1 << 20)
    assert not one.step(0)
    now[0] = 9.0
    log.append(0, b"later")
    assert not one.step(0)
    now[0] = 10.0
    assert one.step(0)
    assert Archive(tmp_path, 0).last == 3
    now[0] = 100.0
    assert not one.step(0), "there is nothing to write"


def test_the_log_lets_go_of_nothing_that_is_not_archived(tmp_path: Path) -> None:
    log = written(20)
    whole = Whole(log, [Archive(tmp_path, 0)])
    room = Room(whole, 0)
    for _ in range(LOOKS + 2):
        room.look(Offset(19, 0))
    assert log.gone(0) == -1
    writer = archiver(log, tmp_path)
    writer.step(0)
    room.look(Offset(19, 0))
    assert log.gone(0) == min(18, Archive(tmp_path, 0).last) > 5


def test_entries_that_are_nowhere_are_missed_rather_than_passed_over(tmp_path: Path) -> None:
    log = written(20)
    log.trim(0, 5)  # before there was an archive
    with structlog.testing.capture_logs() as said:
        writer = archiver(log, tmp_path)
    assert said == []
    while writer.position < 19:
        writer.step(0)
    writer.write()
    log.trim(0, 20)
    whole = Whole(log, [Archive(tmp_path, 0)])
    assert whole.gone(0) == 4
    assert [e.id for e in everything(whole, after=4)] == list(range(5, 20))
    with pytest.raises(ArchiveError, match="between 3 and 5 are missing"):
        whole.read(0, 3, 5, 0)
    place = Archive(tmp_path, 0).places()[1]
    place.path.unlink()
    with pytest.raises(ArchiveError, match=f"{place.first - 1} and {place.last + 1} are missing"):
        everything(whole, after=4)


def test_a_log_that_forgot_too_early_is_said_aloud(tmp_path: Path) -> None:
    log = written(20)
    writer = archiver(log, tmp_path)
    writer.step(0)
    log.append(0, b"before")
    log.trim(0, 21)
    log.append(0, b"after")
    with structlog.testing.capture_logs() as said:
        writer = archiver(log, tmp_path, size=1)
    assert [line["log_level"] for line in said] == ["error"]
    writer.step(0)
    assert len(list(Archive(tmp_path, 0).problems())) == 1


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    log = written(20)
    (tmp_path / "p0").write_text("in the way of the folder")
    writer = archiver(log, tmp_path)
    with pytest.raises(OSError, match="exists"):
        writer.step(0)
    (tmp_path / "p0").unlink()
    assert writer.step(0)
    assert everything(Whole(log, [Archive(tmp_path, 0)])) == everything(log)


def test_whoever_looks_back_into_a_damaged_segment_is_told_that_the_log_cannot_be_read(
    tmp_path: Path,
) -> None:
    log = written(20)
    archiver(log, tmp_path).step(0)
    log.trim(0, Archive(tmp_path, 0).last + 1)
    newest = Archive(tmp_path, 0).places()[-1]
    newest.path.write_bytes(newest.path.read_bytes()[:-1])
    with pytest.raises(LogUnavailableError, match="is damaged: its body"):
        Whole(log, [Archive(tmp_path, 0)]).back(0, 20, 20)
