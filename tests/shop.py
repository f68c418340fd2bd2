"""A shop for tests: people do things at given times, the real engine decides, and tests ask what came of it."""

import hashlib
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from events import record
from events.limits import Limits
from events.record import CLAIMED, VERIFIED, Erase, Event, Join, Offset
from events.scores import stated
from events.sources.memory import MemoryLog
from events.values import Check
from flows.bounds import Bounds
from flows.engine import Engine
from flows.warming import Warmed, warm
from profile_state import hashes
from profile_state.copies.disk import Disk
from profile_state.person import Person
from profile_state.stored import pack, unpack
from profile_state.stores.memory import MemoryStore, Shelf
from triggers import activation
from triggers.activation import Activation
from triggers.past import MOST

ADDRESSES: dict[str, str | None] = {
    "email": "email",
    "sms": "phone",
    "whatsapp": "phone",
    "push": "push_token",
    "web": "anonymous_id",
    "hubspot": None,
    "salesforce": None,
    "webhook": None,
    "log": None,
}
MONDAY = datetime(2026, 3, 2, tzinfo=ZoneInfo("Europe/Berlin"))
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
WRITTEN = 6 * SECOND  # after which an engine has written everything behind


def at(text: str, day: int = 0) -> int:
    """Return ms of a local time on Monday 2 March 2026, or `day` days later."""
    hours, minutes = text.split(":")
    return int(MONDAY.timestamp() * 1000) + day * DAY + int(hours) * HOUR + int(minutes) * MINUTE


def an_event(
    name: str,
    *,
    user: str | None = None,
    anon: str | None = None,
    email: str | None = None,
    time: int,
    message_id: str,
    trust: int = CLAIMED,
    traits: dict[str, Any] | None = None,
    context: dict[str, Any] | None = None,
    import_id: str = "",
    scores: dict[str, Any] | None = None,
    **properties: Any,
) -> Event:
    """Build an event as the collector would."""
    ids = [
        f"{kind}:{v}"
        for kind, v in (("user_id", user), ("anonymous_id", anon), ("email", email))
        if v
    ]
    if scores is not None:
        traits = stated(scores, Check(Limits()))
    content = msgspec.msgpack.encode((name, ids, properties, traits))
    return Event(
        message_id=message_id,
        source="web",
        trust=trust,
        kind="scores" if scores is not None else "identify" if name == "identify" else "track",
        name=name,
        leaf=ids[0],
        ids=tuple(ids),
        time=time,
        accepted_us=time * 1000,
        key=hashlib.blake2b(f"web|{ids[0]}|{message_id}".encode(), digest_size=16).digest(),
        digest=hashlib.blake2b(content, digest_size=8).digest(),
        properties=properties,
        traits=traits or {},
        addresses={k: v for k, v in (traits or {}).items() if k in ("email", "phone")}
        if trust
        else {},
        context=context or {},
        import_id=import_id,
    )


WORKSPACE = """
workspace: test
timezone: Europe/Berlin
purposes: {marketing: {default: denied}, product: {default: allowed}, transactional: {default: allowed, caps: off, quiet_hours: off}}
"""


NO_COPIES = Bounds(copies=0)  # in memory, where there is a folder for them


def _content(person: Person) -> Any:
    """All of a person; the order of what is in a mapping says nothing."""
    return msgspec.msgpack.decode(pack(person)[5:])


