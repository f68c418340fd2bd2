"""`kairos bench`: how fast is it on this machine, what do kills cost, is that worse than before?"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from benchmarks import (
    asked,
    door,
    endurance,
    idle,
    latency,
    plots,
    scale,
    throughput,
    variety,
    wrk,
)
from benchmarks.base import AskedError, Benchmark, Options
from benchmarks.bed import BenchError, in_words
from benchmarks.compare import beside, compared, too_bad
from benchmarks.exposition import prometheus
from benchmarks.machine import Machine, this_machine
from benchmarks.report import Report, described, report
from benchmarks.results import sectioned, write
from benchmarks.torture import rig
from benchmarks.torture import run as torture
from kairos import __version__
from kairos.embedded.servers import ServerError
from kairos.embedded.stack import StackError
from kairos.say import as_json, failed

What = Literal[
    "throughput", "latency", "scale", "triggers", "endurance", "idle", "collector", "torture"
]
BENCHMARKS: dict[What, Benchmark] = {
    "throughput": throughput,
    "latency": latency,
    "scale": scale,
    "triggers": variety,
    "endurance": endurance,
    "idle": idle,
    "collector": door,
    "torture": torture,
}
RUNS = 5
ONCE = ("endurance", "torture")  # what holds or does not; their figures stand beside it
SECONDS: dict[What, float] = {"latency": 300.0, "idle": 60.0, "collector": 5.0}
INTERRUPTED = 130  # exit code: by Ctrl-C, as shells have it


class Targets(msgspec.Struct, frozen=True):
    """The files that a report goes to."""

    save: Path | None
    plot: Path | None
    prometheus: Path | None
    results: Path | None


def command(
    what: What,
    *,
    runs: int | None = None,
    seconds: float | None = None,
    rate: int = 10_000,
    events: int = 400_000,
    people: int = 1_000_000,
    kills: int = 50,
    power_cuts: int = 10,
    points: int = 0,
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

    The figures of each run go to standard error as it ends.

    Exit code 1: a figure is worse than the saved one by more than the tolerance, a promise did not
    hold under endurance or torture, or a run is worth nothing, as when the engine's facts are not the
    oracle's.

    Parameters
    ----------
    what
        throughput: the engine drains a log. latency: from the scheduled send to the worker's
        hands. scale: what an event costs where there are many people. triggers: the same where there
        are ten times as many triggers. endurance:
        does it go on in a bounded log, and can all of it be read again. idle: what the stack costs while nothing happens. collector: how many events it takes, each
        on disk before its answer; needs wrk. torture: what kills and power cuts
        cost.
    runs
        How many times; the median counts. 5, and 1 of endurance and torture, where nothing is said.
    seconds
        How long a run of latency or idle is, or a phase of collector; 300, 60 and 5 where nothing
        is said.
    rate
        Events a second, for latency.
    events
        How many, for throughput and endurance.
    people
        How many, for scale; a hundredth of them is the other size.
    kills
        For torture: how many parts are killed at random instants.
    power_cuts
        For torture: how often a power cut is simulated; needs a C compiler.
    points
        For torture: how many times a part is killed at each crash point.
    seed
        Of the load, and of what is killed when.
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
    options = Options(
        seed=seed,
        events=events,
        people=people,
        rate=rate,
        kills=kills,
        power_cuts=power_cuts,
        points=points,
        seconds=SECONDS.get(what, 0.0) if seconds is None else seconds,
        profile=profile,
    )
    targets = Targets(save=save, plot=plot, prometheus=prometheus, results=results)
    found: list[dict[str, Any]] = []
    runs = (1 if what in ONCE else RUNS) if runs is None else runs
    try:
        _check_numbers(what, options, runs, seconds, tolerance)
        before = None if compare is None else asked.baseline(compare, what, options)
        _check_targets(what, targets, profile)
        machine = this_machine()
        if profile is not None:
            return _profiled(options, json=json)
        for nth in range(1, runs + 1):
            found.append(_run(what, options))
            print(f"run {nth} of {runs}: {BENCHMARKS[what].told(found[-1])}", file=sys.stderr)
        done = _reported(what, found, machine)
        print(described(done))
        _keep(done, targets)
    except BenchError as error:
        failed("bench", error, json=json)
        return 1
    except (AskedError, rig.RigError, StackError, ServerError, OSError) as error:
        return failed("bench", error, json=json)
    except KeyboardInterrupt:
        return _interrupted(what, found, runs, json=json)
    return _say(done, before, tolerance, json=json)


def _check_numbers(
    what: What, options: Options, runs: int, seconds: float | None, tolerance: float
) -> None:
    for option, value in (
        ("--runs", runs),
        ("--rate", options.rate),
        ("--events", options.events),
        ("--people", options.people),
        ("--tolerance", tolerance),
    ):
        asked.above_zero(option, value)
    if what == "torture":
        _check_torture(options)
    if what == "collector" and (why := wrk.missing()):
        raise AskedError(why)
    if options.profile is not None and what != "throughput":
        raise AskedError(f"--profile goes with throughput, found {what}")
    if seconds is None:
        return
    asked.above_zero("--seconds", seconds)
    if what not in SECONDS:
        raise AskedError(
            f"--seconds {seconds:g} goes with {', '.join(SECONDS)}, found {what}; that ends when "
            "all that it is asked for is done"
        )


def _check_torture(options: Options) -> None:
    asked_for = {
        "--kills": options.kills,
        "--power-cuts": options.power_cuts,
        "--points": options.points,
    }
    for option, value in asked_for.items():
        if value < 0:
            raise AskedError(f"{option}: 0 or a number above it was expected, found {value}")
    if not any(asked_for.values()):
        raise AskedError(f"{', '.join(asked_for)}: one above 0 was expected, found none")
    if options.power_cuts and (why := rig.missing()):
        raise AskedError(f"--power-cuts {options.power_cuts}: {why}, or say --power-cuts 0")


def _check_targets(what: What, targets: Targets, profile: Path | None) -> None:
    if targets.results is not None:
        sectioned(targets.results, what)
    if targets.plot is not None:
        plots.empty()
    for option, path in {**msgspec.structs.asdict(targets), "profile": profile}.items():
        if path is not None:
            asked.writable(f"--{option}", path)


def _run(what: What, options: Options) -> dict[str, Any]:
    with in_words():
        return BENCHMARKS[what].once(options)


def _profiled(options: Options, *, json: bool) -> int:
    found = _run("throughput", options)
    if json:
        as_json(found)
    else:
        print(f"where the time goes: {found['profile']}")
    return 0


def _reported(what: What, found: list[dict[str, Any]], machine: Machine) -> Report:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return report(what, found, machine, __version__, at)


def _keep(done: Report, targets: Targets) -> None:
    if targets.save is not None:
        targets.save.write_bytes(msgspec.json.format(msgspec.json.encode(done), indent=2))
    if targets.prometheus is not None:
        targets.prometheus.write_text(prometheus(done), encoding="utf-8")
    if targets.results is not None:
        write(done, targets.results)
    if targets.plot is not None:
        plots.plot(done, targets.plot)


def _interrupted(what: What, found: list[dict[str, Any]], runs: int, *, json: bool) -> int:
    if found:
        print(described(_reported(what, found, this_machine())), file=sys.stderr)
    told = f"interrupted after {len(found)} of {runs} runs; files are written after the last alone"
    failed("bench", told, json=json)
    return INTERRUPTED


def _say(done: Report, before: Report | None, tolerance: float, *, json: bool) -> int:
    ratios = [] if before is None else list(compared(done, before))
    worse = too_bad(ratios, tolerance)
    for ratio in ratios:
        print(beside(ratio))
    if json:
        compared_with = {"compared": msgspec.to_builtins(ratios)} if before is not None else {}
        as_json({**done.as_json(), **compared_with, "worse": [r.figure for r in worse]})
    wrong = [promise for run in done.runs for promise in run.get("wrong", ())]
    for promise in wrong:
        print(f"kairos bench: a promise did not hold: {promise}", file=sys.stderr)
    return 1 if worse or wrong else 0
