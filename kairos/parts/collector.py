"""The collector: the HTTP door."""

import gc
import threading
from contextlib import AbstractContextManager, nullcontext
from math import inf
from pathlib import Path
from typing import Self

import structlog

from collector.application import Application
from collector.keys import KeyRing
from collector.onsite.hub import Hub
from collector.onsite.shelf import connected
from flows.asking import Asker
from flows.disk_room import RoomWatch
from flows.open import open_appender, open_log
from flows.pressure import PressureWatch
from flows.promises import demand_log
from flows.withdrawing import Withdrawer
from kairos.parts.base import Reporter, log_lines
from kairos.parts.http.door import door_of
from kairos.parts.http.serve import serve_by_uvicorn, serve_natively
from kairos.settings import Settings
from profile_state.stores.redis import RedisStore

ASK_S = 1.0  # that an engine has to say something of somebody
WITHDRAW_S = 1.0  # that the ledger has to take a withdrawal before the log alone has it
ONSITE_S = 1.0  # within which the store of on-site messages must answer
LOOK_S = 0.5  # between looks at the key file

log = structlog.get_logger()


def main(settings: Settings) -> int:
    """Serve until a signal comes, then finish what is in flight."""
    log_lines()
    door = door_of(settings)
    demand_log(settings)
    asker = Asker(settings.ledger)
    withdrawer = Withdrawer(settings.ledger, WITHDRAW_S)

    async def ask(identifiers: list[str], entry: int, channel: str) -> tuple[str, bytes]:
        reply = await asker.ask(identifiers, entry, ASK_S, channel)
        return ("away", b"") if reply is None else (reply.state, reply.view)

    web = settings.channels.get("web")
    onsite = Hub(connected(web["url"], ONSITE_S)) if web else None
    # A replay of the past has a clock of its own, and workers that send nothing.
    withdraw = None if settings.log.replayed else withdrawer.withdraw
    log_end = open_appender(settings.log)
    app = Application(door, log_end, ask=ask, withdraw=withdraw, onsite=onsite)
    with (
        _pressure(settings, app) as pressure,
        Reporter(settings.status, "collector", lambda: _facts(app, pressure)),
        KeyWatch(settings.collector.keys, app),
        RoomWatch(settings.disk, settings.disk_free_mb, app.room),
    ):
        # What was imported stays, and what requests leave behind is no cycle: looking for some
        # among the events that wait for the log costs more than it finds.
        gc.freeze()
        gc.set_threshold(100_000, 50, 50)
        serving = serve_natively if settings.collector.http == "native" else serve_by_uvicorn
        serving(app, settings.collector)
    return 0


def _pressure(settings: Settings, app: Application) -> AbstractContextManager[PressureWatch | None]:
    if settings.log.replayed:
        return nullcontext()  # a file waits as long as it takes
    store, source = RedisStore(settings.ledger), open_log(settings.log)
    watch = PressureWatch(store, source, lambda: app.appended, app.door.admission.limit)
    app.door.figures.gauges |= {
        "lag_seconds": lambda: watch.lag_ms / 1000,
        "let_in_events_per_second": lambda: inf if watch.rate is None else watch.rate,
    }
    return watch


def _facts(app: Application, pressure: PressureWatch | None) -> dict[str, object]:
    if pressure is None:
        return dict(app.counters)
    return {**app.counters, "lag_ms": round(pressure.lag_ms), "let_in_per_s": pressure.rate}


class KeyWatch:
    """Lets in the keys of a file as it changes. A damaged one leaves the last good keys in force."""

    def __init__(self, path: Path, app: Application) -> None:
        self._path = path
        self._app = app
        self._seen = self._stamp()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        """Start watching."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._done.set()
        self._thread.join()

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_ino  # a file that was replaced is another one

    def _watch(self) -> None:
        while not self._done.wait(LOOK_S):
            stamp = self._stamp()
            if stamp == self._seen:
                continue
            self._seen = stamp
            try:
                self._app.use(KeyRing.load(self._path))
            except ValueError as error:
                log.error("the last good write keys stay in force", reason=str(error))
