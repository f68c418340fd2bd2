"""Files as people have them: compressed, with empty cells, with lines that are none."""

import gzip
from collections.abc import Mapping as Mapping_
from pathlib import Path

import pytest

from kairos.replay.mapping import Calls, Mapping, MappingError, check, load
from kairos.replay.reading import Row, Unreadable, rows_of

CSV = "event,user_id,price\nseen,u1,3.50\nbought,u1,\n"


def rows(path: Path) -> list[Row | Unreadable]:
    with rows_of(path) as found:
        return list(found)


@pytest.mark.parametrize(
    "content", [CSV.encode(), gzip.compress(CSV.encode(), mtime=0), b"\xef\xbb\xbf" + CSV.encode()]
)
def test_the_content_says_what_a_file_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "whatever"
    path.write_bytes(content)
    assert rows(path) == [
        Row(2, {"event": "seen", "user_id": "u1", "price": "3.50"}),
        Row(3, {"event": "bought", "user_id": "u1"}),
    ]


def test_lines_of_json_that_are_none_do_not_end_the_file(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"event":"a"}\n\n{"event":\n[1]\n{"event":"b"}\n')
    found = rows(path)
    assert [one.line for one in found] == [1, 3, 4, 5]
    assert [isinstance(one, Unreadable) for one in found] == [False, True, True, False]


def test_a_quoted_cell_may_hold_commas_and_lines(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text('event,user_id,note\nseen,u1,"a, b\nc"\nseen,u2,x\n')
    assert [(r.line, r.cells["note"]) for r in rows(path) if isinstance(r, Row)] == [
        (2, "a, b\nc"),
        (4, "x"),
    ]


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.touch()
    assert rows(path) == []


def calls(mapping: Mapping | None, *cells: Mapping_[str, object]) -> list[dict[str, object]]:
    made = Calls(mapping)
    return [made.of(Row(nth, dict(one))) for nth, one in enumerate(cells, 2)]


def test_a_call_of_an_sdk_is_posted_as_it_is() -> None:
    (call,) = calls(None, {"type": "page", "anonymousId": "a1", "messageId": "m1", "name": "Home"})
    assert call == {"type": "page", "anonymousId": "a1", "messageId": "m1", "name": "Home"}


def test_columns_become_what_the_mapping_says() -> None:
    mapping = Mapping(
        event="kind", names={"v": "seen"}, time="at", timezone="Europe/Berlin", numbers=["price"]
    )
    (call,) = calls(
        mapping,
        {"kind": "v", "at": "2026-03-02 10:00", "user_id": "u1", "price": "3.50", "sku": "007"},
    )
    assert call["event"] == "seen"
    assert call["timestamp"] == "2026-03-02T09:00:00.000Z"
    assert call["properties"] == {"price": 3.5, "sku": "007"}


def test_customers_become_identify_calls() -> None:
    mapping = Mapping(call="identify", properties=["email"])
    (call,) = calls(mapping, {"user_id": "u1", "email": "ana@shop.example", "age": "3"})
    assert (call["type"], call["traits"]) == ("identify", {"email": "ana@shop.example"})
    assert "event" not in call


def test_equal_rows_are_told_apart_by_their_number_and_always_alike() -> None:
    row = {"event": "seen", "user_id": "u1", "timestamp": "2026-03-02 10:00"}
    first = [call["messageId"] for call in calls(None, row, row, {**row, "user_id": "u2"})]
    again = [call["messageId"] for call in calls(None, row, row, {**row, "user_id": "u2"}, row)]
    assert len(set(first)) == 3
    assert again[:3] == first
    assert again[3] not in first


def test_shifted_times_are_other_events() -> None:
    row = {
        "type": "track",
        "event": "seen",
        "userId": "u1",
        "messageId": "m1",
        "timestamp": "2026-03-02T10:00:00Z",
    }
    shifted = Calls(None, shift=60_000).of(Row(1, row))
    assert shifted["timestamp"] == "2026-03-02T10:01:00.000Z"
    assert shifted["messageId"] != "m1", "or it would be a conflicting copy of the first"


@pytest.mark.parametrize("cell", [{"price": "dear"}, {"timestamp": "yesterday"}])
def test_what_cannot_be_read_says_so(cell: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected, found '"):
        calls(Mapping(numbers=["price"]), {"event": "seen", "user_id": "u1", **cell})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("evnet: kind", "m.yaml:1:1: unknown key 'evnet'. Did you mean 'event'?"),
        ("timezone: Europe/Berln", "m.yaml:1:11: no such time zone: 'Europe/Berln'"),
        ("numbers: price", "m.yaml:1:10: a list was expected"),
    ],
)
def test_a_wrong_mapping_is_named_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(MappingError) as error:
        load(path)
    assert str(error.value).startswith(says)


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        (Mapping(event="evnt"), "the file has no column 'evnt'. Did you mean 'event'?"),
        (Mapping(numbers=["prize"]), "no column 'prize'. Did you mean 'price'?"),
        (Mapping(user_id="customer"), "user_id: the file has no column 'customer'"),
    ],
)
def test_a_mapping_must_fit_the_columns(tmp_path: Path, mapping: Mapping, says: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(CSV)
    with (
        rows_of(path) as found,
        pytest.raises(MappingError, match="Columns: event, user_id, price") as error,
    ):
        check(mapping, found, "a.csv")
    assert says in str(error.value)
