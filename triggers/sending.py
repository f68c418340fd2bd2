"""From a decided send to an activation, and to what caps and re-entry remember of it."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from profile_state.leaf import NEVER, RUNS, Sent
from profile_state.person import Person
from triggers.activation import Activation, activation_id
from triggers.arbitrate import Send
from triggers.catalog import ITEM
from triggers.definitions import SendStep, Trigger
from triggers.goals import note_message
from triggers.modelled import score_of
from triggers.offers import Chosen
from triggers.receipts import prune
from triggers.recommended import RECOMMENDED
from triggers.recommended import items as recommended_items
from triggers.signs import BESIDE
from triggers.steps.base import Turn

OFFER = "offer"  # what templates call it
NEXT_CHANNEL = "next_channel"
PATIENCE = 86_400_000  # ms; for which word of a failure is waited for, where a send has no end
KEPT = 10  # messages of a leaf that are remembered also where no cap counts them


def send(
    turn: Turn,
    at: str,
    step: SendStep,
    verdict: Send,
    content: dict[str, Any] | None = None,
    offer: Chosen | None = None,
) -> None:
    """Put out an activation; a trigger in shadow only says that it would.

    Args:
        turn: whose.
        at: place of the step, of which the activation's id is made.
        step: what is sent.
        verdict: where to.
        content: what a system is told beside the facts.
        offer: that the message speaks of.
    """
    trigger, leaf, run, now = turn.trigger, turn.leaf, turn.run, turn.now
    if trigger.status == "shadow":
        turn.work.explain(turn.person.id, trigger.name, "shadow")
        return
    activation = Activation(
        id=activation_id(trigger.name, at, run.entry, 0, verdict.channel),
        trigger=trigger.name,
        version=trigger.workspace or turn.workspace.hash,
        step=at,
        channel=verdict.channel,
        purpose=step.purpose,
        template=step.template,
        person=turn.person.id,
        leaf=leaf.key,
        address=verdict.address,
        facts=_facts(turn, step) | ({} if offer is None else {OFFER: offer.said}),
        event=_event_facts(run.event, step),
        decided=now,
        valid_until=run.until,
        accepted_us=turn.accepted_us,
        tell=_may_go_elsewhere(trigger, step, verdict.channel),
        content=content or {},
        drawn=None if offer is None else offer.drawn,
    )
    sent = Sent(now, verdict.channel, step.purpose, trigger.name, activation.id)
    floor = now - turn.workspace.longest_cap
    old = len(leaf.sent) - KEPT
    leaf.sent = [s for nth, s in enumerate(leaf.sent) if s.time > floor or nth > old] + [sent]
    prune(leaf)
    turn.subject.sent.append(sent)
    for one in leaf.runs if run.tried else (run,):
        if (one.trigger, one.entry) == (run.trigger, run.entry) and (one is run or not one.tried):
            one.messages = [*one.messages, activation.id]
    if leaf.trials:
        note_message(leaf, run, activation.id)
    if activation.tell:
        _watch(turn, at, activation, offer)
    turn.work.activations.append(activation)
    turn.work.explain(turn.person.id, trigger.name, "sent", verdict.channel, _given(offer))


def _given(offer: Chosen | None) -> str:
    """Say which offer it is, and how likely it was to be drawn."""
    if offer is None:
        return ""
    if offer.drawn is None:
        return f"offer {offer.name}"
    return f"offer {offer.name}, drawn with probability {offer.drawn['probability']:.2f}"


def _may_go_elsewhere(trigger: Trigger, step: SendStep, channel: str) -> bool:
    """Say whether a send goes to another channel if this one fails."""
    behind = step.channels[step.channels.index(channel) + 1 :]
    return trigger.on_error == NEXT_CHANNEL and not step.every and bool(behind)


def _watch(turn: Turn, at: str, activation: Activation, offer: Chosen | None) -> None:
    """Have a run beside wait for word that the channel failed, while this one goes on."""
    run, leaf = turn.run, turn.leaf
    until = run.until if run.until is not None else turn.now + PATIENCE
    if run.tried:
        run.tried, run.due = [*run.tried, activation.channel], until
    elif len(leaf.runs) < RUNS:
        watching = msgspec.structs.replace(
            run,
            step=at,
            beside=True,
            tried=[activation.channel],
            messages=[activation.id],
            event=run.event if offer is None else {**run.event, **offer.beside},
            due=until,
            until=until,
            done=[],
            look=NEVER,
        )
        leaf.runs.append(watching)


def facts_of(
    person: Person,
    names: Iterable[str],
    scores: Iterable[str],
    score: Callable[[str], Any],
) -> dict[str, Any]:
    """Return what a template is filled with of a person.

    Args:
        person: with the catalogue of their partition.
        names: of traits.
        scores: paths, such as `rfm.monetary`.
        score: returns one, None for none.
    """
    traits = person.view.traits
    facts = {name: traits[name][2] for name in names if name in traits}
    for path in scores:
        if path == RECOMMENDED:
            facts[path] = recommended_items(person, score(path))
            continue
        value = score(path)
        if value is not None:
            group, dot, name = path.partition(".")
            facts[group] = {**facts.get(group, {}), name: value} if dot else value
    return facts


def _facts(turn: Turn, step: SendStep) -> dict[str, Any]:
    person = turn.person

    def score(path: str) -> Any:
        return score_of(turn.workspace, person, person.learnt, path, turn.now)

    facts = facts_of(person, step.facts, step.scores, score)
    if ITEM in turn.run.event:
        facts["item"] = turn.run.event[ITEM]
    return facts


def _event_facts(properties: dict[str, Any], step: SendStep) -> dict[str, Any]:
    if step.event_facts is None:
        return {name: value for name, value in properties.items() if name[:1] != BESIDE}
    return {name: properties[name] for name in step.event_facts if name in properties}


def forget(turn: Turn, activation: str) -> None:
    """Let no cap count a message that failed."""
    for leaf in turn.person.leaves.values():
        left = [sent for sent in leaf.sent if sent.activation != activation]
        if len(left) < len(leaf.sent):
            leaf.sent, turn.person.whole = left, True
            prune(leaf)
    turn.subject.sent[:] = [sent for sent in turn.subject.sent if sent.activation != activation]
