"""A ledger's server, and an installation with checkpoints, which tests share."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kairos.checkpoints.make import make
from tests.archive.rig import FEW, NOW, Installation, Ledger, ledger
from tests.flows.test_crashes import run_through


@pytest.fixture(scope="session")
def server() -> Iterator[Ledger]:
    """A ledger's server."""
    with ledger() as found:
        yield found


@pytest.fixture
def empty(server: Ledger) -> Ledger:
    """The same, emptied."""
    server.client.flushall()
    return server


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory, server: Ledger) -> Installation:
    """An installation with two checkpoints, which has read everything."""
    server.client.flushall()
    log, _ = run_through(44)
    there = Installation(tmp_path_factory.mktemp("two"), log, server)
    there.archived()
    disk = there.disk()
    engine = there.engine(disk, FEW)
    third = log.last(0) // 3
    for upto in (third, 2 * third):
        there.read_on(engine, 44, lambda e, upto=upto: e.position >= upto)  # type: ignore[misc]
        engine.drain()
        make(there.settings, NOW)
    disk.close()
    return there


@pytest.fixture
def filled(two: Installation, tmp_path: Path, empty: Ledger) -> Installation:
    """The same, for one test to do with as it likes."""
    shutil.copytree(two.folder, tmp_path, dirs_exist_ok=True)
    return Installation(tmp_path, two.log, empty)
