"""Wait: for a while, until a time of day, a date, a trait, or the person's best time."""

import re

from events.names import slug
from kairos.durations import duration
from triggers import rules
from triggers.loading.building import Building, Place
from triggers.local_time import instant_of, next_time
from triggers.runtime import pick, trait
from triggers.schema import Strict
from triggers.steps.base import Go, Outcome, Rest, Step, Turn

SIGNATURE = "wait: DURATION | until HH:MM [DAYS] | until DATE [-DURATION] [at HH:MM] | until trait NAME set | best_time"
EXAMPLE = "- wait: until 10:00 mon-fri"
DAY = 86_400_000  # ms

_TIME = re.compile(r"until (\d{1,2}:\d{2})(?: (\S.*))?")
_TRAIT = re.compile(r"until trait (\S+) set")
_DATE = re.compile(r"until ([A-Za-z_][\w.]*)(?: ([+-]) ?(\S+))?(?: at (\d{1,2}:\d{2}))?")


class Shape(Strict):
    """`wait`."""

    wait: str


class Pause(Step, frozen=True):
    """For a while from when the run came here."""

    ms: int

    def take(self, turn: Turn) -> Outcome:
        """Wait out the time."""
        until = turn.since + self.ms
        return Go(self.next, turn.now) if until <= turn.now else Rest(until)


class UntilTime(Step, frozen=True):
    """Until a clock on the person's wall shows a time, on some days of the week."""

    minute: int
    weekdays: frozenset[int]

    def take(self, turn: Turn) -> Outcome:
        """Wait until that time comes first."""
        until = next_time(turn.since, self.minute, self.weekdays, turn.zone)
        return Go(self.next, turn.now) if until <= turn.now else Rest(until)


class UntilDate(Step, frozen=True):
    """Until a date that a trait or the entering event names; what is no date yet is waited for."""

    path: tuple[str, ...]
    of_event: bool
    days: int
    ms: int
    minute: int | None

    def take(self, turn: Turn) -> Outcome:
        """Look at the date as it stands: who moves it moves the end of the waiting."""
        date = self._instant(turn)
        if date is None:
            return Rest()
        until = date + self.ms
        return Go(self.next, turn.now) if until <= turn.now else Rest(until)

    def _instant(self, turn: Turn) -> int | None:
        if self.of_event:
            value = pick(turn.run.event, *self.path)
        else:
            known = trait(turn.person.view.traits, self.path[0])
            value = pick(known, *self.path[1:]) if len(self.path) > 1 else known
        return instant_of(value, turn.zone, self.minute, self.days)


class UntilBest(Step, frozen=True):
    """Until the hour, within a day, at which the person is likeliest to open a message."""

    def take(self, turn: Turn) -> Outcome:
        """Go by what is known of them by now."""
        until = turn.best_instant(turn.since + DAY, lambda _: True)
        return Go(self.next, turn.now) if until <= turn.now else Rest(until)


class UntilSet(Step, frozen=True):
    """Until a trait has a value."""

    trait: str

    def take(self, turn: Turn) -> Outcome:
        """Look at the trait."""
        value = trait(turn.person.view.traits, self.trait)
        return Rest() if value in (None, "") else Go(self.next, turn.now)


def build(building: Building, place: Place, written: Shape) -> Step:
    """Build the kind of waiting that is written."""
    text = " ".join(written.wait.split())
    try:
        return _built(building, place, text)
    except ValueError as error:
        message = str(error)
        if text.startswith("until") and not _TIME.fullmatch(text):
            message = (
                "`until 10:00 mon-fri`, `until delivery_date -1d at 09:00` or "
                f"`until trait plan set` was expected, found {text!r}"
            )
        building.say((*place.path, "wait"), message)
        return Pause(at=place.at, next=place.next, ms=0)


def _built(building: Building, place: Place, text: str) -> Step:
    at, after = place.at, place.next
    if text == "best_time":
        building.context.remember_opens()
        return UntilBest(at=at, next=after)
    if found := _TIME.fullmatch(text):
        days = rules.weekdays(found[2]) if found[2] else frozenset(range(7))
        return UntilTime(at=at, next=after, minute=rules.clock(found[1]), weekdays=days)
    if found := _TRAIT.fullmatch(text):
        name = slug(found[1])
        return UntilSet(at=at, next=after, trait=name, wakes=(f"trait:{name}",))
    if found := _DATE.fullmatch(text):
        return _until_date(building, place, found)
    return Pause(at=at, next=after, ms=duration(text))


def _until_date(building: Building, place: Place, found: re.Match[str]) -> Step:
    head, *rest = (slug(part) for part in found[1].split("."))
    of_event = head == "event" and bool(rest)
    if of_event:
        building.scope.uses.properties.add(rest[0])
    elif head == "trait" and rest:
        head, *rest = rest
    ms = duration(found[3]) * (-1 if found[2] == "-" else 1) if found[3] else 0
    whole_days = ms % DAY == 0
    return UntilDate(
        at=place.at,
        next=place.next,
        wakes=() if of_event else (f"trait:{head}",),
        path=tuple(rest) if of_event else (head, *rest),
        of_event=of_event,
        days=ms // DAY if whole_days else 0,
        ms=0 if whole_days else ms,
        minute=None if found[4] is None else rules.clock(found[4]),
    )
