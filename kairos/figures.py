"""The figures: what the ledger counts, what the delivery ledgers hold, how fast it went."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
import orjson
import redis

from channels.delivery.beside import summary
from channels.delivery.ledger import SlotUnusableError
from kairos.settings import Settings
from profile_state.stores.base import LedgerLostError
from profile_state.stores.redis import RedisStore, unpack_history, unpack_paused
from triggers.signs import is_ours

Deliveries = dict[str, dict[str, int]]  # channel -> outcome -> how many
OPEN = ("pending", "intent")  # states of a delivery that are not final


# What becomes of an event that is no dead letter; one that is too old changed traits alone.
ACCOUNTED = ("applied", "duplicate", "too_old")


class FiguresError(Exception):
    """The figures cannot be read now; the message says why."""


class Decisions(msgspec.Struct):
    """What became of one trigger's occurrences."""

    entered: int = 0
    sent: dict[str, int] = {}  # by channel; the others by reason
    held: dict[str, int] = {}
    refused: dict[str, int] = {}
    ignored: dict[str, int] = {}
    ended: dict[str, int] = {}
    failed: dict[str, int] = {}
    waits: dict[str, int] = {}  # by the step's place
    went: dict[str, int] = {}  # the same, and the way
    tried: dict[str, int] = {}  # trials of the goal, by side of the hold-out
    goal: dict[str, int] = {}  # those that came to it
    arms: dict[
        str, dict[str, int]
    ] = {}  # of splits, by "PLACE NAME": see `triggers.bandit.counted`
    paused: str = ""  # what it raised last, where it failed too often to go on
    warming: str = ""  # how far what it looks back at is known, where it is not


class Figures(msgspec.Struct, frozen=True):
    """One reading, over the whole life of the data folder."""

    counts: dict[str, int] = {}
    dead: int = 0
    deliveries: Deliveries = {}
    latency_ms: dict[str, float] = {}  # p50, p99 since the worker started; empty before the first
    stored: int = -1  # the log's entry up to which the counts are complete
    paused: dict[str, str] = {}  # trigger that failed too often -> what it raised last, and where
    warming: dict[str, str] = {}  # trigger that looks back at what is not known -> how far it is

    @property
    def settled(self) -> int:
        """Events that were sent to us and of which it is known what became of them."""
        found = sum(self.counts.get(name, 0) for name in ACCOUNTED) + self.dead
        return found - self.counts.get("own", 0) - self.counts.get("own_duplicate", 0)

    @property
    def applied(self) -> int:
        """Events that were sent to us and are applied; what triggers and workers say is not among them."""
        return self.counts.get("applied", 0) - self.counts.get("own", 0)

    @property
    def decided(self) -> int:
        """Activations that were decided."""
        return sum(n for name, n in self.counts.items() if name.startswith("sent:"))

    @property
    def delivered(self) -> int:
        """Activations that have a final outcome."""
        return sum(
            n
            for outcomes in self.deliveries.values()
            for outcome, n in outcomes.items()
            if outcome not in OPEN
        )

    def missing(self, newest: int) -> str:
        """Say what is not done yet of a log that ends with entry `newest`; "" if nothing is.

        >>> Figures({"sent:hi:email": 1}, stored=7).missing(7)
        '1 activations were decided, 0 have an outcome'
        """
        if self.stored < newest:
            return f"the live flow has stored its work up to {self.stored}, the log is at {newest}"
        if self.delivered != self.decided:
            return f"{self.decided} activations were decided, {self.delivered} have an outcome"
        return ""

    def since(self, base: "Figures") -> "Figures":
        """Return what has come since another reading.

        >>> Figures({"applied": 5}, dead=2).since(Figures({"applied": 3}, dead=2)).counts
        {'applied': 2}
        """
        deliveries = {
            channel: _difference(outcomes, base.deliveries.get(channel, {}))
            for channel, outcomes in self.deliveries.items()
        }
        return msgspec.structs.replace(
            self,
            counts=_difference(self.counts, base.counts),
            dead=self.dead - base.dead,
            deliveries=deliveries,
        )

    def triggers(self) -> dict[str, Decisions]:
        """Sort the counts by trigger.

        >>> found = Figures({"entered:hi": 3, "sent:hi:email": 2, "held:hi:cap": 1}).triggers()
        >>> found["hi"].entered, found["hi"].sent, found["hi"].held
        (3, {'email': 2}, {'cap': 1})
        """
        found: dict[str, Decisions] = {}
        for name, n in sorted(self.counts.items()):
            outcome, _, rest = name.partition(":")
            if outcome == "arm" and n:
                trigger, place, arm, what = rest.rsplit(":", 3)
                arms = found.setdefault(trigger, Decisions()).arms
                arms.setdefault(f"{place} {arm}", {})[what] = n
            if outcome not in Decisions.__struct_fields__ or not n:
                continue
            trigger, _, reason = rest.partition(":")
            decisions = found.setdefault(trigger, Decisions())
            if outcome == "entered":
                decisions.entered += n
            else:
                getattr(decisions, outcome)[reason] = n
        for trigger, reason in self.paused.items():
            found.setdefault(trigger, Decisions()).paused = reason
        for trigger, said in self.warming.items():
            found.setdefault(trigger, Decisions()).warming = said
        return found

    def segments(self) -> dict[str, int]:
        """Return how many people are in each segment."""
        return {
            name.removeprefix("segment:"): n
            for name, n in sorted(self.counts.items())
            if name.startswith("segment:") and not is_ours(name.removeprefix("segment:"))
        }


class Gauge:
    """Reads the figures of a running stack, which serves one partition.

    Args:
        settings: of the stack.
    """

    def __init__(self, settings: Settings) -> None:
        self._ledger = redis.Redis.from_url(settings.ledger)
        self._store = RedisStore(settings.ledger)
        self._deliveries = settings.deliveries
        self._status = settings.status

    def read(self) -> Figures:
        """Read everything; blocks for some milliseconds.

        Raises:
            FiguresError: the ledger is away, as while it starts again.
        """
        try:
            pipe = self._ledger.pipeline(transaction=True)  # or the counts might pass the mark
            pipe.hgetall("counts:{p0}")
            pipe.hlen("dead:{p0}")
            pipe.hmget("mark:{p0}", "entry", "paused", "history")
            counts, dead, (stored, paused, history) = pipe.execute()
            warming = self._warming() if unpack_history(history).gaps else {}
            deliveries = summary(self._deliveries)
        except (redis.RedisError, LedgerLostError, SlotUnusableError) as error:
            raise FiguresError(str(error)) from error
        return Figures(
            counts={name.decode(): int(n) for name, n in counts.items()},
            dead=dead,
            deliveries=deliveries,
            latency_ms=self._latency(),
            stored=int(stored) if stored is not None else -1,
            paused={said.trigger: said.reason for said in unpack_paused(paused)},
            warming=warming,
        )

    def _warming(self) -> dict[str, str]:
        # It reads a workspace, which whoever only looks on has no need of otherwise.
        from kairos.warming import told  # noqa: PLC0415

        return told(self._store.peek())

    def _latency(self) -> dict[str, float]:
        return cast("dict[str, float]", self._said("workers").get("latency_ms", {}))

    def _said(self, part: str) -> dict[str, Any]:
        path = (self._status or Path()) / f"{part}.json"
        try:
            return cast("dict[str, Any]", orjson.loads(path.read_bytes()))
        except FileNotFoundError:
            return {}  # the part is starting again

    def close(self) -> None:
        """Give back the connection."""
        self._ledger.close()
        self._store.close()


def _difference(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    return {name: n - before.get(name, 0) for name, n in now.items()}
