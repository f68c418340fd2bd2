"""Steps that tell another system something, such as a CRM: no message to the person.

So they ask for no consent and no quiet hours, and no cap counts them. The hold-out holds for them
as well: what a salesperson does is part of what a trigger does.
"""

from typing import Any

from triggers import sending
from triggers.arbitrate import Send
from triggers.definitions import SendStep
from triggers.emitting import acts
from triggers.goals import settled
from triggers.loading.building import Building
from triggers.local_time import MINUTE
from triggers.steps.base import Go, Outcome, Rest, Step, Turn
from triggers.templates import TemplateError, parse
from triggers.vouchers import HEAD as VOUCHER
from triggers.yaml import Path

ACTION = "action"  # the purpose of what is told to systems; no workspace has a rule for it


class Telling(Step, frozen=True):
    """A step that hands something to a channel for machines."""

    what: SendStep
    content: dict[str, str]  # texts, which may be Liquid

    def said(self, turn: Turn) -> dict[str, Any]:  # noqa: ARG002 - some depend on it
        """Return what is told beside the facts."""
        return dict(self.content)

    def take(self, turn: Turn) -> Outcome:
        """Tell it, unless the trigger only decides or the person is held out."""
        trigger = turn.trigger
        if trigger.status == "paused":
            return Rest(turn.now + MINUTE, "paused")
        if trigger.holdout and settled(
            turn.work, turn.person, turn.leaf, trigger.name, trigger.holdout
        ):
            turn.work.explain(turn.person.id, trigger.name, "refused", "holdout", trigger.name)
        elif acts(turn):
            sending.send(
                turn, self.at, self.what, Send(self.what.channels[0], None), self.said(turn)
            )
        return Go(self.next, turn.now if turn.again else None)


def telling(
    building: Building, channel: str, path: Path, fields: list[str], content: dict[str, str]
) -> SendStep:
    """Check what a system is told, and work out which facts it carries.

    Args:
        building: of the trigger.
        channel: of the system.
        path: of the step.
        fields: traits and scores.
        content: texts, which may be Liquid.
    """
    building.context.known_channel(building.document, path, channel)
    read = set(fields)
    for name, text in content.items():
        try:
            template = parse("", text)
        except TemplateError as error:
            building.say((*path, name), error.message)
            continue
        read |= template.variables()
        for link in sorted(template.links):
            building.say((*path, name), f"{link} is a link of messages, and a system is told none")
        if template.vouchers:
            building.say((*path, name), f"a {VOUCHER} is for messages to people; leave it out")
    scores, others = building.context.scores_in(read)
    return SendStep(
        channels=(channel,),
        template=None,
        purpose=ACTION,
        require=(),
        every=False,
        facts=tuple(sorted({n.split(".")[0] for n in others} - {"event", "item"})),
        scores=tuple(sorted(scores)),
        event_facts=None,
        offer=None,
    )
