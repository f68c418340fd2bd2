"""The files of checkpoints: whatever is not as it was written is noticed."""

from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.archive.segment import DamagedError
from profile_state.checkpoints import form
from profile_state.checkpoints.form import Head
from profile_state.checkpoints.frames import Frames, frames

MARK = b"form 1\n"


def written(some: list[bytes]) -> bytes:
    file = BytesIO()
    frames_of = Frames(file, MARK)
    for one in some:
        frames_of.add(one)
    frames_of.end()
    return file.getvalue()


@settings(max_examples=400)
@given(st.lists(st.binary(min_size=1, max_size=60), max_size=5), st.data())
def test_any_byte_that_changed_is_missing_or_too_many_is_noticed(
    some: list[bytes], data: st.DataObject
) -> None:
    whole = written(some)
    assert list(frames(BytesIO(whole), MARK)) == some
    at = data.draw(st.integers(0, len(whole) - 1))
    match data.draw(st.sampled_from(("cut", "flip", "more", "twice", "without"))):
        case "cut":
            wrong = whole[:at]
        case "flip":
            wrong = whole[:at] + bytes((whole[at] ^ 1 << at % 8,)) + whole[at + 1 :]
        case "more":
            wrong = whole + b"\0"
        case "twice":
            wrong = whole[: len(MARK)] + whole[len(MARK) :] * 2
        case _:
            until = data.draw(st.integers(at + 1, len(whole)))
            wrong = whole[:at] + whole[until:]
    with pytest.raises(DamagedError):
        list(frames(BytesIO(wrong), MARK))


def test_frames_in_another_order_are_noticed() -> None:
    one, two = written([b"aaaa"]), written([b"bbbb", b"cccc"])
    size = len(written([b"bbbb"])) - len(written([]))
    start = len(MARK)
    swapped = MARK + two[start + size : start + 2 * size] + two[start : start + size]
    with pytest.raises(DamagedError):
        list(frames(BytesIO(swapped + two[start + 2 * size :]), MARK))
    mixed = one[: start + size] + two[start + size :]
    with pytest.raises(DamagedError):
        list(frames(BytesIO(mixed), MARK))


def test_a_file_asks_a_ledger_for_nothing_but_what_fills_it(tmp_path: Path) -> None:
    path = tmp_path / "7.checkpoint"
    head = Head(0, 7, 1, "", [b"HSET", b"mark:{p0}", b"entry", b"7"])
    with path.open("wb") as file:
        form.write(file, head, [["SET", "a", b"1"], ["FLUSHALL"]])
    assert form.head_of(path) == head
    with pytest.raises(DamagedError, match="FLUSHALL"):
        list(form.commands_of(path))
