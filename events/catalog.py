"""The catalogue: what there is to sell, from a CSV file or from the API, as records of the log."""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from events.limits import Limits
from events.record import Item
from events.rejected import RefusedError
from events.values import Check, typed

FILE, API = "file", "api"  # where an item comes from
IDS = ("id", "product_id", "item_id", "sku")  # how the column may be called that names an item
MOST = 5_000  # items in one request
SEEN_DAYS = 400  # for which it is known who has seen an item
_LONGEST = 255  # bytes of an item's id


class CatalogError(ValueError):
    """A catalogue that cannot be read; says in which line, what was expected and what was found."""


class _Posted(msgspec.Struct, frozen=True):
    items: list[dict[str, Any]]


def posted(body: bytes, time: int) -> list[Item]:
    """Read the items of a request: `{"items": [{"id": "p1", "price": 9.5}, {"id": "p2", "gone": true}]}`.

    What an item does not say stays as it was; null takes a field out, and `gone` the item.

    Args:
        body: JSON.
        time: ms; when it came.

    Raises:
        RefusedError: with the number of the item that is wrong; nothing of the request counts then.

    >>> posted(b'{"items": [{"id": "p1", "Unit Price": 9.5}]}', 5)
    [Item(id='p1', fields={'unit_price': 9.5}, time=5, origin='api', whole=False, gone=False)]
    """
    try:
        items = msgspec.json.decode(body, type=_Posted).items
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise RefusedError("invalid_json", f'{{"items": [..]}} was expected: {error}') from error
    if len(items) > MOST:
        raise RefusedError("request_too_large", f"{len(items)} items, at most {MOST}")
    return [_posted(nth, item, time) for nth, item in enumerate(items)]


def _posted(nth: int, said: dict[str, Any], time: int) -> Item:
    where = f"items[{nth}]"
    item = said.get("id")
    name = str(item) if type(item) is int else item
    if type(name) is not str or not name.strip() or len(name.encode()) > _LONGEST:
        raise RefusedError(
            "invalid_item", f"{where}.id: a text of 1 to {_LONGEST} bytes was expected"
        )
    if not name.isprintable():
        raise RefusedError("invalid_item", f"{where}.id: it holds a control character")
    try:
        fields = Check(Limits()).fields(where, {k: v for k, v in said.items() if k != "id"})
    except RefusedError as refusal:
        raise RefusedError("invalid_item", refusal.reason) from refusal
    gone = fields.pop("gone", False) is True
    return Item(name, {} if gone else fields, time, API, whole=False, gone=gone)


def read_file(text: str) -> dict[str, dict[str, Any]]:
    r"""Read a CSV file with a header: the fields of each item by its id.

    An empty cell is no field; what reads as a number or as true or false is one.

    Raises:
        CatalogError: with the line.

    >>> read_file("product_id,Price,in_stock\np1,9.50,true\np2,,false\n")
    {'p1': {'price': 9.5, 'in_stock': True}, 'p2': {'in_stock': False}}
    """
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    try:
        return _items(rows)
    except csv.Error as error:
        raise CatalogError(f"line {rows.line_num}: {error}") from error


def _items(rows: Any) -> dict[str, dict[str, Any]]:
    header: list[str] = next(rows, [])
    column = next((header.index(name) for name in IDS if name in header), None)
    if column is None:
        found = ", ".join(header) or "nothing"
        raise CatalogError(
            f"line 1: a column {', '.join(IDS[:-1])} or {IDS[-1]} was expected, found {found}"
        )
    items: dict[str, dict[str, Any]] = {}
    for row in rows:
        if not row:
            continue
        if len(row) != len(header):
            raise CatalogError(
                f"line {rows.line_num}: {len(header)} cells were expected, found {len(row)}"
            )
        name = row[column].strip()
        if not name or name in items:
            found = f"{name!r} a second time" if name else "nothing"
            raise CatalogError(
                f"line {rows.line_num}: an item's {header[column]} was expected, found {found}"
            )
        said = {
            k: typed(v)
            for n, (k, v) in enumerate(zip(header, row, strict=True))
            if n != column and v != ""
        }
        try:
            items[name] = Check(Limits()).fields(f"line {rows.line_num}", said)
        except RefusedError as refusal:
            raise CatalogError(refusal.reason) from refusal
    return items


def differences(
    listed: Mapping[str, Mapping[str, Any]], known: Mapping[str, Mapping[str, Any]], time: int
) -> Iterator[Item]:
    """Yield what brings the items that came from a file to what the file says now.

    Args:
        listed: by the file.
        known: those that came from it before.
        time: ms.

    >>> [(i.id, i.gone) for i in differences({"a": {"x": 1}, "b": {}}, {"b": {}, "c": {}}, 0)]
    [('a', False), ('c', True)]
    """
    for name, fields in listed.items():
        if known.get(name) != fields:
            yield Item(name, dict(fields), time, FILE, whole=True)
    for name in known:
        if name not in listed:
            yield Item(name, {}, time, FILE, whole=True, gone=True)
