"""Ask a person, at the address that they claim, whether they want messages: double opt-in.

It is the only message that a claimed address is sent. What comes back is a consent of theirs, and
vouches for the address.
"""

import msgspec

from events.addresses.base import kinds
from events.record import OPT_IN_CONFIRMED, TRANSACTIONAL_PURPOSE
from kairos.durations import duration
from profile_state.reach import named
from triggers import sending
from triggers.arbitrate import Send
from triggers.awaited import Awaited, when
from triggers.definitions import SendStep
from triggers.emitting import Said, Saying, acts
from triggers.loading.awaiting import receipts_of
from triggers.loading.building import Building, Place
from triggers.loading.sends import send_step
from triggers.local_time import MINUTE
from triggers.runtime import trait
from triggers.schema import Send as SendOptions
from triggers.schema import Steps, Strict
from triggers.steps.base import Go, Outcome, Rest, Step, Turn

SIGNATURE = (
    "opt_in: {channel: CHANNEL, purpose: PURPOSE, template: NAME [, within: DURATION] "
    "[, then: STEPS] [, else: STEPS]}"
)
EXAMPLE = "- opt_in: {channel: email, purpose: marketing, template: please_confirm, within: 3d}"
ASKED = "@opt_in"  # beside the entering event's properties: the address that was asked
WITHIN = "7d"


class Options(Strict):
    """Who is asked for what, and what then."""

    channel: str
    purpose: str
    template: str
    within: str = WITHIN
    then: Steps = msgspec.field(default_factory=list)
    else_: Steps = msgspec.field(default_factory=list, name="else")


class Shape(Strict):
    """`opt_in`."""

    opt_in: Options


class OptIn(Saying, frozen=True):
    """See the module."""

    what: SendStep
    kind: str  # of address
    purpose: str
    within: int
    awaited: Awaited
    then: str
    otherwise: str

    def take(self, turn: Turn) -> Outcome:
        """Ask, wait for the answer, and put the consent into the log."""
        run, now = turn.run, turn.now
        if turn.arrived or run.awaits:
            outcome = super().take(turn)
            return Go(self.then, now, "then") if isinstance(outcome, Go) else outcome
        if ASKED not in run.event:
            refused = self._ask(turn)
            if refused is not None:
                return refused
        until = turn.since + self.within
        if turn.since <= when(self.awaited, turn.person.view.cells, run) <= until:
            return super().take(turn)
        return Go(self.otherwise, now, "else") if until <= now else Rest(until)

    def said(self, turn: Turn) -> Said:
        """State what the person has confirmed."""
        properties = {"purpose": self.purpose, "channel": self.what.channels[0], "granted": True}
        return Said("consent_updated", properties, {}, {self.kind: turn.run.event[ASKED]})

    def _ask(self, turn: Turn) -> Outcome | None:
        """Send the question; return where the run goes if there is nothing to ask."""
        trigger, channel = turn.trigger, self.what.channels[0]
        known = turn.subject.addresses.get(self.kind)
        if known is not None and turn.subject.consent(self.purpose, channel):
            return Go(self.then, way="then")
        claimed = trait(turn.person.view.traits, self.kind)  # in normal form since the door
        address = known or (claimed if isinstance(claimed, str) else "")
        if trigger.status == "paused":
            return Rest(turn.now + MINUTE, "paused")
        reason = turn.subject.lost.get(named(self.kind, address))
        if not address or reason:
            why = (
                ("suppressed", f"{self.kind}: {reason}")
                if reason
                else ("no_address", f"no {self.kind}")
            )
            turn.work.explain(turn.person.id, trigger.name, "refused", *why)
            return Go(self.otherwise, way="else")
        if not acts(turn):
            return Go(self.otherwise, way="else")
        turn.run.event = {**turn.run.event, ASKED: address}
        sending.send(turn, self.at, self.what, Send(channel, address), {"opt_in": self.purpose})
        return None


def build(building: Building, place: Place, written: Shape) -> Step:
    """Build it with the steps within."""
    options, path = written.opt_in, (*place.path, "opt_in")
    context, document = building.context, building.document
    context.known_purpose(document, (*path, "purpose"), options.purpose)
    kind = context.addresses.get(options.channel)
    if options.channel in context.addresses and kind not in kinds():
        building.say((*path, "channel"), f"nobody can claim an address of {options.channel}")
    within = 0
    try:
        within = duration(options.within)
    except ValueError as error:
        building.say((*path, "within"), str(error))
    question = SendOptions(
        channels=[options.channel], template=options.template, purpose=TRANSACTIONAL_PURPOSE
    )
    what = send_step(
        context,
        document,
        path,
        question,
        building.deliver,
        offered=building.offered,
        has_item=building.scope.has_item,
        asks=True,
    )
    building.sends.append(what)
    return OptIn(
        at=place.at,
        next=place.next,
        wakes=(OPT_IN_CONFIRMED,),
        what=what,
        kind=kind or "",
        purpose=options.purpose,
        within=within,
        awaited=receipts_of(context, [OPT_IN_CONFIRMED]),
        then=building.block(options.then, place._replace(path=path).within("then")),
        otherwise=building.block(options.else_, place._replace(path=path).within("else")),
    )
