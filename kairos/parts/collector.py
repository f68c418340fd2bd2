"""The collector: the HTTP door."""

import os
import socket
import threading
from pathlib import Path
from typing import Self

import msgspec
import structlog
import uvicorn

from collector.application import Application
from collector.asgi import Collector
from collector.door import Door
from collector.hooks.answers import Hooks
from collector.keys import KeyRing
from collector.mail.base import Secret
from collector.mailing import Mail, Mailbox
from events.proofs import Prover
from events.sealed import seal_at
from flows.disk_room import RoomWatch
from flows.open import open_appender
from flows.promises import demand_log
from flows.workspace_folder import read_folder
from kairos.discovery import one_in
from kairos.parts.base import Reporter, log_lines
from kairos.settings import Collector as Address
from kairos.settings import Settings, SettingsError, secret_name
from triggers.loading.webhooks import hooks_of

LOOK_S = 0.5  # between looks at the key file

log = structlog.get_logger()


def main(settings: Settings) -> int:
    """Serve until a signal comes, then finish what is in flight."""
    log_lines()
    keys = settings.collector.keys
    try:
        ring = KeyRing.load(keys)
    except ValueError as error:
        raise SettingsError(f"KAIROS_KEYS: {error}") from error
    door = Door(
        ring,
        replayed=settings.log.replayed,
        prover=_prover(settings.collector),
        hooks=_hooks(settings),
        mail=_mail(settings.collector),
    )
    demand_log(settings)
    app = Application(door, open_appender(settings.log))
    carried = Collector(app)
    config = uvicorn.Config(
        carried,
        host=settings.collector.host,
        port=settings.collector.port,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=10,
    )
    with (
        Reporter(settings.status, "collector", lambda: dict(app.counters)),
        KeyWatch(keys, app),
        RoomWatch(settings.disk, settings.disk_free_mb, app.room),
    ):
        _Server(config, carried).run(sockets=_inherited())
    return 0


def _prover(settings: Address) -> Prover | None:
    if not settings.identity_keys:
        return None
    try:
        return Prover(settings.identity_keys, settings.audience)
    except ValueError as error:
        raise SettingsError(f"KAIROS_IDENTITY_KEYS: {error}") from error


def _hooks(settings: Settings) -> Hooks:
    """Map the webhooks of the workspace; a bad file says so, and takes no other along."""
    if settings.workspace is None:
        return Hooks({})
    found, problems = hooks_of(read_folder(settings.workspace))
    for problem in problems:
        log.error("this webhook is not mapped", problem=str(problem))
    for name in found:
        if secret_name(name) not in settings.collector.hooks:
            log.warning("calls of this webhook are refused: it has no secret", webhook=name)
    secrets = settings.collector.hooks
    return Hooks(
        {
            name: msgspec.structs.replace(hook, secret=secrets.get(secret_name(name), ""))
            for name, hook in found.items()
        }
    )


def _mail(settings: Address) -> Mail:
    try:
        seal = seal_at(settings.seal)
    except (ValueError, OSError) as error:
        raise SettingsError(f"KAIROS_SEAL: {error}") from error
    boxes = {}
    for name, fields in settings.mail.items():
        try:
            secret = msgspec.convert(fields, Secret, strict=False)
        except msgspec.ValidationError as error:
            raise SettingsError(f"KAIROS_MAIL_{name.upper()}_…: {error}") from error
        boxes[name] = Mailbox(name, one_in("collector.mail", name), secret)
    return Mail(boxes, seal)


class _Server(uvicorn.Server):
    """Ends streaming answers as it stops; it would wait for them until its patience ends."""

    def __init__(self, config: uvicorn.Config, carried: Collector) -> None:
        super().__init__(config)
        self._carried = carried

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._carried.end_streams()
        await super().shutdown(sockets)


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


def _inherited() -> list[socket.socket] | None:
    """Return the door that the stack holds open, None where we open one ourselves.

    Not through uvicorn's own `fd`: it takes every descriptor for a unix socket, and asyncio then
    leaves Nagle's algorithm on (measured: each answer 44 ms late).
    """
    inherited = os.environ.get("KAIROS_FD")
    return [socket.socket(fileno=int(inherited))] if inherited else None
