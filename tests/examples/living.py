"""Lives a trigger's own test through the real engine, over a log in memory, and says what is wrong.

All that is given comes to the engine as records of the log: as an import, which counts and starts
nothing. What a record cannot say is chosen so that it is: a person whom hashes hold out or send one
way, a crowd among which somebody is in the top fifth.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any

from events import catalog
from events.arrival import Arrival
from events.parse import parse
from events.record import CLAIMED, OPT_IN_CONFIRMED, VERIFIED, Event, Learned
from events.scores import EVENT as SCORES_UPDATED
from profile_state.identity import person_id
from tests.shop import ADDRESSES, DAY, HOUR, MINUTE, SECOND, Shop
from triggers import yaml
from triggers.activation import Activation
from triggers.bandit import name_of
from triggers.cases import CATALOG, IDENTIFY, Banded, Case, Line, Moment, Sends
from triggers.definitions import Band, Trigger, Workspace
from triggers.goals import held_out
from triggers.load import load
from triggers.local_time import zone_of
from triggers.steps.call import CallOther
from triggers.steps.split import Split

LONGEST = 60 * DAY  # for which a test goes on while a run waits
CROWD = 99  # others, of whom each has another score
BROWSER = {"anonymousId": "a-browser-that-is-theirs"}
PAST = "given"  # the import in which a person's past comes


def live(
    files: Mapping[str, str], trigger: str, case: Case, items: dict[str, dict[str, Any]]
) -> list[str]:
    """Live one test.

    Args:
        files: of the workspace.
        trigger: whose test it is.
        case: the test.
        items: of the catalogue.

    Returns:
        What was expected and did not come, and what came and was not expected; nothing if all is well.
    """
    return _Life(files, trigger, case, items).problems()


class _Life:
    def __init__(
        self,
        files: Mapping[str, str],
        trigger: str,
        case: Case,
        items: dict[str, dict[str, Any]],
    ) -> None:
        self.case, self.name = case, trigger
        self.missing: list[str] = []  # messages of which a line tells that were not sent
        whole = load(files, ADDRESSES)
        self.zone = zone_of(case.given.traits.get("timezone"), whole.timezone)
        needed = {name: whole.named[name] for name in _called(whole, trigger)}
        self.user = _somebody(whole, needed, trigger, case)
        self.ids = count(1)
        first = min(
            (line.moment for line in (*case.lines, *case.given.history)), default=Moment(0, 0)
        )
        alone = _alone(files, set(needed), trigger, case.given.segments)
        self.shop = Shop(
            {path: text for path, text in alone.items() if path != "workspace.yaml"},
            workspace=alone["workspace.yaml"],
            start=min(first, Moment(0, 0)).at(self.zone) - HOUR,
        )
        if self.shop.engine.stock(items):
            self.shop.run()
        self._given(whole, needed[trigger])
        self.shop.wait(MINUTE)
        self._lines()
        self._rest()

    def _given(self, workspace: Workspace, trigger: Trigger) -> None:
        given = self.case.given
        inside = {_mark(segment): True for segment in given.segments}
        told = [
            self._event("identify", {"traits": {**given.traits}}, CLAIMED),
            # A server knows their browser, or nothing could be shown to them there.
            self._event("identify", {"traits": {**given.addresses, **inside}, **BROWSER}),
        ]
        for purpose, channel, granted in given.consent:
            said = {"purpose": purpose, "granted": granted} | (
                {"channel": channel} if channel else {}
            )
            told.append(self._event("track", {"event": "consent_updated", "properties": said}))
        for score, value in given.scores.items():
            band = workspace.bands[score][value.word] if isinstance(value, Banded) else None
            stated = value if band is None else _within(band)
            told.append(self._event("scores", {"scores": _nested(score, stated)}))
            if band is not None and band.op in ("top", "bottom"):
                told += self._crowd(score)
        self.shop.say(told)
        for at, split in _bandits(trigger):
            arm = _wanted(split, self.case.given.arms)
            weights = {one.name: float(one.name == arm) for one in split.arms}
            self.shop.say([Learned(name_of(trigger.name, at), weights)])

    def _crowd(self, score: str) -> Iterator[Event]:
        """Say the score of others, so that there are a top fifth and a bottom tenth."""
        for nth in range(CROWD):
            said = {"scores": _nested(score, 1.1**nth)}
            yield self._event("scores", said, user=f"other{nth}")

    def _lines(self) -> None:
        given = self.case.given
        lines = [(line, False) for line in self.case.lines] + [
            (line, True) for line in given.history
        ]
        for line, past in sorted(lines, key=lambda one: (one[0].moment, not one[1])):
            self.shop.wait_until(line.moment.at(self.zone))
            if line.event == CATALOG:
                body = json.dumps({"items": [line.properties]}).encode()
                self.shop.say(list(catalog.posted(body, self.shop.now)))
            else:
                self.shop.say([self._of(line, past=past)])

    def _of(self, line: Line, *, past: bool) -> Event:
        properties = line.properties
        if line.template:
            properties = {**properties, "message": self._message(line)}
        if line.event == IDENTIFY:
            return self._event("identify", {"traits": properties}, CLAIMED, past=past)
        if line.event == SCORES_UPDATED:
            return self._event("scores", {"scores": properties}, past=past)
        return self._event("track", {"event": line.event, "properties": properties}, past=past)

    def _message(self, line: Line) -> str:
        """Return the trigger's latest message from a template; of one that was not sent none is told."""
        channel, _, receipt = line.event.rpartition("_")
        for one in reversed(self.sent):
            if one.template == line.template and (
                channel == one.channel or line.event == OPT_IN_CONFIRMED
            ):
                return one.id
        self.missing.append(f"{line.template} had not been sent when it was {receipt}")
        return "none"

    def _event(
        self,
        kind: str,
        said: dict[str, Any],
        trust: int = VERIFIED,
        *,
        user: str = "",
        past: bool = True,
    ) -> Event:
        """Let something in through the door, as it would come from a browser or a server."""
        now = self.shop.now
        body = {
            "type": kind,
            "userId": user or self.user,
            "messageId": f"m{next(self.ids)}",
            "timestamp": datetime.fromtimestamp(now / 1000, UTC).isoformat(timespec="milliseconds"),
            **said,
        }
        arrival = Arrival("test", trust, now * 1000, import_id=PAST if past else "")
        event = parse(json.dumps(body).encode(), arrival)
        assert isinstance(event, Event), event
        return event

    def _rest(self) -> None:
        """Go on to the last instant that is expected, and then until no run waits."""
        shop = self.shop
        named = [one.moment.at(self.zone) for one in self.case.sends if one.moment is not None]
        shop.wait_until(max(shop.now, *named, 0) + MINUTE)
        limit = shop.now + LONGEST
        while any(True for _ in shop.person(f"user_id:{self.user}").runs()):
            due = shop.engine.state.dues.next()
            if due > limit:
                break
            shop.wait_until(max(due, shop.now) + SECOND)

    @property
    def sent(self) -> list[Activation]:
        """What the trigger sent to the person."""
        return [one for one in self.shop.sent_by(self.name) if one.leaf == f"user_id:{self.user}"]

    def problems(self) -> list[str]:
        """Compare what came with what was expected."""
        left, found = self.sent, self.missing.copy()
        exact_first = sorted(self.case.sends, key=lambda s: (s.moment is None, s.template is None))
        for wanted in exact_first:
            fitting = [one for one in left if self._fits(one, wanted)]
            if len(fitting) < wanted.times:
                found.append(f"expected {wanted.times} of {wanted}, found {len(fitting)}")
            left = [one for one in left if one not in fitting[: wanted.times]]
        found += [f"not expected: {self._in_words(one)}" for one in left]
        refusals = self.shop.refusals(self.name)
        for refusal in self.case.refusals:
            times = refusals.count(f"refused:{refusal.reason}")
            if times != refusal.times:
                found.append(f"expected {refusal}, found {times} among {refusals}")
        return found

    def _fits(self, one: Activation, wanted: Sends) -> bool:
        begin = None if wanted.moment is None else wanted.moment.at(self.zone)
        return (
            one.channel == wanted.channel
            and wanted.template in (None, one.template)
            and (begin is None or begin <= one.decided < begin + MINUTE)
        )

    def _in_words(self, one: Activation) -> str:
        decided = datetime.fromtimestamp(one.decided / 1000, self.zone)
        return f"{one.channel} {one.template} at {decided:%a %d %b %H:%M:%S}"


