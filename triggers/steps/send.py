"""Send a message, through the one decision point."""

import msgspec

from events.record import DELIVERY_FAILED, TRANSACTIONAL_PURPOSE
from triggers import sending
from triggers.arbitrate import (
    Hold,
    Refuse,
    Send,
    Verdict,
    arbitrate,
    awake_at,
    experiments,
    quiet_of,
    valid_until,
)
from triggers.awaited import NOTHING, Awaited, when
from triggers.definitions import TRANSACTIONAL, SendStep
from triggers.goals import settled
from triggers.loading.awaiting import receipts_of
from triggers.loading.building import Building, Place
from triggers.loading.sends import send_step
from triggers.offers import chosen, given, held, remembering
from triggers.schema import Send as Options
from triggers.schema import Strict
from triggers.sending import forget
from triggers.steps.base import Go, Leave, Outcome, Rest, Step, Turn

SIGNATURE = "send: {channels: [CHANNEL, ...], template: NAME, ...}"
EXAMPLE = "- send: {channels: [whatsapp, email], template: welcome}"


class Shape(Strict):
    """`send`."""

    send: Options


class SendOn(Step, frozen=True):
    """See the module."""

    what: SendStep
    failed: Awaited  # word of channels that failed; NOTHING where there is nowhere else to go

    def take(self, turn: Turn) -> Outcome:
        """Decide now; who is held is asked again when that may have changed."""
        trigger, run, step = turn.trigger, turn.run, self.what
        if run.tried:
            return self._elsewhere(turn)
        recheck = turn.again and trigger.recheck and trigger.status != "paused"
        if recheck and not turn.guarded():
            return Leave("refused", "condition")
        if run.until is None:
            run.until = valid_until(trigger, turn.now, turn.workspace, turn.subject.timezone)
        offer = held(run.event)
        if step.offer is not None:
            offer = given(run.event)  # what went out on one channel, the others get too
            if offer is None:
                cause = turn.cause(self.at)
                offer = chosen(turn.workspace, turn.person, step.offer, turn.now, cause)
            if offer is None:
                turn.work.explain(turn.person.id, trigger.name, "refused", "no_offer", self.at)
                run.until, run.done = None, []
                return Go(self.next, turn.now if turn.again else None)
        rest: Rest | None = None
        went_out = False
        for channel, verdict in arbitrate(
            trigger, step, turn.subject, turn.workspace, turn.now, run.until
        ):
            if channel in run.done:
                continue
            _settle_arms(turn, step, verdict)
            match verdict:
                case Hold(until=until, reason=reason):
                    rest = Rest(until, reason) if rest is None or until < rest.until else rest
                    continue
                case Refuse(reason=reason, detail=detail):
                    turn.work.explain(turn.person.id, trigger.name, "refused", reason, detail)
                case Send() if (better := self._better(turn)) is not None:
                    rest = Rest(better, "best_time") if rest is None else rest
                    continue
                case Send():
                    sending.send(turn, self.at, step, verdict, offer=offer)
                    went_out = True
            run.done = [*run.done, channel]
        if rest is not None:
            if step.offer is not None and went_out:
                run.event = remembering(run.event, offer)
            return rest
        if step.offer is not None:
            run.event = remembering(run.event, None)
        run.until, run.done = None, []
        return Go(self.next, turn.now if turn.again else None)

    def _elsewhere(self, turn: Turn) -> Outcome:
        """Send on the channels behind those that failed, once there is word of it."""
        run, now = turn.run, turn.now
        if run.messages and when(self.failed, turn.person.view.cells, run) < 0:
            return Rest(run.due) if now < run.due else Go("")
        if run.messages:
            forget(turn, run.messages[-1])
            run.messages = []
        left = tuple(c for c in self.what.channels if c not in run.tried)
        step = msgspec.structs.replace(self.what, channels=left)
        verdicts = arbitrate(turn.trigger, step, turn.subject, turn.workspace, now, run.until)
        match verdicts[0][1]:
            case Hold(until=until, reason=reason):
                return Rest(until, reason)
            case Refuse(reason=reason, detail=detail):
                turn.work.explain(turn.person.id, turn.trigger.name, "refused", reason, detail)
            case Send() as verdict:
                sending.send(turn, self.at, self.what, verdict, offer=held(run.event))
                if verdict.channel in run.tried:
                    return Rest(run.due)
        return Go("")

    def _better(self, turn: Turn) -> int | None:
        """Return a better instant to send that is still to come, ms; None for now."""
        trigger, workspace = turn.trigger, turn.workspace
        if trigger.best_time is None or self.what.purpose == TRANSACTIONAL_PURPOSE:
            return None
        until = turn.since + trigger.best_time
        if turn.run.until is not None:
            until = min(until, turn.run.until)
        rule = workspace.purposes.get(self.what.purpose, TRANSACTIONAL)
        quiet = quiet_of(trigger, rule, workspace)
        instant = turn.best_instant(until, lambda at: awake_at(at, quiet, turn.zone) == at)
        return instant if instant > turn.now else None


def _settle_arms(turn: Turn, step: SendStep, verdict: Verdict) -> None:
    """Remember for ever whether the person is held out, as soon as it mattered."""
    if isinstance(verdict, Hold) or (
        isinstance(verdict, Refuse) and verdict.reason not in ("holdout", "control_group")
    ):
        return
    rule = turn.workspace.purposes.get(step.purpose, TRANSACTIONAL)
    for name, share, _ in experiments(turn.trigger, step, rule):
        turn.subject.arms[name] = settled(turn.work, turn.person, turn.leaf, name, share)


def build(building: Building, place: Place, written: Shape) -> Step:
    """Build it."""
    what = send_step(
        building.context,
        building.document,
        (*place.path, "send"),
        written.send,
        building.deliver,
        offered=building.offered,
        has_item=building.scope.has_item,
    )
    building.sends.append(what)
    elsewhere = building.deliver.on_error == sending.NEXT_CHANNEL and len(what.channels) > 1
    failed = receipts_of(building.context, [DELIVERY_FAILED]) if elsewhere else NOTHING
    return SendOn(at=place.at, next=place.next, wakes=failed.events, what=what, failed=failed)
