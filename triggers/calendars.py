"""Occurrences that a calendar brings: each Monday at nine, three days before a birthday, one instant.

Whoever a trigger of this kind concerns has the next instant among those at which time alone
concerns them (`Person.recheck`, under `@` and the trigger's name), so a tick finds it.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from profile_state.leaf import NEVER
from profile_state.person import Person
from triggers.definitions import Trigger
from triggers.local_time import date_at, date_of, instant_at, next_time, zone_at
from triggers.signs import CALENDAR
from triggers.work import Work

Traits = Mapping[str, tuple[int, str, Any]]


class Every(msgspec.Struct, frozen=True):
    """A time of day on some days of the week, or on one of each month."""

    minute: int  # after midnight, where the person is
    weekdays: frozenset[int]
    day: int | None = None  # of the month; 0 for its last
    trait: None = None

    def next(self, after: int, traits: Traits, where: ZoneInfo) -> int:  # noqa: ARG002
        """Return the first instant (ms) after another."""
        if self.day is None:
            return next_time(after + 1, self.minute, self.weekdays, where)
        first = date_at(after, where).replace(day=1)
        for months in range(14):
            ahead = first.year * 12 + first.month - 1 + months
            begins = date(ahead // 12, ahead % 12 + 1, 1)
            last = date((ahead + 1) // 12, (ahead + 1) % 12 + 1, 1) - timedelta(days=1)
            on = begins + timedelta(days=self.day - 1) if self.day else last
            if on <= last and (instant := instant_at(on, self.minute, where)) > after:
                return instant
        raise AssertionError("within 14 months every month has come")


class Yearly(msgspec.Struct, frozen=True):
    """Some days before or after a date that a trait names, each year from that date's own on."""

    trait: str
    days: int
    minute: int

    def next(self, after: int, traits: Traits, where: ZoneInfo) -> int:
        """Return the first instant (ms) after another; NEVER where there is no date."""
        stated = traits.get(self.trait)
        named = None if stated is None else date_of(stated[2], where)
        if named is None:
            return NEVER
        this_year = date_at(after, where).year
        for year in range(max(named.year, this_year - 2), max(named.year, this_year) + 3):
            on = in_year(named, year) + timedelta(days=self.days)
            if (instant := instant_at(on, self.minute, where)) > after:
                return instant
        raise AssertionError("within three years every date has come")


def in_year(day: date, year: int) -> date:
    """Return the same day in another year; 29 February counts as the 28th in short years.

    >>> in_year(date(1988, 2, 29), 2026), in_year(date(1988, 2, 29), 2028)
    (datetime.date(2026, 2, 28), datetime.date(2028, 2, 29))
    """
    try:
        return day.replace(year=year)
    except ValueError:
        return day.replace(year=year, day=28)


class Once(msgspec.Struct, frozen=True):
    """One time on the wall, wherever the person is."""

    wall: datetime
    trait: None = None

    def next(self, after: int, traits: Traits, where: ZoneInfo) -> int:  # noqa: ARG002
        """Return the instant (ms), NEVER once it has passed."""
        minute = self.wall.hour * 60 + self.wall.minute
        instant = instant_at(self.wall.date(), minute, where)
        return instant if instant > after else NEVER


Calendar = Every | Yearly | Once


def arrange(work: Work, person: Person) -> None:
    """Say when each calendar next concerns somebody; what is due already stays due."""
    workspace = work.state.workspace
    if workspace is None:
        return
    signed = [key for key in person.recheck if key.startswith(CALENDAR)]
    known = {key: person.recheck.pop(key) for key in signed}
    if not person.leaves:
        return
    traits, now = person.view.traits, work.state.now
    where = zone_at(traits, workspace.timezone)
    for trigger in workspace.calendars:
        key = CALENDAR + trigger.name
        assert trigger.calendar is not None
        at = known.get(key, NEVER)
        if at > now:
            at = trigger.calendar.next(now, traits, where)
        if at < NEVER:
            person.recheck[key] = at


def due(work: Work, person: Person) -> list[tuple[Trigger, int]]:
    """Return whose instants have come, and say when they come next."""
    workspace, now = work.state.workspace, work.state.now
    if workspace is None or not workspace.calendars:
        return []
    found = [
        (trigger, at)
        for trigger in workspace.calendars
        if (at := person.recheck.get(CALENDAR + trigger.name, NEVER)) <= now
    ]
    for trigger, _ in found:
        del person.recheck[CALENDAR + trigger.name]
    if found:
        arrange(work, person)
    return found