def _called(workspace: Workspace, trigger: str) -> set[str]:
    """Return the name of a trigger, and of those that it starts, over whatever way."""
    names, ahead = set(), [trigger]
    while ahead:
        name = ahead.pop()
        if name not in names:
            names.add(name)
            steps = workspace.named[name].program.values()
            ahead += [step.trigger for step in steps if isinstance(step, CallOther)]
    return names


def _alone(
    files: Mapping[str, str], needed: set[str], trigger: str, inside: tuple[str, ...]
) -> dict[str, str]:
    """Return the files with the triggers alone that are needed, live, and segments that are given.

    JSON is YAML: what was read is written anew.
    """
    found: dict[str, str] = {}
    for path, text in files.items():
        folder = path.partition("/")[0]
        said = yaml.read(path, text).content if folder in ("triggers", "segments") else {}
        if folder == "triggers":
            if said["trigger"] not in needed:
                continue
            said = {key: value for key, value in said.items() if key != "tests"}
            if said["trigger"] == trigger:
                said["status"] = "live"
        if folder == "segments" and said["segment"] in inside:
            said["if"] = f"{_mark(said['segment'])} = true"
        found[path] = json.dumps(said, ensure_ascii=False) if said else text
    return found


def _mark(segment: str) -> str:
    """Name the trait of who is given to be in a segment."""
    return f"given_{segment}"


