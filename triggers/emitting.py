"""Records that steps put into the log: what a journey changes is a fact like any other.

A run that has put one out rests until it comes out of the log again, so the steps behind it see all
that follows from it. Where a crash lost the record, the run puts it out once more: its id follows
from the run, so it counts once.
"""

from typing import Any, NamedTuple

from events.record import OWN, Event, own_event
from events.values import typed
from triggers.activation import activation_id
from triggers.steps.base import Go, Leave, Outcome, Rest, Step, Turn

DEPTH = 8  # triggers in a row of which each sent what started the next
PATIENCE = 60_000  # ms; until a record that did not come is put out again


class Said(NamedTuple):
    """What a step says: an event, or traits or addresses of the person."""

    name: str
    properties: dict[str, Any]
    traits: dict[str, Any]
    addresses: dict[str, str] = {}  # noqa: RUF012 - nobody changes it


def acts(turn: Turn) -> bool:
    """Say whether a trigger does more than decide; where it does not, that is told."""
    status = turn.trigger.status
    if status == "shadow":
        turn.work.explain(turn.person.id, turn.trigger.name, "shadow")
    elif status == "draft":
        turn.work.explain(turn.person.id, turn.trigger.name, "refused", "status", status)
    return status not in ("shadow", "draft")


class Saying(Step, frozen=True):
    """A step that puts a record into the log."""

    def said(self, turn: Turn) -> Said:
        """Return what it says."""
        raise NotImplementedError

    def take(self, turn: Turn) -> Outcome:
        """Say it, and go on when it has come out of the log."""
        run = turn.run
        if turn.arrived:
            run.awaits = ""
            return Go(self.next)
        if not acts(turn):
            return Go(self.next)
        chain = (*run.chain, turn.trigger.name)
        if len(chain) > DEPTH:
            turn.work.bounded.append(chain)
            return Leave("ended", "too_deep")
        event = _event(turn, self.at, self.said(turn), chain)
        run.awaits = event.message_id
        turn.work.emitted.append(event)
        return Rest(turn.now + PATIENCE)


def _event(turn: Turn, at: str, said: Said, chain: tuple[str, ...]) -> Event:
    message_id = activation_id(turn.trigger.name, at, turn.run.entry, 0, "log")
    return own_event(
        OWN,
        turn.leaf.key,
        message_id,
        said.name,
        _time(turn, said),
        kind="identify" if said.traits else "track",
        accepted_us=turn.now * 1000,
        properties=said.properties,
        traits=said.traits,
        addresses=said.addresses,
        chain=chain,
    )


def _time(turn: Turn, said: Said) -> int:
    """Return when it was said, ms: later than what it takes the place of, also what is on its way."""
    if not said.traits:
        return turn.now
    known = turn.person.view.traits
    ahead = sum(1 for _, run in turn.person.runs() if run.awaits and run is not turn.run)
    return ahead + max((turn.now, *(known[name][0] + 1 for name in said.traits if name in known)))


def value_of(text: str, event: dict[str, Any]) -> Any:
    """Read a value as it is written: a number, true or false, `event.PROPERTY`, or text.

    >>> value_of("12.5", {}), value_of("true", {}), value_of("event.size", {"size": "L"})
    (12.5, True, 'L')
    """
    head, dot, rest = text.partition(".")
    return event.get(rest) if head == "event" and dot else typed(text)
