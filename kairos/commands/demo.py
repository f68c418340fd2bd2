"""`kairos demo`: the whole engine on one machine, with a simulated shop and a live view."""

import asyncio
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import orjson
import structlog
from rich.live import Live

from channels.base import addresses as known_addresses
from collector.keys import KeyRing, Kind, create
from flows.workspace_folder import read_folder
from kairos.demo.outside import Outside
from kairos.demo.receipts import Receipts
from kairos.demo.report import Outcome, as_json, problems
from kairos.demo.session import Plan, Session
from kairos.demo.signals import Signals
from kairos.demo.view import Now, View, summary
from kairos.embedded.servers import ServerError
from kairos.embedded.stack import Stack, StackError
from kairos.example import example
from triggers.load import load
from triggers.problems import WorkspaceError

SECONDS = 30.0  # how long it drives where nobody watches
SOURCES: tuple[tuple[Kind, str], ...] = (("browser", "demo-web"), ("server", "demo-server"))


def command(
    *,
    seconds: float | None = None,
    json: bool = False,
    data: Path | None = None,
    rate: float = 300,
    seed: int = 1,
    workspace: Path | None = None,
) -> int:
    """Run the whole engine on this machine, and a simulated shop that drives it over HTTP.

    Its mails and webhooks go to servers of its own on this machine, and nowhere else. Exit code
    0 says that the books balance: every accepted event is applied, duplicate or dead, and no
    message arrived twice.

    Parameters
    ----------
    seconds
        How long to drive; then it drains and ends. On a terminal until Ctrl-C, else 30.
    json
        Print one JSON object on the last line.
    data
        A folder that keeps everything, for later runs and for `kairos up`; else a temporary one.
    rate
        Events a second.
    seed
        Of the simulated world; the same seed meets the same customers again.
    workspace
        The workspace folder; else the example shop.
    """
    seen = sys.stdout.isatty()
    if rate <= 0 or (seconds is not None and seconds <= 0):
        print("kairos demo: --rate and --seconds take numbers above 0", file=sys.stderr)
        return 2
    plan = Plan(
        run=secrets.token_hex(4),
        seed=seed,
        rate=rate,
        seconds=seconds if seconds is not None or seen else SECONDS,
        data=None if data is None else str(data),
    )
    try:
        with Signals() as signals:
            outcome = _run(plan, data, workspace or example(), signals, live=seen)
    except KeyboardInterrupt:
        print("kairos demo: stopped before it began", file=sys.stderr)
        return 0
    except (StackError, ServerError, WorkspaceError) as error:
        print(f"kairos demo: {error}", file=sys.stderr)
        return 2
    print(summary(outcome))
    if json:
        print(orjson.dumps(as_json(outcome)).decode())
    return 1 if problems(outcome) else 0


def _run(
    plan: Plan, data: Path | None, workspace: Path, signals: Signals, *, live: bool
) -> Outcome:
    addresses = known_addresses()
    load(read_folder(workspace), addresses)
    _forget_settings()
    # Standard output is the report's; the stream is looked up late, since the live table wraps it.
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    with ExitStack() as opened:
        if data is None:
            data = Path(tempfile.mkdtemp(prefix="kairos-demo-"))
            opened.callback(shutil.rmtree, data, ignore_errors=True)
        data.mkdir(parents=True, exist_ok=True)
        print(f"kairos demo  starting in {data}", flush=True)
        receipts = opened.enter_context(Receipts(data / "receipts.jsonl", plan.run))
        outside = opened.enter_context(Outside(receipts))
        stack = Stack(data, workspace, channels=outside.channels, indoors=True)
        # Below the lock that the stack holds: no other run has its keys in here now.
        keys = _renewed_keys(data / "keys.json")
        opened.callback(_revoke_keys, data / "keys.json")
        with stack:
            print(f"kairos demo  the shop opens at {stack.url}", flush=True)
            signals.check()
            with _shown(live=live) as show:
                session = Session(plan, stack, outside, keys, signals, show)
                outcome = asyncio.run(session.run())
    return outcome


@contextmanager
def _shown(*, live: bool) -> Iterator[Callable[[Now], None]]:
    """Give what shows a moment: a live table, or nothing."""
    if not live:
        yield lambda _now: None
        return
    view = View()
    with Live(auto_refresh=False) as screen:
        yield lambda now: screen.update(view.draw(now), refresh=True)


def _forget_settings() -> None:
    """Drop the settings of a real installation: the demo must not write into its log, or mail."""
    for name in [name for name in os.environ if name.startswith("KAIROS_")]:
        del os.environ[name]


def _renewed_keys(path: Path) -> dict[Kind, str]:
    """Make this run's write keys, and revoke those of a run that was killed."""
    ring = _without_demo_keys(KeyRing.load(path))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    made: dict[Kind, str] = {}
    for kind, source in SOURCES:
        made[kind], key = create(kind, source, now)
        ring = ring.having(key)
    ring.save(path)
    return made


def _revoke_keys(path: Path) -> None:
    """Revoke this run's keys; where there were no others, `kairos up` makes the first ones."""
    ring = _without_demo_keys(KeyRing.load(path))
    if ring.keys:
        ring.save(path)
    else:
        path.unlink()


def _without_demo_keys(ring: KeyRing) -> KeyRing:
    ours = {source for _, source in SOURCES}
    return KeyRing([key for key in ring.keys if key.source not in ours])
