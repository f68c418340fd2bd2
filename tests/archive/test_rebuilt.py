"""R14: a ledger that was wiped is rebuilt from archive and log, as it was, and sends nothing anew."""

from pathlib import Path

import pytest

from events.archive.folder import Archive
from events.archive.whole import Whole
from flows.archiver import Archiver
from tests.flows.test_crashes import activations_of, people_of, read_again, run_through


@pytest.mark.parametrize("seed", [40, 41])
def test_r14_a_wiped_ledger_is_rebuilt_from_archive_and_log(tmp_path: Path, seed: int) -> None:
    log, live = run_through(seed)
    archive = Archive(tmp_path, 0)
    writer = Archiver(log, archive, monotonic=lambda: 0.0, age_s=1e9, size=10_000)
    while writer.position < log.last(0):
        writer.step(0)
    log.trim(0, archive.last + 1)
    assert len(archive.places()) > 3
    assert 0 < log.gone(0) < log.last(0), "the end is in the log alone"
    shelf, crashes, _ = read_again(Whole(log, [archive]), seed)
    assert crashes > 3
    assert people_of(shelf) == people_of(live)
    assert activations_of(shelf) == activations_of(live)
    assert (shelf.dues, shelf.index, +shelf.counts) == (live.dues, live.index, +live.counts)
