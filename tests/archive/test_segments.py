"""Segments: what is written is read back, whatever is not as it was written is named."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.archive.folder import Archive, ArchiveError
from events.archive.segment import DamagedError, head_of, pack, unpack
from events.sources.base import Entry


def entries(first: int, last: int, size: int = 20) -> list[Entry]:
    return [Entry(n, 1_000 + n, b"%0*d" % (size, n)) for n in range(first, last + 1)]


@st.composite
def stretches(draw: st.DrawFn) -> list[Entry]:
    ids = sorted(draw(st.sets(st.integers(0, (1 << 63) - 1), min_size=1, max_size=8)))
    return [Entry(i, draw(st.integers(0, 1 << 50)), draw(st.binary(max_size=300))) for i in ids]


@given(stretches(), st.integers(-1, 5))
def test_a_segment_gives_back_what_was_packed(some: list[Entry], after: int) -> None:
    segment = pack(3, after, some)
    assert unpack(segment.data) == some
    head, _ = head_of(segment.data)
    assert head == segment.head
    assert (head.partition, head.after, head.entries) == (3, after, len(some))
    assert (head.first, head.last) == (some[0].id, some[-1].id)


@settings(max_examples=300)
@given(st.data())
def test_any_byte_that_changed_or_is_missing_is_noticed(data: st.DataObject) -> None:
    whole = pack(0, -1, entries(0, 9)).data
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        wrong = whole[:at]
    else:
        wrong = whole[:at] + bytes((whole[at] ^ data.draw(st.integers(1, 255)),)) + whole[at + 1 :]
    with pytest.raises(DamagedError):
        unpack(wrong)


def test_segments_are_found_by_what_they_hold(tmp_path: Path) -> None:
    archive = Archive(tmp_path, 0)
    assert (archive.last, archive.places(), archive.after(-1)) == (-1, [], None)
    for first, last in ((0, 4), (7, 9), (10, 12)):
        archive.write(pack(0, first - 1, entries(first, last)))
    other = Archive(tmp_path, 0)
    assert (other.last, [p.first for p in other.places()]) == (12, [0, 7, 10])
    found = [other.after(n) for n in (-1, 3, 4, 6, 9, 11, 12)]
    assert [p.first if p is not None else None for p in found] == [0, 0, 7, 7, 10, 10, None]
    assert other.read(other.places()[1]) == entries(7, 9)
    archive.write(pack(0, 12, entries(13, 13)))
    assert other.last == 13, "it is seen that another process wrote"


def test_a_damaged_segment_and_a_missing_one_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    archive = Archive(tmp_path, 0)
    paths = [archive.write(pack(0, n - 1, entries(n, n + 4))) for n in range(0, 25, 5)]
    assert list(archive.problems()) == []
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[:-1] + bytes((whole[-1] ^ 1,)))
    paths[3].unlink()
    damaged, gap = archive.problems()
    assert str(paths[1]) in damaged
    assert "the entries 5 to 9" in damaged
    assert "between 14 and 20 are missing" in gap
    with pytest.raises(ArchiveError, match="damaged"):
        archive.read(archive.places()[1])
    assert archive.read(archive.places()[0]) == entries(0, 4)


def test_what_was_half_written_is_no_segment(tmp_path: Path) -> None:
    archive = Archive(tmp_path, 0)
    archive.write(pack(0, -1, entries(0, 4)))
    left = archive.folder / "00000000000000000005-00000000000000000009.writing"
    left.write_bytes(b"half")
    assert archive.last == 4
    archive.sweep()
    assert not left.exists()
