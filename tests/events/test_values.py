"""Values are checked fast where nothing is special, and no answer depends on which way was taken."""

from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from events.arrival import Arrival
from events.context import as_context
from events.limits import Limits
from events.names import slug
from events.parse import parse
from events.record import CLAIMED, Event
from events.rejected import RefusedError, Rejected
from events.values import SAFE_INTEGER, Check
from events.wire import RawContext

LIMITS = Limits(string_bytes=16, key_bytes=40, keys=6, nodes=12)
KEYS = st.sampled_from(
    ["name", "firstName", "first_name", "First Name", "__proto__", "constructor", "", "!", "é" * 30]
) | st.text(max_size=50)
VALUES = (
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.integers(-SAFE_INTEGER - 2, SAFE_INTEGER + 2)
    | st.sampled_from([SAFE_INTEGER, SAFE_INTEGER + 1, -SAFE_INTEGER - 1])
    | st.text(max_size=20)
    | st.sampled_from(["x" * 4, "x" * 5, "x" * 16, "x" * 17, "é" * 8, "é" * 9, "𝄞" * 4, "𝄞" * 5])
)


def checked(fields: dict[str, Any], size: int | None) -> Any:
    check = Check(LIMITS, size)
    try:
        return check.fields("properties", fields), check.dropped
    except RefusedError as refused:
        return refused.code, refused.reason


@given(st.dictionaries(KEYS, VALUES, max_size=8))
def test_a_list_beside_them_changes_nothing_about_the_others(fields: dict[str, Any]) -> None:
    assume(all(slug(key) != "zz" for key in fields))
    alone = checked(dict(fields), None)
    beside = checked({**fields, "zz": []}, None)
    if isinstance(alone[0], dict) and len(fields) < LIMITS.keys:
        assert beside == ({**alone[0], "zz": []}, alone[1])
        if len(alone[0]) == len(fields):  # else keys were the same but for their spelling
            assert list(beside[0]) == [*alone[0], "zz"]
    elif len(fields) < LIMITS.keys:
        assert beside == alone


@given(st.dictionaries(KEYS, VALUES, max_size=8))
def test_the_size_of_an_event_changes_no_answer(fields: dict[str, Any]) -> None:
    size = len(msgspec.json.encode(fields))
    assert checked(dict(fields), size) == checked(dict(fields), None)


def test_a_batchs_context_is_no_part_of_an_events_size() -> None:
    body = b'{"type":"track","event":"Seen","anonymousId":"a1"}'
    for text, fits in (("é" * 4096, True), ("é" * 4097, False)):
        for context in (RawContext(locale=text), RawContext(page={"path": text})):
            found = parse(body, Arrival("web", CLAIMED, 10**15, context=as_context(context)))
            assert isinstance(found, Event) is fits
            assert fits or (isinstance(found, Rejected) and found.code == "string_too_long")


@pytest.mark.parametrize("count", [31, 32, 33, 255])
def test_many_keys_are_as_good_as_few(count: int) -> None:
    fields = {f"key{n}": n for n in range(count)}
    assert Check(Limits()).fields("p", fields) == {f"key{n}": n for n in range(count)}


def test_simple_objects_count_like_any_other() -> None:
    check = Check(LIMITS)
    six = {f"k{n}": n for n in range(6)}
    assert check.fields("properties", dict(six)) == check.fields("traits", dict(six)) == six
    with pytest.raises(RefusedError, match="more than 12 values"):
        check.fields("context.traits", {"one": 1})
    with pytest.raises(RefusedError, match="7 keys, at most 6"):
        Check(LIMITS).fields("properties", {**six, "k6": 6})
