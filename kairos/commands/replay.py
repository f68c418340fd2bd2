"""`kairos replay FILE`: events from a file, with their own times."""

import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from channels.base import addresses as known_addresses
from flows.workspace_folder import read_folder
from kairos.durations import duration
from kairos.embedded.servers import ServerError
from kairos.embedded.stack import StackError, until_signal
from kairos.example import example
from kairos.figures import Figures
from kairos.replay import mapping, past
from kairos.replay.pace import Pace
from kairos.replay.posting import Poster, PostError
from kairos.replay.run import Source, Summary, replay, shift_to
from kairos.settings import Settings, SettingsError
from triggers.core import OLDEST
from triggers.load import load
from triggers.problems import WorkspaceError

SHOWN = 10  # problems that are printed one by one
# Events a second beside people who are there now. There is one log, and who comes waits behind what
# is in it: an import at full speed took the p99 of everybody else from 13 to 1,400 ms.
GENTLE = 2_000.0

Show = Callable[[int, int, int], None]


def command(
    file: Path,
    *,
    map: Path | None = None,  # noqa: A002 - the word on the command line
    url: str = "http://127.0.0.1:8765",
    key: str | None = None,
    import_id: str | None = None,
    rate: float | None = None,
    speed: float | None = None,
    shift: bool = False,
    clock: Literal["log", "file"] = "log",
    data: Path | None = None,
    workspace: Path | None = None,
    run_on: str = "0s",
    stay: bool = False,
    json: bool = False,
) -> int:
    """Post the events of a file through the collector: JSON lines or CSV, gzip or not.

    On the clock of the log (the default) the file is an import: its events keep their times and
    count at any age, and nothing is sent because of them. `--shift` moves them so that the last
    one is now: what is then younger than 30 days happens, as if it had just been sent.

    On the clock of the file (`--clock file`) an engine of its own lives through the file from
    its first event to its last, with windows, timers and journeys as they were then. Its sends
    go to the log, and it says what every trigger did. No other engine is touched.

    Posted twice, a file counts once: calls without a message id get one from their content.

    Parameters
    ----------
    file
        JSON lines, each a call as SDKs send it or columns as a CSV has them; or a CSV.
    map
        A YAML file that says what the columns mean; see docs/replay.md.
    url
        The collector.
    key
        A server write key; better in KAIROS_SERVER_KEY, since every process can read options.
    import_id
        Names the import; else the file's name.
    rate
        Events a second. Without it a running engine gets 2,000, which leave room for those who
        are there now; an engine of its own reads as fast as it can.
    speed
        How many times as fast as it happened: 60 posts an hour in a minute.
    shift
        Move all times so that the last event is now.
    clock
        "log": now is now. "file": now is when the file says, in an engine of its own.
    data
        With --clock file: a folder that keeps the engine's data; else a temporary one.
    workspace
        With --clock file: the workspace folder; else the example shop.
    run_on
        With --clock file: how long the clock runs on after the last event, such as 2d.
    stay
        With --clock file: keep the engine there until Ctrl-C, to look at people in it.
    json
        Print one JSON object on the last line.
    """
    asked = _Asked(rate, speed, shift=shift, file_clock=clock == "file", json=json)
    try:
        source = Source(file, None if map is None else mapping.load(map))
        wrong = _wrong(asked, file, data, workspace, run_on, import_id, stay=stay)
        if wrong:
            print(f"kairos replay: {wrong}", file=sys.stderr)
            return 2
        if asked.file_clock:
            return _past(source, asked, data, workspace or example(), run_on, stay=stay)
        return _present(source, asked, url, key, import_id or _named_after(file))
    except KeyboardInterrupt:
        print("kairos replay: cut short; what was accepted counts once", file=sys.stderr)
        return 1
    except (OSError, EOFError, ValueError, PostError) as error:
        print(f"kairos replay: {file}: {error}", file=sys.stderr)
        return 2
    except (StackError, ServerError, SettingsError, WorkspaceError) as error:
        print(f"kairos replay: {error}", file=sys.stderr)
        return 2


class _Asked(msgspec.Struct, frozen=True):
    rate: float | None
    speed: float | None
    shift: bool
    file_clock: bool
    json: bool

    def pace(self) -> Pace:
        beside_others = self.rate is None and self.speed is None and not self.file_clock
        return Pace(rate=GENTLE if beside_others else self.rate, speed=self.speed)


def _wrong(
    asked: _Asked,
    file: Path,
    data: Path | None,
    workspace: Path | None,
    run_on: str,
    import_id: str | None,
    *,
    stay: bool,
) -> str:
    """Return what does not go together, "" if all does."""
    if not file.is_file():
        return f"{file}: there is no such file"
    if asked.rate is not None and asked.speed is not None:
        return "--rate and --speed both say how fast; give one of them"
    if any(pace is not None and pace <= 0 for pace in (asked.rate, asked.speed)):
        return "--rate and --speed take numbers above 0"
    if asked.file_clock and asked.shift:
        return "--shift moves the file to now, --clock file moves now to the file; give one of them"
    if asked.file_clock and import_id is not None:
        return "--import-id belongs to the clock of the log: on the file's clock nothing is history"
    if not asked.file_clock and (data or workspace or stay or run_on != "0s"):
        return "--data, --workspace, --run-on and --stay belong to --clock file"
    return ""


