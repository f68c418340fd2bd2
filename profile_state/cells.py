"""Cells: the small exact aggregates that conditions read, one per slot and leaf.

Every kind folds an event in and merges with another leaf's cell so that order does not matter:
a set of newest instants, a sum of integers, the latest by (time, message id). Windows are exact
because a cell keeps the instants themselves, as many as the conditions can ask for.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, MutableMapping
from functools import lru_cache
from heapq import merge as merge_sorted
from typing import Any, NamedTuple

from events.record import Event
from profile_state.naming import name_of, names_of
from profile_state.ties import outranks

MOST = 10_000  # instants or values that a cell holds where the conditions set no smaller bound
LARGEST = 9 * 10**12  # units in one event that still count: 64 bits of 10^-6
QUARTER = 900_000  # ms; of an hour
MICRO = 1_000_000  # sums are integers of 10^-6, so that their order cannot matter


class Slot(NamedTuple):
    """What the definitions need to remember about one kind of event."""

    key: str  # the definition in words; the name of the cell
    kind: str  # a name in KINDS
    event: str  # slug of the event that it folds
    fields: tuple[str, ...] | None  # properties that it reads; None keeps every one
    where: str  # the filter's source in Python over `e`, "" for none
    by: str | None  # property that splits the cell into one per value
    window: int | None  # ms; None keeps for ever
    keep: int  # the most entries kept


def share(slots: MutableMapping[str, Slot], slot: Slot) -> str:
    """Add a slot and return its key; what needs the same shares one, as wide as the widest needs."""
    known = slots.get(slot.key)
    if known is not None:
        wide = slot.window is not None and known.window is not None
        every = slot.fields is None or known.fields is None
        slot = slot._replace(
            fields=None if every else tuple(sorted({*(slot.fields or ()), *(known.fields or ())})),
            window=max(slot.window or 0, known.window or 0) if wide else None,
            keep=max(slot.keep, known.keep),
        )
    slots[slot.key] = slot
    return slot.key


def micros(value: Any) -> int | None:
    """Turn a number into an integer of 10^-6; None for what is no number, or beyond LARGEST.

    >>> micros(12.5), micros("12.5"), micros("dear")
    (12500000, 12500000, None)
    """
    kind = type(value)
    if kind is int:
        return value * MICRO if -LARGEST <= value <= LARGEST else None
    if kind is str:
        try:
            value = float(value)
        except ValueError:
            return None
    elif kind is not float:
        return None
    return round(value * MICRO) if -LARGEST <= value <= LARGEST else None


def add_time(
    cell: list[int] | None, time: int, _id: str, _value: Any, floor: int, keep: int
) -> list[int] | None:
    """Fold an instant into a sorted list of the newest `keep` at or above `floor` (ms)."""
    if time < floor:
        return cell
    if cell is None:
        return [time]
    if time >= cell[-1]:
        cell.append(time)
    else:
        insort(cell, time)
    if cell[0] < floor:
        del cell[: bisect_left(cell, floor)]
    if len(cell) > keep:
        del cell[: len(cell) - keep]
    return cell


def merge_times(a: list[int], b: list[int], keep: int) -> list[int]:
    """Merge two sorted lists of instants.

    >>> merge_times([1, 5], [3], 2)
    [3, 5]
    """
    return list(merge_sorted(a, b))[-keep:]


def add_quarter(
    cell: list[int] | None, time: int, _id: str, _value: Any, floor: int, keep: int
) -> list[int] | None:
    """Remember in which quarters of an hour something happened, by the instants that begin them.

    Every local day of every time zone in use begins with one.
    """
    quarter = time // QUARTER * QUARTER
    if cell is not None and (cell[-1] == quarter or quarter in cell):
        return cell
    return cell if time < floor else add_time(cell, quarter, _id, _value, floor - QUARTER, keep)


def merge_quarters(a: list[int], b: list[int], keep: int) -> list[int]:
    """Merge two sorted lists of instants; what is in both stays once."""
    return sorted({*a, *b})[-keep:]


def add_total(cell: int | None, _time: int, _id: str, _value: Any, _floor: int, _keep: int) -> int:
    """Count one more."""
    return (cell or 0) + 1


def merge_total(a: int, b: int, _keep: int) -> int:
    """Add two counts, or two sums."""
    return a + b


class Large(int):
    """A sum beyond 64 bits, which is stored as text."""


def merge_sum(a: int, b: int, _keep: int) -> int:
    """Add two sums, exactly and however large.

    >>> merge_sum(2**62, 2**62, 0) + merge_sum(-(2**62), -(2**62), 0)
    0
    """
    total = int(a) + int(b)
    return total if -(1 << 63) <= total < 1 << 63 else Large(total)


def add_newest(cell: int | None, time: int, _id: str, _value: Any, _floor: int, _keep: int) -> int:
    """Keep the newest instant."""
    return time if cell is None or time > cell else cell


def merge_newest(a: int, b: int, _keep: int) -> int:
    """Keep the newer instant, or the larger value."""
    return max(a, b)


def add_sum(
    cell: int | None, _time: int, _id: str, value: Any, _floor: int, _keep: int
) -> int | None:
    """Add a value in integers of 10^-6."""
    amount = micros(value)
    return cell if amount is None else merge_sum(cell or 0, amount, 0)


def add_numbers(
    cell: int | None, _time: int, _id: str, value: Any, _floor: int, _keep: int
) -> int | None:
    """Count one more value that is a number."""
    return cell if micros(value) is None else (cell or 0) + 1


def add_least(
    cell: int | None, _time: int, _id: str, value: Any, _floor: int, _keep: int
) -> int | None:
    """Keep the smallest value, in 10^-6."""
    amount = micros(value)
    return cell if amount is None or (cell is not None and cell <= amount) else amount


def merge_least(a: int, b: int, _keep: int) -> int:
    """Keep the smaller value."""
    return min(a, b)


def add_most(
    cell: int | None, _time: int, _id: str, value: Any, _floor: int, _keep: int
) -> int | None:
    """Keep the largest value, in 10^-6."""
    amount = micros(value)
    return cell if amount is None or (cell is not None and cell >= amount) else amount


class Amounts:
    """Instants with values in 10^-6, oldest first, and their running sums.

    A window's sum is all there is less what lies before the window, however much happened in it.
    What lies before changes rarely, so its sums are kept: `sums[n]` is that of the first n entries
    and of all that was let go of, as far as it has been asked for.
    """

    __slots__ = ("entries", "sums", "total")

    def __init__(self, entries: list[tuple[int, int]]) -> None:
        self.entries = entries
        self.sums = [0]
        self.total = sum(amount for _, amount in entries)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Amounts) and self.entries == other.entries

    def __hash__(self) -> int:
        raise TypeError("cells change")

    def __repr__(self) -> str:
        return f"Amounts({self.entries!r})"

    def add(self, entry: tuple[int, int]) -> None:
        """Insert an entry in order."""
        entries = self.entries
        if entries and entry < entries[-1]:
            nth = bisect_left(entries, entry)
            entries.insert(nth, entry)
            del self.sums[nth + 1 :]
        else:
            entries.append(entry)
        self.total += entry[1]

    def drop(self, count: int) -> None:
        """Let go of the oldest entries."""
        self._before(count)
        del self.entries[:count]
        del self.sums[:count]

    def since(self, floor: int) -> int:
        """Return the sum of what happened at or after `floor` (ms), in 10^-6.

        >>> Amounts([(1, 5), (2, 7), (3, 1)]).since(2)
        8
        """
        return self.total - self._before(bisect_left(self.entries, (floor,)))

    def _before(self, count: int) -> int:
        sums = self.sums
        for _, amount in self.entries[len(sums) - 1 : count]:
            sums.append(sums[-1] + amount)
        return sums[count]


def add_amount(
    cell: Amounts | None, time: int, _id: str, value: Any, floor: int, keep: int
) -> Amounts | None:
    """Fold (instant, value in 10^-6) into a sorted list."""
    amount = micros(value)
    if amount is None or time < floor:
        return cell
    entry = (time, amount)
    if cell is None:
        return Amounts([entry])
    if entry >= cell.entries[-1]:  # as for most; there is always one, the newest
        cell.entries.append(entry)
        cell.total += amount
    else:
        cell.add(entry)
    if cell.entries[0][0] < floor:
        cell.drop(bisect_left(cell.entries, (floor,)))
    if len(cell.entries) > keep:
        cell.drop(len(cell.entries) - keep)
    return cell


def merge_amounts(a: Amounts, b: Amounts, keep: int) -> Amounts:
    """Merge two sorted lists of (instant, value)."""
    return Amounts(list(merge_sorted(a.entries, b.entries))[-keep:])


Stated = tuple[int, str, Any]  # time (ms), message id, value


def later(a: Stated, b: Stated) -> Stated:
    """Return the later of two statements by (time, message id); of a tie always the same one.

    >>> later((1, "m1", "pro"), (1, "m1", "free"))
    (1, 'm1', 'free')
    """
    if a[:2] == b[:2]:
        return b if outranks(b[2], a[2]) else a
    return a if a[:2] > b[:2] else b


def _earlier(a: Stated, b: Stated) -> Stated:
    return a if later(a, b) is b else b


def add_last(
    cell: Stated | None,
    time: int,
    message_id: str,
    value: Any,
    _floor: int,
    _keep: int,
) -> Stated | None:
    """Keep the latest value by (time, message id)."""
    if value is None:
        return cell
    stated = (time, message_id, value)
    return stated if cell is None else later(cell, stated)


def merge_last(a: Stated, b: Stated, _keep: int) -> Stated:
    """Keep the later value."""
    return later(a, b)


def add_first(
    cell: Stated | None,
    time: int,
    message_id: str,
    value: Any,
    _floor: int,
    _keep: int,
) -> Stated | None:
    """Keep the earliest value by (time, message id)."""
    if value is None:
        return cell
    stated = (time, message_id, value)
    return stated if cell is None else _earlier(cell, stated)


def merge_first(a: Stated, b: Stated, _keep: int) -> Stated:
    """Keep the earlier value."""
    return _earlier(a, b)


def add_distinct(
    cell: dict[str, int] | None, time: int, _id: str, value: Any, floor: int, keep: int
) -> dict[str, int] | None:
    """Keep each value's newest instant; a list is several values."""
    if value is None or time < floor:
        return cell
    found = {} if cell is None else cell
    for text in names_of(value):
        if time > found.get(text, -1):
            found[text] = time
    return _newest_values(found, keep) if found else cell


