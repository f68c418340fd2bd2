"""The live flow: reads the log, decides, keeps the ledger."""

import threading
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

import structlog

from channels.base import addresses as known_addresses
from events.archive.folder import Archive, ArchiveError
from events.record import NewerError
from events.sources.base import Log, LogUnavailableError, LostHistoryError
from flows import asked, live
from flows.bounds import MB, Bounds
from flows.engine import Engine
from flows.open import open_whole
from flows.poison import NotAppliedError
from flows.promises import demand_ledger, demand_log
from flows.questions import listen as questions_of
from flows.replayed import ReplayedEngine
from flows.restored import restored
from flows.room import Room
from flows.workspace_folder import read_catalog, read_folder
from kairos.parts.base import REPLACED, Reporter, log_lines, stop_on_signals
from kairos.settings import READING, Settings, SettingsError
from profile_state.checkpoints.folder import Checkpoints
from profile_state.copies.disk import Disk
from profile_state.stores.base import FencedError, LedgerLostError, Position
from profile_state.stores.redis import RedisStore
from triggers.problems import WorkspaceError

log = structlog.get_logger()

PAUSE_S = 0.2  # before a broken log or ledger is asked again
POSITION_S = 0.1  # between two words on how far the engine has read
LOOK_S = 5.0  # between looks at how full the log is
NOT_APPLIED = 1  # exit code: a word of the engine's or an operator's raises
UNREADABLE = 2  # exit code: something that must be there is not


def now_ms() -> int:
    """Return ms since 1970."""
    return time.time_ns() // 1_000_000


def main(settings: Settings) -> int:
    """Run until a signal comes. Returns an exit code of docs/cli.md."""
    log_lines()
    if settings.log.partitions != 1:
        raise SettingsError(
            f"KAIROS_PARTITIONS: this release reads one partition, found {settings.log.partitions}"
        )
    demand_log(settings)
    demand_ledger(settings)
    stop = stop_on_signals()
    source = open_whole(settings)
    store = RedisStore(settings.ledger)
    addresses = known_addresses()
    kind = ReplayedEngine if settings.log.replayed else Engine
    older = Disk(settings.copies / "p0")
    engine = kind(
        source,
        store,
        addresses,
        clock=now_ms,
        monotonic=time.monotonic,
        older=older,
        bounds=Bounds(people=settings.people_mb * MB, copies=settings.copies_mb * MB),
    )
    reporter: Reporter | None = None
    room = threading.Thread(target=_make_room, args=(engine, settings, stop), daemon=True)
    room.start()
    questions = threading.Thread(
        target=questions_of, args=(engine, settings.ledger, stop), daemon=True
    )
    questions.start()
    position = threading.Thread(
        target=_say_position, args=(engine, store, settings.ledger, stop), daemon=True
    )
    position.start()
    readers = threading.Thread(
        target=asked.listen,
        args=(settings.ledger, engine.partition, engine.hurry, stop),
        daemon=True,
    )
    readers.start()
    try:
        while not stop.is_set():
            try:
                live.rest_cycle_collection()
                with Reporter(settings.status, READING, lambda: _reading(engine), keep=False):
                    if settings.archive is not None:
                        kept = Checkpoints(Archive(settings.archive, engine.partition).folder)
                        restored(source, store, older, kept)
                    engine.recover()
                    _catch_up(engine, source, settings)
                demand_log(settings)  # those that answer now may have been away at the start
                demand_ledger(settings)
                live.rest_cycle_collection()
                if reporter is None:
                    reporter = Reporter(settings.status, "live", lambda: _facts(engine)).__enter__()
                live.run(engine, stop)
                engine.drain()
            except (ArchiveError, LostHistoryError) as error:
                log.error("the log's past cannot be read", reason=str(error))
                return UNREADABLE
            except NotAppliedError as error:
                log.error("the log cannot be read on", reason=str(error), trace=error.trace)
                return NOT_APPLIED
            except NewerError as error:
                log.error("a newer release wrote into this log", reason=str(error))
                return UNREADABLE
            except FencedError as error:
                log.error("another engine owns the partition", reason=str(error))
                return REPLACED
            except (LedgerLostError, LogUnavailableError) as error:
                if settings.log.replayed:
                    raise  # a replay does not go on, it begins again
                log.warning(
                    "log or ledger away, reading on from the stored offset", reason=str(error)
                )
                time.sleep(PAUSE_S)
    finally:
        stop.set()
        if reporter is not None:
            reporter.__exit__(None, None, None)
        store.close()
        source.close()
        older.close()
    return 0


def _make_room(engine: Engine, settings: Settings, stop: threading.Event) -> None:
    """Trim the log from a connection of its own, beside the flow."""
    source = open_whole(settings)
    room = Room(source, engine.partition)
    while not stop.wait(LOOK_S):
        try:
            room.look(engine.behind.stored)
        except LogUnavailableError as error:
            log.warning("the log cannot be trimmed", reason=str(error))
    source.close()


def _say_position(engine: Engine, own: RedisStore, ledger: str, stop: threading.Event) -> None:
    """Say how far the engine has read, by which the door knows what it keeps up with.

    Over a connection of its own; `own` is the engine's, whose token says that it is the owner.
    """
    store = RedisStore(ledger, engine.partition)
    for said in count():
        if stop.wait(POSITION_S):
            break
        with suppress(LedgerLostError):  # the engine itself says so
            store.say_position(Position(engine.position, engine.events, said), own.token)
    store.close()


def _catch_up(engine: Engine, source: Log, settings: Settings) -> None:
    """Read the log to its end, then bring the workspace folder into force if it is new."""
    _read_to_end(engine, source)
    engine.vouch()
    engine.announce()
    if settings.workspace is None:
        return
    try:
        changed = engine.adopt(read_folder(settings.workspace))
    except WorkspaceError as error:
        if not engine.state.files:
            raise
        log.error(
            "the workspace has problems, the last good version stays live", problems=str(error)
        )
        return
    if changed:
        _read_to_end(engine, source)
    named = engine.state.workspace.catalog if engine.state.workspace is not None else None
    if named is not None:
        _stock(engine, settings.workspace, named)


def _stock(engine: Engine, folder: Path, name: str) -> None:
    """Bring the catalogue to what its file says; one that cannot be read leaves it as it was."""
    try:
        engine.stock(read_catalog(folder, name))
    except WorkspaceError as error:
        log.error("the catalogue has problems, the last good one stays", problems=str(error))


def _read_to_end(engine: Engine, source: Log) -> None:
    while engine.position < source.last(engine.partition):
        for portion in live.portions(engine.read()):
            engine.process(portion)
            engine.keep_up(eager=True)


def _reading(engine: Engine) -> dict[str, object]:
    return {"position": engine.position, "stored": list(engine.behind.stored)}


def _facts(engine: Engine) -> dict[str, object]:
    state = engine.state
    return {
        "records": engine.events,
        "position": engine.position,
        "stored": list(engine.behind.stored),
        "people_in_memory": len(state.people),
        "people_mb": engine.residents.bytes // MB,
        "pending": engine.behind.pending,
        "poison": engine.poison.found,
        "paused": sorted(state.paused),
        "timers": len(state.dues),
        "timers_late_s": engine.storm.late_ms / 1000,
        "timers_per_s": engine.storm.per_s,
        "busiest": engine.hot.busiest,
        "busiest_share": round(engine.hot.share, 4),
        "workspace": state.workspace.hash if state.workspace is not None else None,
        "models": sorted(state.workspace.models) if state.workspace is not None else [],
    }
