"""The catalogue in the core: items as they are, and the changes that people still have to hear of.

It belongs to nobody, so it cannot travel with a person. The ledger has each item in as many stages
as it needs: the one in force at the stored offset, from which an engine reads on, and those since.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from events.record import Beside, Item, Offset, Related, beside_of
from triggers.runtime import number_of

ITEM_ID = "item_id"  # the property of an occurrence that names its item
ITEM = "@item"  # beside the properties of an occurrence: the item itself
PRICE = "price"
STOCKS = (
    "stock",
    "inventory",
    "quantity",
    "availability",
    "in_stock",
)  # the last one found says it
_OUT = frozenset({"", "0", "no", "false", "out_of_stock", "outofstock", "sold_out", "soldout"})


class Change(msgspec.Struct, frozen=True, array_like=True):
    """An occurrence of an item's that people still have to hear of."""

    trigger: str
    at: tuple[int, int]  # offset of the record
    time: int  # ms
    was: dict[str, Any]  # the item before
    item: dict[str, Any]  # and after
    told: str = ""  # the last leaf, in the order of their names, that was asked


class Stage(msgspec.Struct, frozen=True, array_like=True):
    """An item from one record on."""

    offset: tuple[int, int]
    fields: dict[str, Any] | None  # None where it is gone
    origin: str
    changes: tuple[Change, ...] = ()
    beside: bytes = b""  # what goes with it, packed as in `events.record.Related`


class Happening(msgspec.Struct, frozen=True):
    """`item: price_drop 10%`, `back_in_stock` or `changed FIELD`, with who is to hear of it."""

    word: str
    field: str  # that is looked at; "" for the stock
    share: float  # of the price, at least
    event: str  # slug of the event by which people have seen an item
    by: str  # its property that names the item
    cell: str  # which remembers when they last did
    window: int  # ms, how long ago at most

    @property
    def how(self) -> str:
        """By which event and property it is known who has seen an item."""
        return f"{self.event}.{self.by}"

    def happens(self, was: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> bool:
        """Say whether an item's change is one of these; what is new or gone has not changed."""
        if was is None or now is None:
            return False
        if self.word == "back_in_stock":
            return in_stock(was) is False and in_stock(now) is True
        before, after = was.get(self.field), now.get(self.field)
        if self.word == "changed":
            return before != after
        return number_of(before) - number_of(after) >= self.share * number_of(before) > 0


def in_stock(item: Mapping[str, Any]) -> bool | None:
    """Say whether an item is in stock; None where it does not tell.

    >>> in_stock({"stock": 3}), in_stock({"availability": "Out of stock"}), in_stock({"price": 9})
    (True, False, None)
    """
    for field in reversed(STOCKS):
        value = item.get(field)
        if value is None:
            continue
        if isinstance(value, str):
            return value.strip().lower().replace(" ", "_") not in _OUT
        return number_of(value) > 0
    return None


class Catalog:
    """All items of a partition."""

    def __init__(self) -> None:
        self._stages: dict[str, list[Stage]] = {}
        self._untold: dict[str, None] = {}  # items with changes, in order of the first one
        self._stocked = False  # whether there ever was an item; else anything may be recommended

    def __len__(self) -> int:
        return sum(stages[-1].fields is not None for stages in self._stages.values())

    def load(self, items: Mapping[str, bytes], mark: Offset) -> None:
        """Take what a ledger has, as it was at its mark."""
        for name, packed in items.items():
            stages = [s for s in _decode(packed) if s.offset <= mark]
            if stages:
                self._stages[name] = stages[-1:]
                self._stocked |= stages[-1].origin != ""
        changed = [(s[-1].changes[0].at, n) for n, s in self._stages.items() if s[-1].changes]
        self._untold = dict.fromkeys(name for _, name in sorted(changed))

    def packed(self, name: str, stored: Offset) -> bytes:
        """Pack an item, and let go of the stages that nobody will read on from."""
        stages = self._stages[name]
        kept = max((n for n, stage in enumerate(stages) if stage.offset <= stored), default=0)
        self._stages[name] = stages[kept:]
        return _encode(self._stages[name])

    def get(self, name: str) -> Stage | None:
        """Return an item as it is."""
        stages = self._stages.get(name)
        return stages[-1] if stages else None

    def fields(self, name: str) -> dict[str, Any] | None:
        """Return what an item is like now; None where there is none."""
        known = self.get(name)
        return known.fields if known is not None else None

    def beside(self, name: str) -> Beside:
        """Return what goes with an item, the most first, and how much."""
        known = self._stages.get(name)
        return beside_of(known[-1].beside) if known else ()

    def there(self, name: str) -> bool:
        """Say whether an item may be recommended: it is there, and not out of stock."""
        fields = self.fields(name)
        return not self._stocked if fields is None else in_stock(fields) is not False

    def from_origin(self, origin: str) -> dict[str, dict[str, Any]]:
        """Return the fields of the items that were last said there."""
        latest = ((name, stages[-1]) for name, stages in self._stages.items())
        return {n: s.fields for n, s in latest if s.fields is not None and s.origin == origin}

    def apply(
        self, said: Item, offset: Offset
    ) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """Apply a record; returns the item before and after."""
        known = self.get(said.id)
        before = known.fields if known is not None else None
        after = None
        if not said.gone:
            after = {} if said.whole else dict(before or {})
            after |= said.fields
            after = {name: value for name, value in after.items() if value is not None}
        stage = Stage(offset, None, "") if known is None else known
        changed = replace(stage, offset=offset, fields=after, origin=said.origin)
        self._add(said.id, changed)
        self._stocked = True
        return before, after

    def relate(self, said: Related, offset: Offset) -> None:
        """Say what goes with an item, which need not be there itself."""
        known = self.get(said.item)
        stage = Stage(offset, None, "") if known is None else known
        self._add(said.item, replace(stage, offset=offset, beside=said.packed))

    def change(self, name: str, offset: Offset, changes: tuple[Change, ...]) -> None:
        """Say which changes people still have to hear of."""
        known = self.get(name)
        assert known is not None, "only an item that is there changes"
        self._add(name, replace(known, offset=offset, changes=changes))

    def _add(self, name: str, stage: Stage) -> None:
        self._stages.setdefault(name, []).append(stage)
        if stage.changes:
            self._untold.setdefault(name)
        else:
            self._untold.pop(name, None)

    def untold(self) -> Iterator[tuple[str, Change]]:
        """Yield the changes that people still have to hear of, those of an item together."""
        for name in self._untold:
            for change in self._stages[name][-1].changes:
                yield name, change


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Stage]).decode