def merge_distinct(a: dict[str, int], b: dict[str, int], keep: int) -> dict[str, int]:
    """Keep each value's newer instant."""
    joined = dict(a)
    for text, time in b.items():
        if time > joined.get(text, -1):
            joined[text] = time
    return _newest_values(joined, keep)


def _newest_values(cell: dict[str, int], keep: int) -> dict[str, int]:
    if len(cell) <= keep:
        return cell
    newest = sorted(cell.items(), key=lambda kv: (kv[1], kv[0]))[-keep:]
    return dict(newest)


class Happened(NamedTuple):
    """An event as an `events` cell remembers it. The first three, its place, order events."""

    time: int  # ms
    message_id: str
    source: str
    properties: dict[str, Any]


def happened(event: Event) -> Happened:
    """Remember an event with all its properties."""
    return Happened(event.time, event.message_id, event.source, event.properties)


NO_PROPERTIES: dict[str, Any] = {}  # of every event of which none is kept


@lru_cache(maxsize=MOST)
def alike(fields: tuple[str, ...], values: tuple[str, ...]) -> dict[str, Any]:
    """Return properties that are texts; equal ones are one object, which nobody may change.

    People look at the same products again and again, and a dictionary takes 232 bytes.
    """
    return dict(zip(fields, values, strict=True))