def _somebody(workspace: Workspace, needed: Mapping[str, Trigger], trigger: str, case: Case) -> str:
    """Find somebody whom hashes hold out of nothing and send the ways that the test names."""
    for nth in count():
        user = f"ana{nth}"
        who = person_id(f"user_id:{user}")
        out = {
            name: held_out(who, name, one.holdout) if one.holdout else False
            for name, one in needed.items()
        }
        control = any(
            rule.control and held_out(who, f"control of {purpose}", rule.control)
            for purpose, rule in workspace.purposes.items()
        )
        ways = all(
            step.drawn(trigger, who, [arm.share for arm in step.arms]).name
            == _wanted(step, case.given.arms)
            for step in needed[trigger].program.values()
            if isinstance(step, Split) and not step.learns
        )
        if ways and not control and out == {n: n == trigger and case.given.held_out for n in out}:
            return user
    raise AssertionError("there is no end of people")


def _bandits(trigger: Trigger) -> Iterator[tuple[str, Split]]:
    for step in trigger.program.values():
        if isinstance(step, Split) and step.learns:
            yield step.at, step


def _wanted(split: Split, arms: frozenset[str]) -> str:
    return next((arm.name for arm in split.arms if arm.name in arms), split.arms[0].name)


def _within(band: Band) -> float:
    """Return a score in a band; for shares beside the crowd's, which are between 1 and 20,000."""
    match band.op:
        case "top":
            return 1e6
        case "bottom":
            return 0.01
        case ">":
            return band.than + 1
        case "<":
            return band.than - 1
    return band.than


def _nested(score: str, value: Any) -> dict[str, Any]:
    """Write a score as the API takes it.

    >>> _nested("rfm.monetary", 5), _nested("score.fit", 1)
    ({'rfm': {'monetary': 5}}, {'fit': 1})
    """
    head, dot, rest = score.removeprefix("score.").partition(".")
    return {head: {rest: value}} if dot else {head: value}
