"""A loss that an operator accepts: readers pass over exactly that, and it goes on being named."""

import json
from pathlib import Path

import pytest

from events.archive.accepted import Accepted, accept
from events.archive.folder import Archive, ArchiveError
from events.archive.segment import Head, pack
from events.archive.whole import Whole
from events.sources.base import LogUnavailableError
from kairos.commands.archive import accept_, command
from tests.archive.test_archiver import archiver, everything, written
from tests.archive.test_segments import entries


def accepted(which: str, folder: Path, *, json: bool = False) -> int:
    return accept_(which, reason="the disk died", by="ana", folder=folder, json=json)


def trimmed(folder: Path) -> tuple[Whole, Archive]:
    """A log of 40 entries, of which the archive has all and the log nearly none."""
    log = written(40)
    archiver(log, folder).step(0)
    archive = Archive(folder, 0)
    log.trim(0, archive.last + 1)
    assert len(archive.places()) > 3
    return Whole(log, [archive]), archive


def ids(whole: Whole, after: int = -1) -> list[int]:
    return [entry.id for entry in everything(whole, after=after)]


def test_what_is_damaged_is_passed_over_once_it_is_accepted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, archive = trimmed(tmp_path)
    victim, other = archive.places()[1], archive.places()[3]
    sound = victim.path.read_bytes()
    victim.path.write_bytes(sound[:-1])
    with pytest.raises(ArchiveError, match=rf"kairos archive accept {victim.path.name}"):
        ids(whole)
    assert accepted(other.path.name, tmp_path) == 2
    assert f"lost is {victim.first}..{victim.last}" in capsys.readouterr().err
    assert accepted(victim.path.name, tmp_path) == 0
    assert victim.path.read_bytes() == sound[:-1], "nothing is deleted"
    left = [n for n in range(40) if not victim.first <= n <= victim.last]
    assert ids(whole) == left
    assert ids(whole, victim.first) == [n for n in left if n > victim.last]
    assert [e.id for e in whole.back(0, 40, 40)] == left[::-1]
    assert command(tmp_path) == 0
    said = capsys.readouterr().out
    assert f"the entries {victim.first} to {victim.last} are accepted as lost on 20" in said
    assert "by ana: the disk died" in said
    victim.path.write_bytes(sound)  # from a backup; whoever does that takes the word back as well
    assert ids(whole) == left, "all readers read the same, whatever is done meanwhile"
    next(archive.folder.glob("*.accepted")).unlink()
    assert ids(whole) == list(range(40))


def test_what_is_missing_is_passed_over_once_it_is_accepted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, archive = trimmed(tmp_path)
    first, middle = archive.places()[0], archive.places()[2]
    middle.path.unlink()
    gap = f"{middle.first}..{middle.last}"
    with pytest.raises(ArchiveError, match=rf"missing.*kairos archive accept {gap}"):
        ids(whole)
    assert accepted(f"{middle.first}..{middle.last + 1}", tmp_path) == 2
    assert accepted(gap, tmp_path, json=True) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (said["first"], said["last"]) == (middle.first, middle.last)
    assert ids(whole) == [n for n in range(40) if not middle.first <= n <= middle.last]
    assert [type(one) for one in archive.surveyed()].count(Accepted) == 1
    first.path.write_bytes(b"")
    assert accepted(first.path.name, tmp_path) == 0
    assert whole.gone(0) == -1
    assert ids(whole)[0] == first.last + 1


def test_ids_that_lie_apart_and_a_head_that_cannot_be_read(tmp_path: Path) -> None:
    archive = Archive(tmp_path, 0)
    stretches = [(100, 104), (1000, 1004), (5000, 5004)]
    before = -1
    for first, last in stretches:
        archive.write(pack(0, before, entries(first, last)))
        before = last
    archive.places()[1].path.write_bytes(b"nothing of it is left")
    log = written(5010)
    log.trim(0, 5005)
    whole = Whole(log, [archive])
    assert accepted("105..1004", tmp_path) == 0
    assert [e.id for e in everything(whole, after=99)][:10] == [
        *range(100, 105),
        *range(5000, 5005),
    ]


def test_a_word_that_cannot_be_read_is_nobodys_guess(tmp_path: Path) -> None:
    whole, archive = trimmed(tmp_path)
    path = accept(archive.folder, Accepted(5, 9, "2026-11-28T10:00:00+00:00", "ana", ""))
    path.write_bytes(b"{")
    Path(archive.folder / "touched").touch()
    with pytest.raises(LogUnavailableError, match="what was accepted as lost cannot be read"):
        ids(whole)


def test_what_was_let_go_of_on_purpose_is_no_damage(tmp_path: Path) -> None:
    whole, archive = trimmed(tmp_path)
    upto = archive.places()[1].last
    archive.release(upto, "2026-11-28T10:00:00+00:00")
    assert archive.problems() == []
    assert all(isinstance(one, Head) for one in archive.surveyed())
    assert whole.gone(0) == upto
    assert ids(whole, after=upto) == list(range(upto + 1, 40))
    with pytest.raises(ArchiveError, match="let go of on 2026-11-28"):
        ids(whole)
    assert archive.last == Archive(tmp_path, 0).last
    archive.places()[0].path.unlink()
    (gap,) = archive.problems()
    assert f"between {upto} and" in gap, "what follows it must be there"
