"""`tests` of triggers: read, and checked against what the workspace knows."""

from collections.abc import Iterator, Sequence
from typing import Any

from events.addresses.base import kinds
from events.rejected import RefusedError
from events.values import typed
from triggers import schema
from triggers.cases import REFUSED, Banded, Case, Given, Line, Refusal, Sends
from triggers.definitions import SendStep, Trigger
from triggers.loading.context import Context
from triggers.loading.lines import Lines, fields, moment
from triggers.local_time import zones
from triggers.schema import TriggerFile
from triggers.steps.split import Split
from triggers.words import nearest
from triggers.yaml import Document, Path

ALLOWED, DENIED = "allowed", "denied"  # on every channel


def cases(
    context: Context, found: Sequence[tuple[Document, TriggerFile]], made: Sequence[Trigger]
) -> dict[str, tuple[Case, ...]]:
    """Read the tests of triggers, by the trigger's name.

    Args:
        context: of the workspace; segments, purposes, scores and offers are known.
        found: the triggers' files.
        made: what they were compiled into, in the same order.
    """
    read: dict[str, tuple[Case, ...]] = {}
    for (document, file), trigger in zip(found, made, strict=True):
        names: set[str] = set()
        for nth, case in enumerate(file.tests):
            if case.name in names:
                message = f"a test of this trigger is called {case.name!r} already"
                context.say(document, ("tests", nth, "name"), message)
            names.add(case.name)
        if file.tests:
            reading = _Reading(context, document, trigger)
            read[trigger.name] = tuple(reading.case(n, c) for n, c in enumerate(file.tests))
    return read


