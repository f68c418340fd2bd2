"""The learning flow: keeps the models of the workspace in force fitted to what everybody does."""

import threading
import time
from collections.abc import Mapping

import structlog

from channels.base import addresses as known_addresses
from events.sources.base import LogUnavailableError
from flows.learn import run
from flows.learner import Learner, definitions
from flows.open import open_whole
from kairos.parts.base import Reporter, log_lines, stop_on_signals
from kairos.settings import Settings
from profile_state.stores.base import LedgerLostError
from profile_state.stores.redis import RedisStore
from triggers.problems import WorkspaceError

log = structlog.get_logger()

PAUSE_S = 1.0  # before a broken log or ledger is asked again
LOOK_S = 5.0  # between looks at the workspace in force
# Entries gather so long: whoever wakes with each is in the way of those who do something with it.
GATHER_S = 0.25


def main(settings: Settings) -> int:
    """Run until a signal comes. Returns an exit code of docs/cli.md."""
    log_lines()
    stop = stop_on_signals()
    ledger = RedisStore(settings.ledger)
    learning = _Learning(settings, ledger, stop)
    try:
        with Reporter(settings.status, "learn", learning.facts):
            while not stop.is_set():
                try:
                    learning.follow()
                except (LedgerLostError, LogUnavailableError) as error:
                    log.warning("log or ledger away, beginning anew", reason=str(error))
                    stop.wait(PAUSE_S)
                except WorkspaceError as error:
                    log.error("this release cannot read the workspace", problems=str(error))
                    stop.wait(LOOK_S)
    finally:
        ledger.close()
    return 0


class _Learning:
    """Learns what the workspace in force asks for."""

    def __init__(self, settings: Settings, ledger: RedisStore, stop: threading.Event) -> None:
        self._settings, self._ledger, self._stop = settings, ledger, stop
        self._addresses = known_addresses()
        self._learner: Learner | None = None
        self._files: Mapping[
            str, str
        ] = {}  # of the workspace in force, as they were looked at last
        self._looked_s = 0.0

    def follow(self) -> None:
        """Learn until something else is in force.

        Raises:
            LedgerLostError: the ledger does not answer.
            LogUnavailableError: the log does not answer.
        """
        files = self._ledger.peek().files
        if not files or not definitions(files, self._addresses)[0].models:
            self._stop.wait(LOOK_S)
            return
        self._files = files
        source = open_whole(self._settings)
        try:
            newest = source.back(0, source.last(0) + 1, 1)
            self._learner = Learner(
                files,
                self._addresses,
                newest=newest[0].time if newest else 0,
                dead=self._ledger.letters(),
            )
            log.info("learning", models=sorted(self._learner.workspace.models))
            run(source, self._learner, self._stopped, lambda: time.time_ns() // 1_000_000, GATHER_S)
        finally:
            self._learner = None
            source.close()

    def _stopped(self) -> bool:
        """Say whether to stop; the workspace in force is looked at from time to time."""
        if time.monotonic() - self._looked_s < LOOK_S:
            return self._stop.is_set()
        self._looked_s = time.monotonic()
        files, learner = self._ledger.peek().files, self._learner
        assert learner is not None, "it is asked while it learns"
        if not files or files == self._files:
            return self._stop.is_set()
        self._files = files
        edited = definitions(files, self._addresses)[1] != learner.meaning
        return edited or self._stop.is_set()

    def facts(self) -> dict[str, object]:
        """Say how far it is."""
        learner = self._learner
        if learner is None:
            return {"models": []}
        return {
            "models": sorted(learner.workspace.models),
            "position": learner.position,
            "people": learner.people,
        }