class Shop:
    """The engine over a log and a ledger in memory, on a clock that the test moves."""

    def __init__(
        self,
        files: dict[str, str] | None = None,
        *,
        start: int | None = None,
        workspace: str = WORKSPACE,
        copies: Path | None = None,
        bounds: Bounds = NO_COPIES,
    ) -> None:
        """Open it.

        Args:
            files: of the workspace, beside workspace.yaml.
            start: ms; Monday at 10:00 where nothing is said.
            workspace: workspace.yaml.
            copies: a folder for first copies; None keeps them in memory.
            bounds: of the engine.
        """
        self.now = start if start is not None else at("10:00")
        self.files = {"workspace.yaml": workspace, **(files or {})}
        self.log = MemoryLog(clock=lambda: self.now)
        self.shelf = Shelf()
        self.copies, self.bounds = copies, bounds
        self._ids = count(1)
        self._compared: dict[str, Offset] = {}  # person -> as of when ledger and memory are alike
        self.explanations: list[tuple[int, str, str, str]] = []  # now, trigger, outcome, reason
        self.open()
        self.engine.adopt(self.files)
        self.run()

    def open(self) -> None:
        """Start an engine, as after a crash if there was one."""
        self.engine = Engine(
            self.log,
            self.writer(),
            ADDRESSES,
            clock=lambda: self.now,
            monotonic=lambda: self.now / 1000,
            older=None if self.copies is None else Disk(self.copies),
            bounds=self.bounds,
        )
        self.engine.recover()

    def writer(self) -> MemoryStore:
        """Return a new writer of the ledger."""
        return MemoryStore(self.shelf)

    def run(self) -> None:
        """Let the engine read all there is, ticks that come of it included."""
        while entries := self.engine.read():
            for work in self.engine.process(entries):
                self.explanations += [
                    (self.now, e.trigger, e.outcome, e.reason) for e in work.explanations
                ]
            self.engine.pump()
        self.engine.pump()
        if self.engine.position < self.log.last(0):
            self.run()
        elif self.engine.behind.idle:
            self.compare()

    def compare(self) -> None:
        """Whom differences were written of, the ledger has as memory has them."""
        state = self.engine.state
        slots = state.workspace.slots if state.workspace is not None else {}
        for person in state.people.values():
            if person.added and self._compared.get(person.id) != person.offset:
                self._compared[person.id] = person.offset
                stored = unpack(self.shelf.people[person.id], slots)
                assert _content(stored) == _content(person)

    def do(
        self, name: str, *, message_id: str | None = None, time: int | None = None, **rest: Any
    ) -> Event:
        """Something happens now (or `time` says when it did)."""
        event = an_event(
            name,
            message_id=message_id or f"m{next(self._ids)}",
            time=self.now if time is None else time,
            **rest,
        )
        self.say([event])
        return event

    def say(self, events: list[Any]) -> None:
        """Append records as one entry, and let the engine read them."""
        self.log.append(0, record.encode(events))
        self.run()

    def wait_until(self, instant: int) -> None:
        """Let time pass, in steps no longer than to the next instant that somebody is due.

        The last seconds pass one by one, in which everything is written behind.
        """
        while self.now < instant:
            due = self.engine.state.dues.next()
            ahead = instant - WRITTEN
            step = ahead if self.now < ahead else min(instant, self.now + SECOND)
            self.now = min(step, max(due, self.now + 100))
            self.engine.pump()
            self.run()

    def wait(self, ms: int) -> None:
        """Let `ms` pass."""
        self.wait_until(self.now + ms)

    def edit(self, **files: str) -> None:
        """The marketer changes files of the workspace, while everything goes on.

        Args:
            files: text by path, with `__` for `/`: `segments__warm="segment: warm ..."`.
        """
        self.edit_cold(**files)
        self.warm()

    def edit_cold(self, **files: str) -> None:
        """The same, and nobody reads the past for what these files ask for first."""
        self.files |= {f"{path.replace('__', '/')}.yaml": text for path, text in files.items()}
        self.engine.adopt(self.files)
        self.run()

    def warm(self, most: int = MOST) -> Warmed:
        """The past is read for what is warming; the clock stands meanwhile."""
        self._settle(0)
        warmed = warm(self.log, self.writer(), ADDRESSES, pause=self._settle, most=most)
        self.run()
        return warmed

    def _settle(self, _seconds: float) -> None:
        self.run()
        self.engine.drain()

    def join(self, one: str, other: str, *, cut: bool = False, time: int | None = None) -> Join:
        """An operator says that two identifiers are one person, or with `cut` that they are not."""
        said = Join(
            id=f"op{next(self._ids)}",
            time=self.now if time is None else time,
            one=one,
            other=other,
            cut=cut,
            by="operator",
            reason="",
        )
        self.say([said])
        return said

    def erase(self, identifier: str, key: bytes = b"k" * 16) -> Erase:
        """A privacy officer erases a person."""
        said = Erase(identifier, key, self.now, "officer", "")
        self.say([said])
        return said

    @property
    def facts(self) -> str:
        """The facts hash."""
        state = self.engine.state
        slots = state.workspace.slots if state.workspace is not None else {}
        return hashes.facts(state.people.values(), slots, state.now)

    def know(self, user: str, *, email: str | None = None, **traits: Any) -> None:
        """The shop's server identifies a user, with a verified address."""
        traits = {**({"email": email} if email else {}), **traits}
        self.do("identify", user=user, email=email, trust=VERIFIED, traits=traits)

    def score(self, user: str, **scores: Any) -> None:
        """A model of the shop's says something of a user."""
        self.do("scores_updated", user=user, trust=VERIFIED, scores=scores)

    def allow(
        self, user: str, purpose: str = "marketing", channel: str = "email", granted: bool = True
    ) -> None:
        """A user gives or takes back consent."""
        self.do("consent_updated", user=user, purpose=purpose, channel=channel, granted=granted)

    @property
    def sent(self) -> list[Activation]:
        """Every activation so far, each once, in order."""
        found: dict[str, Activation] = {}
        for entry in self.shelf.activations:
            for one in activation.decode(entry):
                found.setdefault(one.id, one)
        return list(found.values())

    def sent_by(self, trigger: str) -> list[Activation]:
        """The activations of one trigger."""
        return [a for a in self.sent if a.trigger == trigger]

    def person(self, identifier: str) -> Person:
        """Whom an identifier belongs to."""
        person = self.engine.state.find(identifier)
        assert person is not None, f"nobody is {identifier}"
        return person

    def count(self, name: str) -> int:
        """A counter of the ledger, after everything is written."""
        self.engine.drain()
        return self.shelf.counts[name]

    def refusals(self, trigger: str) -> list[str]:
        """Why a trigger's sends were refused, held or ignored."""
        return [
            f"{outcome}:{reason}"
            for _, name, outcome, reason in self.explanations
            if name == trigger
        ]