def kept(properties: dict[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    """Return the part of an event's properties that is remembered.

    >>> kept({"id": "p1", "price": 5}, ("id",)) is kept({"id": "p1", "price": 6}, ("id",))
    True
    """
    values = tuple([properties.get(field) for field in fields])
    for value in values:
        if value.__class__ is not str:  # equal numbers may be written differently: 1, 1.0, -0.0
            return {field: properties[field] for field in fields if field in properties}
    return alike(fields, values)


def add_events(
    cell: list[Happened] | None, time: int, _id: str, value: Happened, floor: int, keep: int
) -> list[Happened] | None:
    """Fold an event into a list sorted by place; the same event again changes nothing."""
    if time < floor:
        return cell
    if cell is None:
        return [value]
    place = value[:3]
    if cell[-1] < place:
        cell.append(value)
    else:
        nth = bisect_left(cell, place)
        if cell[nth][:3] != place:
            cell.insert(nth, value)
        elif outranks(value[3], cell[nth][3]):  # under another leaf of the person
            cell[nth] = value
    if cell[0][0] < floor:
        del cell[: bisect_left(cell, (floor,))]
    if len(cell) > keep:
        del cell[: len(cell) - keep]
    return cell


def merge_events(a: list[Happened], b: list[Happened], keep: int) -> list[Happened]:
    """Merge two lists of events; of two at one place, as under two leaves, one stays.

    >>> one, other = Happened(1, "m1", "web", {}), Happened(2, "m2", "web", {})
    >>> merge_events([one, other], [one], 10) == [one, other]
    True
    """
    joined: list[Happened] = []
    for event in sorted((*a, *b), key=_place):
        if not joined or joined[-1][:3] != event[:3]:
            joined.append(event)
        elif outranks(event.properties, joined[-1].properties):
            joined[-1] = event
    return joined[-keep:]


def _place(event: Happened) -> tuple[int, str, str]:
    return event[:3]


class Kind(NamedTuple):
    """How a kind of cell folds an event in, and joins another leaf's cell."""

    add: Callable[..., Any]
    merge: Callable[[Any, Any, int], Any]


KINDS: dict[str, Kind] = {
    "times": Kind(add_time, merge_times),
    "quarters": Kind(add_quarter, merge_quarters),
    "total": Kind(add_total, merge_total),
    "newest": Kind(add_newest, merge_newest),
    "sum": Kind(add_sum, merge_sum),
    "numbers": Kind(add_numbers, merge_total),
    "least": Kind(add_least, merge_least),
    "most": Kind(add_most, merge_newest),
    "amounts": Kind(add_amount, merge_amounts),
    "last": Kind(add_last, merge_last),
    "first": Kind(add_first, merge_first),
    "distinct": Kind(add_distinct, merge_distinct),
    "events": Kind(add_events, merge_events),
}


def merge_cells(slot: Slot, a: Any, b: Any) -> Any:
    """Join two leaves' cells of one slot; a slot split `by` a property joins value by value."""
    merge = KINDS[slot.kind].merge
    if slot.by is None:
        return merge(a, b, slot.keep)
    joined: dict[str, Any] = copied(a)
    for value, cell in b.items():
        known = joined.get(value)
        joined[value] = copied(cell) if known is None else merge(known, cell, slot.keep)
    return joined


def copied(cell: Any) -> Any:
    """Copy a cell, so that folding into the copy leaves the original alone."""
    if isinstance(cell, dict):
        return {value: copied(inner) for value, inner in cell.items()}
    if isinstance(cell, list):
        return cell[:]
    return Amounts(cell.entries[:]) if isinstance(cell, Amounts) else cell


def current(slot: Slot, cell: Any, now: int) -> Any:
    """Return what of a cell still counts at `now` (ms), in plain values; None for nothing.

    A window is cut when something is folded in, so what a cell holds beyond it depends on when
    that last happened; what is inside does not.

    >>> current(Slot("times seen", "times", "seen", (), "", None, 1000, 10), [100, 900], 1500)
    [900]
    """
    if slot.by is not None:
        parts = {v: current(slot._replace(by=None), inner, now) for v, inner in cell.items()}
        return {value: part for value, part in parts.items() if part is not None} or None
    if slot.window is None:
        return plain(cell) if isinstance(cell, Amounts) else cell
    floor = now - slot.window
    match slot.kind:
        case "times" | "quarters":
            return cell[bisect_left(cell, floor) :] or None
        case "amounts":
            return cell.entries[bisect_left(cell.entries, (floor,)) :] or None
        case "distinct":
            return {value: time for value, time in cell.items() if time >= floor} or None
        case _:
            return cell[bisect_left(cell, (floor,)) :] or None


def plain(cell: Any) -> Any:
    """Return what is stored of a cell that is no plain value; `restored` takes it back.

    Raises:
        NotImplementedError: for anything that is no cell.
    """
    if isinstance(cell, Amounts):
        return cell.entries
    if isinstance(cell, Large):
        return str(int(cell))
    raise NotImplementedError(f"{type(cell).__name__} is no cell")


def add_by(
    cell: dict[str, Any] | None,
    add: Callable[..., Any],
    by: Any,
    time: int,
    message_id: str,
    value: Any,
    floor: int,
    keep: int,
) -> dict[str, Any] | None:
    """Fold into the cell of one value of the property that a slot is split by.

    An event without the property folds under "". At most MOST values are kept, those that
    were first seen longest ago going first.
    """
    name = "" if by is None else name_of(by)
    known = None if cell is None else cell.get(name)
    added = add(known, time, message_id, value, floor, keep)
    if added is None:
        return cell
    if cell is None:
        return {name: added}
    cell[name] = added
    if len(cell) > MOST:
        del cell[next(iter(cell))]
    return cell


def restored(key: str, cell: Any) -> Any:
    """Give a decoded cell back the tuples that its arithmetic compares."""
    kind = key.partition(" ")[0]
    if kind == "events":
        if isinstance(cell, dict):
            return {value: [Happened(*event) for event in inner] for value, inner in cell.items()}
        return [Happened(*event) for event in cell]
    if kind in ("amounts", "last", "first", "sum"):
        if isinstance(cell, dict):  # split by a property
            return {value: _restored(kind, inner) for value, inner in cell.items()}
        return _restored(kind, cell)
    return cell


def _restored(kind: str, cell: Any) -> Any:
    if kind == "sum":
        return Large(cell) if isinstance(cell, str) else cell
    return Amounts([tuple(pair) for pair in cell]) if kind == "amounts" else tuple(cell)
