"""By what browsers say that they showed, we learn what need not be shown any more."""

from collections.abc import Iterable

from events.record import DeadLetter, Event, Item

_SHOWN = frozenset({"web_opened", "web_clicked", "web_dismissed"})
_ANONYMOUS = "anonymous_id:"


def receipts(records: Iterable[Event | DeadLetter | Item]) -> list[tuple[str, str]]:
    """Return what browsers say that they showed: (browser, id of a message).

    >>> receipts([])
    []
    """
    return [
        (identifier.removeprefix(_ANONYMOUS), message)
        for record in records
        if isinstance(record, Event) and record.name in _SHOWN
        if isinstance(message := record.properties.get("message"), str)
        for identifier in record.ids
        if identifier.startswith(_ANONYMOUS)
    ]
