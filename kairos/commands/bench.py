"""`kairos bench`: how fast is it on this machine, and is that worse than before?"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from benchmarks import idle, latency, throughput
from benchmarks.base import Options
from benchmarks.bed import BenchError
from benchmarks.compare import beside, comparable, compared, too_bad
from benchmarks.exposition import prometheus
from benchmarks.machine import this_machine
from benchmarks.plots import plot
from benchmarks.report import Report, described, report
from benchmarks.results import write
from kairos import __version__
from kairos.embedded.servers import ServerError
from kairos.embedded.stack import StackError
from kairos.say import as_json, failed

What = Literal["throughput", "latency", "idle"]
BENCHMARKS: dict[What, Callable[[Options], dict[str, Any]]] = {
    "throughput": throughput.once,
    "latency": latency.once,
    "idle": idle.once,
}
SECONDS: dict[str, float] = {"latency": 300.0, "idle": 60.0}


def command(
    what: What,
    *,
    runs: int = 5,
    seconds: float | None = None,
    rate: int = 10_000,
    events: int = 400_000,
    seed: int = 1,
    json: bool = False,
    save: Path | None = None,
    compare: Path | None = None,
    tolerance: float = 1.5,
    plot: Path | None = None,
    prometheus: Path | None = None,
    results: Path | None = None,
    profile: Path | None = None,
) -> int:
    """Measure the engine on this machine, several times, with the one load there is.

    Exit code 1: a figure is worse than the saved one by more than the tolerance, or a run is
    worth nothing, as when the engine's facts are not the oracle's.

    Parameters
    ----------
    what
        throughput: the engine drains a log. latency: from the scheduled send to the worker's
        hands. idle: what the stack costs while nothing happens.
    runs
        How many times; the median counts.
    seconds
        How long a run of latency or idle is; 300 and 60 where nothing is said.
    rate
        Events a second, for latency.
    events
        How many, for throughput.
    seed
        Of the load.
    json
        Print one JSON object on the last line.
    save
        A file that keeps the report, for --compare.
    compare
        A saved report to compare with.
    tolerance
        How many times as bad a figure may be as the saved one.
    plot
        A PNG to draw into; needs the extra `plots`.
    prometheus
        A file for the figures in Prometheus's text format.
    results
        A page such as benchmarks/RESULTS.md whose section is written anew.
    profile
        For throughput: a file for where the time goes; one run, in this process.
    """
    if problem := _wrong(what, runs, seconds, rate, events, tolerance, profile):
        return failed("bench", problem, json=json)
    try:
        before = None if compare is None else _saved(compare, what, rate, events)
        options = Options(
            seed=seed,
            events=events,
            rate=rate,
            seconds=seconds or SECONDS.get(what, 0.0),
            profile=profile,
        )
        if profile is not None:
            return _profiled(options, json=json)
        found = [BENCHMARKS[what](options) for _ in range(runs)]
        at = datetime.now(UTC).isoformat(timespec="seconds")
        done = report(what, found, this_machine(), __version__, at)
        _keep(done, save, plot, prometheus, results)
    except BenchError as error:
        failed("bench", error, json=json)
        return 1
    except (StackError, ServerError, OSError, ValueError) as error:
        return failed("bench", error, json=json)
    return _say(done, before, tolerance, json=json)


def _wrong(
    what: str,
    runs: int,
    seconds: float | None,
    rate: int,
    events: int,
    tolerance: float,
    profile: Path | None,
) -> str:
    if (
        runs < 1
        or events < 1
        or rate <= 0
        or tolerance <= 0
        or (seconds is not None and seconds <= 0)
    ):
        return "--runs, --seconds, --rate, --events and --tolerance take numbers above 0"
    if profile is not None and what != "throughput":
        return "--profile goes with throughput"
    if what == "throughput" and seconds is not None:
        return "throughput ends when its --events are drained; --seconds goes with latency and idle"
    return ""


def _profiled(options: Options, *, json: bool) -> int:
    found = throughput.once(options)
    if json:
        as_json(found)
    else:
        print(f"where the time goes: {found['profile']}")
    return 0


def _saved(path: Path, what: str, rate: int, events: int) -> Report:
    before = msgspec.json.decode(path.read_bytes(), type=Report)
    comparable(before, what, {"rate": rate, "events": events})
    return before


def _keep(
    done: Report,
    save: Path | None,
    picture: Path | None,
    exposition: Path | None,
    results: Path | None,
) -> None:
    if save is not None:
        save.write_bytes(msgspec.json.format(msgspec.json.encode(done), indent=2))
    if exposition is not None:
        exposition.write_text(prometheus(done), encoding="utf-8")
    if results is not None:
        write(done, results)
    if picture is not None:
        plot(done, picture)


def _say(done: Report, before: Report | None, tolerance: float, *, json: bool) -> int:
    ratios = [] if before is None else list(compared(done, before))
    worse = too_bad(ratios, tolerance)
    print(described(done))
    for ratio in ratios:
        print(beside(ratio))
    if json:
        compared_with = {"compared": msgspec.to_builtins(ratios)} if before is not None else {}
        as_json({**done.as_json(), **compared_with, "worse": [r.figure for r in worse]})
    return 1 if worse else 0
