"""What a run reports, and whether its books balance. Pure."""

from typing import Any

import msgspec

from kairos.demo.drive import Tally
from kairos.figures import Figures


class Arrived(msgspec.Struct, frozen=True):
    """Different messages that the outside world has, by channel, and those it has twice."""

    distinct: dict[str, int] = {}
    twice: dict[str, int] = {}
    repeated_here: int = 0  # second copies of what came first in this very run
    forged: int = 0


class Outcome(msgspec.Struct, frozen=True):
    """Everything that is known at the end of a run."""

    run: str
    seed: int
    data: str | None  # the folder, where it is kept
    seconds: float  # of driving
    tally: Tally
    base: Figures  # before the first event of this run
    total: Figures  # at the end
    arrived_before: Arrived
    arrived: Arrived
    restarts: dict[str, int]  # by part
    undrained: str = ""  # what the drain waited for in vain

    @property
    def here(self) -> Figures:
        """The figures of this run alone."""
        return self.total.since(self.base)


def problems(outcome: Outcome) -> list[str]:
    """Say in what the books do not balance; empty where they do."""
    tally, here, found = outcome.tally, outcome.here, []
    if outcome.undrained:
        return [f"not drained: {outcome.undrained}", *_doubled(outcome)]  # nothing can balance yet
    if not tally.taken <= here.settled <= tally.taken + tally.uncertain:
        found.append(
            f"{tally.taken} events were accepted, but {here.settled} are applied, duplicate or dead"
        )
    applied = here.applied
    if applied != tally.truth.distinct:
        found.append(f"{tally.truth.distinct} different events were sent, but {applied} applied")
    if outcome.total.decided != outcome.total.delivered:
        found.append(
            f"{outcome.total.decided} activations were decided, "
            f"but {outcome.total.delivered} have an outcome"
        )
    return found + _doubled(outcome) + _arrivals(outcome)


def _doubled(outcome: Outcome) -> list[str]:
    arrived, found = outcome.arrived, []
    if arrived.twice.get("email"):
        found.append(f"{arrived.twice['email']} mails arrived twice")
    if arrived.repeated_here and not any(outcome.restarts.values()):
        found.append(f"{arrived.repeated_here} messages arrived again though nothing was restarted")
    if arrived.forged:
        found.append(f"{arrived.forged} webhooks had a wrong signature")
    return found


def _arrivals(outcome: Outcome) -> list[str]:
    arrived, found = outcome.arrived, []
    for channel, outcomes in outcome.here.deliveries.items():
        if channel not in ("email", "webhook"):
            continue
        before = outcome.arrived_before.distinct.get(channel, 0)
        came = arrived.distinct.get(channel, 0) - before
        delivered, unknown = outcomes.get("delivered", 0), outcomes.get("unknown", 0)
        if not delivered <= came <= delivered + unknown:
            found.append(
                f"{channel}: {delivered} were delivered and {unknown} are unknown, but {came} arrived"
            )
    return found


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return the report for machines.

    `events_*`, `activations`, `decisions` and `deliveries` are this run's; `total` is the data
    folder's whole life. `events_accepted` is what the collector took into the log: the good
    events and those that it keeps as dead letters (`events_rejected` of them at the door).
    """
    tally, here, total = outcome.tally, outcome.here, outcome.total
    triggers = here.triggers()
    found = problems(outcome)
    return {
        "events_accepted": tally.taken,
        "events_rejected": tally.rejected,
        "events_applied": here.applied,
        "events_duplicate": here.counts.get("duplicate", 0),
        "events_dead": here.dead,
        "events_per_s": round(tally.taken / outcome.seconds, 1) if outcome.seconds else 0.0,
        "profiles": total.counts.get("people", 0),
        "segments": total.segments(),
        "merges_refused": here.counts.get("merge_refused", 0),
        "activations": {name: sum(t.sent.values()) for name, t in triggers.items()},
        "decisions": msgspec.to_builtins(triggers),
        "deliveries": {c: {o: n for o, n in of.items() if n} for c, of in here.deliveries.items()},
        "latency_ms": {q: here.latency_ms.get(q) for q in ("p50", "p99")},
        "arrived": msgspec.to_builtins(outcome.arrived),
        "sent": msgspec.to_builtins(tally),
        "total": {
            "events_applied": total.applied,
            "events_duplicate": total.counts.get("duplicate", 0),
            "events_dead": total.dead,
            "activations": {n: sum(t.sent.values()) for n, t in total.triggers().items()},
            "deliveries": total.deliveries,
        },
        "restarts": {part: n for part, n in outcome.restarts.items() if n},
        "seconds": round(outcome.seconds, 1),
        "seed": outcome.seed,
        "run": outcome.run,
        "data": outcome.data,
        "balanced": not found,
        "problems": found,
    }
