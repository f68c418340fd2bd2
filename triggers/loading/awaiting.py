"""Events that end a run or a wait: `order_completed`, `clicked`, `any email_clicked`."""

from collections.abc import Iterable
from typing import NamedTuple

from events.names import slug
from profile_state.cells import MOST, Slot
from triggers.awaited import KEPT, NOTHING, RECEIPTS, Awaited
from triggers.loading.context import Context


class Key(NamedTuple):
    """What a trigger's runs are told apart by."""

    by: str | None  # slug of a property, None for the person alone
    strict: bool = False  # an event without it concerns no run


def of_events(context: Context, names: Iterable[str], key: Key) -> Awaited:
    """Await events of these names, whoever sent them.

    Args:
        context: of the workspace.
        names: slugs.
        key: of the trigger.
    """
    events = tuple(dict.fromkeys(names))
    by = f" by {key.by}" if key.by else ""
    newest = tuple(
        _from_entry(context, Slot(f"newest {e}{by}", "newest", e, (), "", key.by, None, 1))
        for e in events
    )
    return Awaited(events, newest, key.by is not None, (), key.strict)


def awaiting(context: Context, texts: Iterable[str], key: Key, channels: Iterable[str]) -> Awaited:
    """Await events as a marketer writes them.

    A receipt is that of the run's own messages, unless the text says `any`.

    Args:
        context: of the workspace.
        texts: events.
        key: of the trigger.
        channels: on which the trigger sends.

    Raises:
        ValueError: a receipt is awaited where nothing is sent, or where none could concern a run.
    """
    plain: list[str] = []
    receipts: list[str] = []
    sending = sorted(set(channels))
    for text in texts:
        word, _, rest = text.strip().partition(" ")
        if word == "any" and rest:
            name = slug(rest)
            plain += [f"{c}_{name}" for c in context.addresses] if name in RECEIPTS else [name]
            continue
        if len(text.split()) != 1:
            raise ValueError(
                f"an event was expected, found {text!r}; write it with _: {slug(text)}"
            )
        name = slug(text)
        channel, _, last = name.rpartition("_")
        if name in RECEIPTS:
            if not sending:
                raise ValueError(
                    f"no message is sent before this that could be {name}; "
                    f"`any {name}` means any of the person's messages"
                )
            receipts += [f"{one}_{name}" for one in sending]
        elif last in RECEIPTS and channel in sending:
            receipts.append(name)
        else:
            plain.append(name)
    for name in plain if key.strict else ():
        channel, _, last = name.rpartition("_")
        if last in RECEIPTS and channel in context.addresses:
            raise ValueError(
                f"{name} carries no {key.by!r}, so with `key_match: strict` it concerns no run; "
                f"only receipts of the run's own messages do, such as `{last}`"
            )
    found = of_events(context, plain, key) if plain else NOTHING
    told = receipts_of(context, receipts)
    return found._replace(events=(*found.events, *told.events), receipts=told.receipts)


def receipts_of(context: Context, names: Iterable[str]) -> Awaited:
    """Await events of these names that tell, by `message`, of one of the run's own messages."""
    events = tuple(dict.fromkeys(names))
    cells = tuple(
        _from_entry(
            context,
            Slot(f"distinct {e}.message", "distinct", e, ("message",), "", None, None, KEPT),
        )
        for e in events
    )
    return Awaited(events, (), keyed=False, receipts=cells)


def amounts_of(context: Context, event: str, field: str, window: int) -> str:
    """Remember the amounts of an event's property for a while (ms); returns their cell."""
    key = f"amounts {event}.{field}"
    return _from_entry(context, Slot(key, "amounts", event, (field,), "", None, window, MOST))


def _from_entry(context: Context, slot: Slot) -> str:
    """Ask for a slot of which only what follows the entry is looked at."""
    return context.slots.ask(slot, reach=None, before=False)


def both(one: Awaited, other: Awaited) -> Awaited:
    """Await what either of two awaits."""
    return Awaited(
        tuple(dict.fromkeys((*one.events, *other.events))),
        tuple(dict.fromkeys((*one.newest, *other.newest))),
        one.keyed or other.keyed,
        tuple(dict.fromkeys((*one.receipts, *other.receipts))),
        one.strict or other.strict,
    )
