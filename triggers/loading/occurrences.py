"""Occurrences that are no events of a trigger's own: edges, changes, and what a calendar brings."""

import re
from datetime import datetime

from events.catalog import SEEN_DAYS
from events.names import slug
from events.scores import remembered
from kairos.durations import duration
from profile_state.cells import Slot
from triggers import rules
from triggers.calendars import Calendar, Every, Once, Yearly
from triggers.catalog import PRICE, Happening
from triggers.definitions import Changed
from triggers.loading.context import Context
from triggers.schema import TriggerFile, When
from triggers.signs import CROSSING
from triggers.yaml import Document

DAY = 86_400_000  # ms
PRODUCT = "product_id"  # the property that names an item, where `seen` names none
NINE = 9 * 60  # minutes after midnight, where a date names no time
_EVERY = re.compile(r"(?:(day)|month (last|\d{1,2})|([a-z,\s-]+)) (\d{1,2}:\d{2})")
_DATE = re.compile(r"([A-Za-z_]\w*)(?: ([+-]) ?(\S+))?(?: at (\d{1,2}:\d{2}))?")


def edge(context: Context, document: Document, file: TriggerFile) -> tuple[str, str] | None:
    """Read `segment: entered NAME`, or `crosses: CONDITION`, which is the edge of a segment of its own."""
    when = file.when
    if when.crosses is not None:
        return "entered", CROSSING + file.trigger
    if when.segment is None:
        return None
    word, _, name = when.segment.partition(" ")
    path = ("when", "segment")
    if word not in ("entered", "exited") or not name:
        message = f"`entered NAME` or `exited NAME` was expected, found {when.segment!r}"
        context.say(document, path, message)
        return None
    context.known_segment(document, path, name)
    return word, name


def changed(context: Context, document: Document, when: When) -> Changed | None:
    """Read `changed: TRAIT`, or a score that somebody tells."""
    if when.changed is None:
        return None
    of_score = context.is_score(when.changed)
    if when.changed in context.scored:
        message = (
            f"{when.changed} changes with each order and each day; write `crosses`, with a line"
        )
        context.say(document, ("when", "changed"), message)
    name = remembered(when.changed) if of_score else slug(when.changed)
    return Changed(name, when.from_, when.to)


def calendar(context: Context, document: Document, when: When) -> Calendar | None:
    """Read `every`, `date` or `at`."""
    if when.every is not None:
        return context.rule(every, when.every, document, ("when", "every"))
    if when.date is not None:
        return context.rule(yearly, when.date, document, ("when", "date"))
    if when.at is not None:
        if when.in_ is None:
            context.say(document, ("when", "at"), "`in: SEGMENT` is missing: whom does it concern?")
        else:
            context.known_segment(document, ("when", "in"), when.in_)
        return context.rule(once, when.at, document, ("when", "at"))
    return None


def item(context: Context, document: Document, when: When) -> Happening | None:
    """Read `item: price_drop 10%`, `back_in_stock` or `changed FIELD`, and who has `seen` it."""
    if when.item is None:
        return None
    word, _, rest = " ".join(when.item.split()).partition(" ")
    path = ("when", "item")
    share, field = 0.0, PRICE if word == "price_drop" else slug(rest)
    if word == "price_drop":
        share = context.rule(rules.share, rest, document, path) or 0.0
    elif (word, bool(rest)) not in (("changed", True), ("back_in_stock", False)):
        message = f"`price_drop 10%`, `back_in_stock` or `changed FIELD` was expected, found {when.item!r}"
        context.say(document, path, message)
    if when.seen is None:
        context.say(document, path, "`seen: EVENT` is missing: whom does it concern?")
        return None
    event, _, by = (slug(part) if part != "." else part for part in when.seen.partition("."))
    by = by or PRODUCT
    window = context.rule(duration, when.last or "30d", document, ("when", "last")) or 0
    if window > SEEN_DAYS * DAY:
        context.say(
            document, ("when", "last"), f"at most {SEEN_DAYS}d was expected, found {when.last}"
        )
    key = f"newest {event} by {by}"
    slot = Slot(key, "newest", event, (), "", by, None, 1)
    cell = context.slots.ask(slot, reach=window)
    return Happening(word, field, share, event, by, cell, window)


def every(text: str) -> Every:
    """Read a time that comes again and again.

    Raises:
        ValueError: it is none.

    >>> every("mon 09:00"), every("month last 18:00").day
    (Every(minute=540, weekdays=frozenset({0}), day=None, trait=None), 0)
    """
    found = _EVERY.fullmatch(" ".join(text.lower().split()))
    if found is None:
        raise ValueError(
            "`mon 09:00`, `mon-fri 09:00`, `day 09:00`, `month 1 09:00` or `month last 09:00` was "
            f"expected, found {text!r}"
        )
    day, of_month, weekdays, clock = found.groups()
    days = frozenset(range(7)) if weekdays is None else rules.weekdays(weekdays)
    if of_month is None or day:
        return Every(rules.clock(clock), days)
    nth = 0 if of_month == "last" else int(of_month)
    if not (of_month == "last" or 1 <= nth <= 31):
        raise ValueError(f"a day of the month, 1 to 31 or `last`, was expected, found {of_month!r}")
    return Every(rules.clock(clock), days, nth)


def yearly(text: str) -> Yearly:
    """Read a date that comes each year.

    Raises:
        ValueError: it is none.

    >>> yearly("birthday -3d at 08:00"), yearly("birthday").minute
    (Yearly(trait='birthday', days=-3, minute=480), 540)
    """
    found = _DATE.fullmatch(" ".join(text.split()))
    if found is None:
        raise ValueError(f"a date such as `birthday -3d at 09:00` was expected, found {text!r}")
    trait, sign, length, clock = found.groups()
    days, rest = divmod(duration(length) if length else 0, DAY)
    if rest:
        raise ValueError(f"whole days such as -3d were expected, found {sign}{length}")
    minute = NINE if clock is None else rules.clock(clock)
    return Yearly(slug(trait), -days if sign == "-" else days, minute)


def once(text: str) -> Once:
    """Read one time on the wall.

    Raises:
        ValueError: it is none.

    >>> once("2026-11-27 09:00").wall.isoformat()
    '2026-11-27T09:00:00'
    """
    try:
        return Once(datetime.strptime(" ".join(text.split()), "%Y-%m-%d %H:%M"))  # noqa: DTZ007 - local to each person
    except ValueError:
        message = f"a date and a time such as 2026-11-27 09:00 were expected, found {text!r}"
        raise ValueError(message) from None
