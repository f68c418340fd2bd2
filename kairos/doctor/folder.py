"""A data folder: room, speed, who may read the keys, and the workspace beside it."""

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from channels.base import addresses as known_addresses
from collector.keys import KeyRing
from flows.workspace_folder import read_folder
from kairos.doctor.base import Finding, ok, warning, wrong
from triggers.load import load
from triggers.problems import WorkspaceError

ROOM = 2 * 1024**3  # bytes; the log's file is rewritten past 1 GB, beside the old one
SLOW_S = 0.02  # for an fsync, on which every accepted batch waits
TRIES = 9


def findings(data: Path, keys: Path) -> Iterator[Finding]:
    """Look at a data folder and its keys."""
    if not data.is_dir():
        yield warning("data folder", f"{data} is not there", "`kairos up` makes it")
        return
    yield _room(data)
    yield _speed(data)
    yield _keys(keys)


def workspace(folder: Path) -> Finding:
    """Look at a workspace folder."""
    addresses = known_addresses()
    try:
        found = load(read_folder(folder), addresses)
    except WorkspaceError as error:
        first, *more = error.problems
        others = f" (and {len(more)} more)" if more else ""
        return wrong("workspace", f"{first}{others}", f"`kairos validate {folder}` lists all")
    return ok("workspace", f"{found.name}: {len(found.triggers)} triggers")


def _room(data: Path) -> Finding:
    free = shutil.disk_usage(data).free
    said = f"{free / 1024**3:.1f} GB free at {data}"
    if free < ROOM:
        return warning("disk", said, "the log stops accepting when the disk is full; make room")
    return ok("disk", said)


def _speed(data: Path) -> Finding:
    took = []
    try:
        with tempfile.TemporaryFile(dir=data) as file:
            for _ in range(TRIES):
                file.write(b"x" * 4096)
                file.flush()
                began = time.perf_counter()
                os.fsync(file.fileno())
                took.append(time.perf_counter() - began)
    except OSError as error:
        return wrong("fsync", f"{data} cannot be written: {error.strerror}", "mend its permissions")
    median = sorted(took)[TRIES // 2]
    said = f"{median * 1000:.1f} ms, the median of {TRIES}"
    if median > SLOW_S:
        return warning("fsync", said, "each accepted batch waits for one; use a faster disk")
    return ok("fsync", said)


def _keys(path: Path) -> Finding:
    try:
        ring = KeyRing.load(path)
    except ValueError as error:
        return wrong("write keys", str(error), "restore the file, or delete it for new keys")
    if not ring.keys:
        return warning("write keys", f"{path} holds none", "`kairos keys create browser`")
    if path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        return warning("write keys", f"{path} can be read by others", f"chmod 600 {path}")
    kinds = [f"{sum(k.kind == kind for k in ring.keys)} {kind}" for kind in ("browser", "server")]
    return ok("write keys", ", ".join(kinds))
