"""What a run looks like: a live table on a terminal, and the plain summary at the end."""

from collections import deque
from collections.abc import Mapping

import msgspec
from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from kairos.demo.drive import Tally
from kairos.demo.report import Outcome, problems
from kairos.figures import Decisions, Figures

RATE_S = 3.0  # seconds over which a rate is taken; counts reach the ledger twice a second


class Now(msgspec.Struct, frozen=True):
    """What there is to see at one moment."""

    url: str
    phase: str
    elapsed: float  # seconds
    tally: Tally
    here: Figures  # this run's
    total: Figures
    twice: int  # messages that arrived twice
    restarts: int


class Rates:
    """Rates of counters over the last seconds.

    >>> rates = Rates()
    >>> rates.of(0.0, {"accepted": 0}), rates.of(2.0, {"accepted": 600})
    ({'accepted': 0.0}, {'accepted': 300.0})
    """

    def __init__(self) -> None:
        self._past: deque[tuple[float, Mapping[str, int]]] = deque()

    def of(self, at: float, counters: Mapping[str, int]) -> dict[str, float]:
        """Take a reading at a time in seconds, and return the rates a second."""
        self._past.append((at, dict(counters)))
        while len(self._past) > 2 and at - self._past[0][0] > RATE_S:
            self._past.popleft()
        start, before = self._past[0]
        passed = at - start
        return {c: (n - before[c]) / passed if passed else 0.0 for c, n in counters.items()}


class View:
    """Draws moments of a run."""

    def __init__(self) -> None:
        self._rates = Rates()

    def draw(self, now: Now) -> RenderableType:
        """Return what to show."""
        applied = now.here.applied
        rates = self._rates.of(now.elapsed, {"accepted": now.tally.taken, "applied": applied})
        head = Text.assemble(
            ("kairos demo", "bold cyan"),
            f"  {now.phase}  {int(now.elapsed) // 60:02}:{int(now.elapsed) % 60:02}  {now.url}  ",
            ("Ctrl-C ends it", "dim"),
        )
        upper = Table.grid(expand=True)
        upper.add_row(self._events(now, rates), self._people(now), self._latency(now))
        parts: list[RenderableType] = [
            head,
            upper,
            _triggers(now.here.triggers()),
            _deliveries(now),
        ]
        return Panel(Group(*parts), box=box.ROUNDED, border_style="cyan")

    def _events(self, now: Now, rates: Mapping[str, float]) -> Table:
        counts = now.here.counts
        table = _pairs("events")
        table.add_row("accepted/s", f"{rates['accepted']:,.0f}")
        table.add_row("applied/s", f"{rates['applied']:,.0f}")
        table.add_row("accepted", f"{now.tally.taken:,}")
        table.add_row("applied", f"{now.here.applied:,}")
        table.add_row("duplicates", f"{counts.get('duplicate', 0):,}")
        table.add_row("dead letters", f"{now.here.dead:,}")
        return table

    def _people(self, now: Now) -> Table:
        table = _pairs("people")
        table.add_row("profiles", f"{now.total.counts.get('people', 0):,}")
        for name, n in now.total.segments().items():
            table.add_row(name, f"{n:,}")
        table.add_row("merges refused", f"{now.here.counts.get('merge_refused', 0):,}")
        return table

    def _latency(self, now: Now) -> Table:
        table = _pairs("latency")
        for quantile in ("p50", "p99"):
            table.add_row(quantile, milliseconds(now.here.latency_ms.get(quantile)))
        table.add_row("sent again", f"{now.tally.retries:,}")
        table.add_row("restarts", f"{now.restarts:,}")
        table.add_row("arrived twice", Text(f"{now.twice:,}", "red" if now.twice else "green"))
        return table


def _pairs(title: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(title, style="dim", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    return table


def _triggers(triggers: Mapping[str, Decisions]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    for name in ("trigger", "entered", "sent", "held", "refused", "ignored", "ended"):
        right = name == "entered"
        whole = name == "trigger"
        table.add_column(name, justify="right" if right else "left", no_wrap=whole)
    for name, t in triggers.items():
        reasons = (t.sent, t.held, t.refused, t.ignored, t.ended)
        table.add_row(name, f"{t.entered:,}", *(by_name(counts, "\n") for counts in reasons))
    return table


def _deliveries(now: Now) -> Text:
    said = [f"{channel}: {by_name(outcomes)}" for channel, outcomes in now.here.deliveries.items()]
    return Text.assemble(("deliveries  ", "bold"), "   ".join(said) or "none yet")


def by_name(counts: Mapping[str, int], between: str = ", ") -> str:
    """Write counts in a line.

    >>> by_name({"email": 1200, "sms": 0, "push": 3})
    '1,200 email, 3 push'
    """
    return between.join(f"{n:,} {name.replace('_', ' ')}" for name, n in counts.items() if n)


def milliseconds(value: float | None) -> str:
    """Write a latency.

    >>> milliseconds(2.345), milliseconds(None)
    ('2.3 ms', '–')
    """
    return "–" if value is None else f"{value:,.1f} ms"


def summary(outcome: Outcome) -> str:
    """Write the plain summary."""
    tally, here, total = outcome.tally, outcome.here, outcome.total
    counts = here.counts
    rate = tally.taken / outcome.seconds if outcome.seconds else 0.0
    lines = [
        f"events      {tally.taken:,} accepted in {outcome.seconds:.0f} s ({rate:,.0f}/s): "
        f"{counts.get('applied', 0):,} applied, {counts.get('duplicate', 0):,} duplicates, "
        f"{here.dead:,} dead letters",
        f"people      {total.counts.get('people', 0):,} profiles; "
        + ", ".join(f"{n:,} in {name}" for name, n in total.segments().items()),
    ]
    for name, t in here.triggers().items():
        parts = {"sent": t.sent, "held": t.held, "refused": t.refused, "ignored": t.ignored}
        lines.append(f"trigger     {name}: {t.entered:,} entered")
        for word, of in {**parts, "ended": t.ended}.items():
            lines += [f"            {word:<8} {by_name(of)}"] if of else []
    lines += [f"deliveries  {channel}: {by_name(of)}" for channel, of in here.deliveries.items()]
    p50, p99 = (milliseconds(here.latency_ms.get(q)) for q in ("p50", "p99"))
    lines.append(f"latency     accepted to worker: p50 {p50}, p99 {p99}")
    found = problems(outcome)
    lines += [f"PROBLEM     {problem}" for problem in found] or [
        "balance     every accepted event is applied, duplicate or dead; nothing arrived twice"
    ]
    return "\n".join(lines)