class _Reading:
    """Reads the tests of one trigger."""

    def __init__(self, context: Context, document: Document, trigger: Trigger) -> None:
        self._context = context
        self._document = document
        self._trigger = trigger
        steps = trigger.program.values()
        sends = [s for step in steps if isinstance(s := getattr(step, "what", None), SendStep)]
        self._templates = {send.template for send in sends if send.template is not None}
        self._channels = {channel for send in sends for channel in send.channels}
        self._arms = {arm.name for step in steps if isinstance(step, Split) for arm in step.arms}

    def case(self, nth: int, written: schema.Case) -> Case:
        """Read one test; what is wrong with it goes into the context's problems."""
        path: Path = ("tests", nth)
        given = written.given
        lines = Lines(self._context, self._document, self._templates)
        lines.add(given.history, (*path, "given", "history"), past=True)
        lines.add(written.events, (*path, "events"), past=False)
        history, events = lines.in_order()
        sends, refusals = self._expected(written.expect, (*path, "expect"))
        return Case(
            name=written.name,
            given=self._given(given, (*path, "given"), history),
            lines=events,
            sends=sends,
            refusals=refusals,
        )

    def _say(self, path: Path, message: str, shift: int = 0) -> None:
        self._context.say(self._document, path, message, shift)

    # What is given.

    def _given(self, given: schema.Given, path: Path, history: tuple[Line, ...]) -> Given:
        context, document = self._context, self._document
        traits: dict[str, Any] = {}
        try:
            traits = fields(given.traits)
        except RefusedError as refusal:
            self._say((*path, "traits"), refusal.reason)
        zone = traits.get("timezone")
        if zone is not None and str(zone) not in zones():
            hint = nearest(str(zone), zones())
            self._say((*path, "traits", "timezone"), f"unknown time zone {zone!r}.{hint}")
        for nth, segment in enumerate(given.segments):
            context.known_segment(document, (*path, "segments", nth), segment)
        for nth, arm in enumerate(given.arms):
            context.known(document, (*path, "arms", nth), "arm", arm, self._arms)
        if given.held_out and not self._trigger.holdout:
            message = "this trigger has no `holdout`, so nobody is held out of it"
            self._say((*path, "held_out"), message)
        return Given(
            traits=traits,
            addresses=self._addresses(given.addresses, (*path, "addresses")),
            consent=tuple(self._consent(given, (*path, "consent"))),
            scores=self._scores(given.scores, (*path, "scores")),
            segments=tuple(given.segments),
            history=history,
            held_out=given.held_out,
            arms=frozenset(given.arms),
        )

    def _addresses(self, written: dict[str, str], path: Path) -> dict[str, str]:
        found: dict[str, str] = {}
        known = kinds()
        for channel, text in written.items():
            at = (*path, channel)
            if not self._context.known_channel(self._document, (*at, ""), channel):
                continue
            kind = self._context.addresses[channel]
            if kind is None:
                self._say((*at, ""), f"{channel} needs no address")
            elif kind not in known:
                self._say((*at, ""), f"no server can vouch for a {kind} yet, so {channel} has none")
            elif not (address := known[kind](text)):
                self._say(at, f"an address of the kind {kind} was expected, found {text!r}")
            elif found.setdefault(kind, address) != address:
                message = f"the person has one {kind}, and another channel says {found[kind]}"
                self._say(at, message)
        return found

    def _consent(self, given: schema.Given, path: Path) -> Iterator[tuple[str, str, bool]]:
        for purpose, said in given.consent.items():
            at = (*path, purpose)
            self._context.known_purpose(self._document, (*at, ""), purpose)
            if isinstance(said, str):
                if said not in (ALLOWED, DENIED):
                    hint = nearest(said, (ALLOWED, DENIED))
                    message = f"`{ALLOWED}`, `{DENIED}` or a list of channels was expected"
                    self._say(at, f"{message}, found {said!r}.{hint}")
                yield purpose, "", said == ALLOWED
                continue
            for nth, channel in enumerate(said):
                self._context.known_channel(self._document, (*at, nth), channel)
                yield purpose, channel, True

    def _scores(self, written: dict[str, str | list[str]], path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for score, text in written.items():
            words = self._context.bands.get(score, {})
            if not self._context.is_score(score):
                message = f"{score!r} is no score; one without bands is written score.{score}"
                self._say((*path, score, ""), message)
            if isinstance(text, list):
                found[score] = [typed(one) for one in text]
                continue
            value = Banded(text) if text in words else typed(text)
            if words and isinstance(value, str):
                known = ", ".join(sorted(words))
                message = f"a number or a band was expected, found {text!r}.{nearest(text, words)}"
                self._say((*path, score), f"{message} Known: {known}")
            found[score] = value
        return found

    # What must come of it.

    def _expected(
        self, written: list[schema.Expect] | schema.Expect, path: Path
    ) -> tuple[tuple[Sends, ...], tuple[Refusal, ...]]:
        sends: list[Sends] = []
        refusals: list[Refusal] = []
        several = isinstance(written, list)
        every = written if isinstance(written, list) else [written]
        for nth, one in enumerate(every):
            at = (*path, nth) if several else path
            forms = [name for name in ("send", "refused", "nothing") if getattr(one, name)]
            if len(forms) != 1:
                found = " and ".join(forms) or "none of them"
                message = f"`send: CHANNEL`, `refused: REASON` or `nothing: true` was expected, found {found}"
                self._say(at, message)
                continue
            if one.times < 1:
                message = f"`times: 1` or more was expected, found {one.times}; what is not listed is not sent"
                self._say((*at, "times"), message)
            for word in ("at", "template"):
                if getattr(one, word) is not None and one.send is None:
                    self._say((*at, word, ""), f"`{word}` goes with `send`, not with {forms[0]}")
            if one.send is not None:
                sends.append(self._sends(one, one.send, at))
            if one.refused is not None:
                self._context.known(
                    self._document, (*at, "refused"), "refusal", one.refused, REFUSED
                )
                refusals.append(Refusal(one.refused, one.times))
        if not every:
            self._say(path, "what must come of it? `nothing: true` says that nothing is sent")
        if sends and any(one.nothing for one in every):
            self._say(path, "`nothing: true` stands beside a send; take one of them out")
        return tuple(sends), tuple(refusals)

    def _sends(self, one: schema.Expect, channel: str, path: Path) -> Sends:
        context, document = self._context, self._document
        at = (*path, "send")
        if context.known_channel(document, at, channel) and channel not in self._channels:
            known = ", ".join(sorted(self._channels)) or "nothing"
            self._say(at, f"this trigger sends nothing on {channel}. Its channels: {known}")
        if one.template is not None:
            context.known(document, (*path, "template"), "template", one.template, self._templates)
        instant = context.rule(moment, one.at, document, (*path, "at"))
        return Sends(channel, one.template, instant, one.times)