def _named_after(file: Path) -> str:
    """Name an import after its file.

    >>> _named_after(Path("a/REES46 2019-10.csv.gz"))
    'REES46-2019-10.csv.gz'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", file.name)[:64] or "import"


def _present(source: Source, asked: _Asked, url: str, key: str | None, import_id: str) -> int:
    key = key or Settings.from_env().server_key
    if not key:
        print(
            "kairos replay: a server write key is needed: --key or KAIROS_SERVER_KEY; "
            "`kairos keys create server` makes one",
            file=sys.stderr,
        )
        return 2
    now = time.time_ns() // 1_000_000
    shift = shift_to(source, now) if asked.shift else 0

    def import_of(instant: int) -> str | None:
        return None if asked.shift and instant > now - OLDEST else import_id

    poster = Poster(url, key)
    try:
        with _bar(source.path, asked) as show:
            summary = replay(
                source,
                poster,
                import_of,
                asked.pace(),
                shift=shift,
                ordered=asked.speed is not None,
                progress=show,
            )
    finally:
        poster.close()
    _say(source, summary)
    if asked.json:
        print(orjson.dumps(_as_json(source, summary, clock="log")).decode())
    return 0 if summary.complete else 1


def _past(
    source: Source, asked: _Asked, data: Path | None, workspace: Path, run_on: str, *, stay: bool
) -> int:
    longer = duration(run_on)
    load(read_folder(workspace), known_addresses())
    with ExitStack() as opened:
        if data is None:
            data = Path(tempfile.mkdtemp(prefix="kairos-replay-"))
            opened.callback(shutil.rmtree, data, ignore_errors=True)
        stack, poster = opened.enter_context(past.past(data, workspace))
        with _bar(source.path, asked) as show:
            summary = replay(
                source, poster, lambda _: None, asked.pace(), ordered=True, progress=show
            )
            if summary.last is None:
                raise ValueError("no row has a time, so there is no clock to follow")
            newest = past.end_at(stack, summary.last + longer)
            figures = past.done(stack, newest)
        _say(source, summary)
        _say_decisions(figures)
        if asked.json:
            found = _as_json(source, summary, clock="file") | _decisions(figures)
            print(orjson.dumps(found).decode(), flush=True)
        if stay:
            print(f"collector   {stack.url}\ndata        {data}\nstop with Ctrl-C", flush=True)
            until_signal(lambda: past.alive(stack))
    return 0 if summary.complete else 1


@contextmanager
def _bar(file: Path, asked: _Asked) -> Iterator[Show]:
    """Show how far it is, on a terminal."""
    screen = Console(stderr=True)
    if not screen.is_terminal or asked.json:
        yield lambda _read, _size, _rows: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]} rows"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(file.name, total=1, rows=0)
        yield lambda read, size, rows: bar.update(task, completed=read, total=size, rows=rows)


def _say(source: Source, summary: Summary) -> None:
    span = ""
    if summary.first is not None and summary.last is not None:
        span = f", {_moment(summary.first)} to {_moment(summary.last)}"
    print(f"{source.path.name}: {summary.rows:,} rows{span}")
    print(f"accepted    {summary.accepted:,} in {summary.seconds:.1f} s")
    problems = [(u.line, u.reason) for u in summary.unreadable]
    problems += [(r.line, f"{r.code}: {r.message}") for r in summary.refused]
    if summary.refused:
        print(f"refused     {len(summary.refused):,}, kept as dead letters")
    if summary.unreadable:
        print(f"unreadable  {len(summary.unreadable):,}, not sent")
    for line, why in sorted(problems)[:SHOWN]:
        print(f"  line {line}: {why}")
    if len(problems) > SHOWN:
        print(f"  and {len(problems) - SHOWN:,} more")


def _moment(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _say_decisions(figures: Figures) -> None:
    print(f"people      {figures.counts.get('people', 0):,}")
    for segment, size in figures.segments().items():
        print(f"  {segment:<28} {size:,} in it at the end")
    print("triggers")
    for name, decisions in figures.triggers().items():
        said = [f"entered {decisions.entered:,}"]
        for outcome in ("sent", "held", "refused", "ignored", "ended"):
            found: dict[str, int] = getattr(decisions, outcome)
            said += [f"{outcome} {n:,} ({reason})" for reason, n in found.items()]
        print(f"  {name:<28} {', '.join(said)}")


def _decisions(figures: Figures) -> dict[str, Any]:
    return {
        "people": figures.counts.get("people", 0),
        "applied": figures.applied,
        "duplicates": figures.counts.get("duplicate", 0),
        "segments": figures.segments(),
        "triggers": {n: msgspec.to_builtins(d) for n, d in figures.triggers().items()},
        "deliveries": figures.deliveries,
    }


def _as_json(source: Source, summary: Summary, *, clock: str) -> dict[str, Any]:
    return {
        "file": str(source.path),
        "clock": clock,
        "rows": summary.rows,
        "accepted": summary.accepted,
        "refused": [msgspec.to_builtins(r) for r in summary.refused],
        "unreadable": [u._asdict() for u in summary.unreadable],
        "first_ms": summary.first,
        "last_ms": summary.last,
        "seconds": round(summary.seconds, 3),
    }
