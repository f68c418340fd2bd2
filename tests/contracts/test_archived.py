"""Every log that several processes can open can be archived, and then read as one with its past."""

import time
from pathlib import Path

from events.archive.folder import Archive
from events.archive.whole import Whole
from flows.archiver import Archiver
from tests.contracts.test_log import Opened, read_all, shared_log

__all__ = ["shared_log"]  # a fixture

ENTRIES = 60


def test_what_is_archived_reads_as_the_log_itself_does(shared_log: Opened, tmp_path: Path) -> None:
    log = shared_log.log()
    payloads = [b"%d" % n * (n % 7 + 1) for n in range(ENTRIES)]
    for payload in payloads[:-5]:
        log.append(1, payload)
    archive = Archive(tmp_path, 1)
    until = time.monotonic() + 10
    while archive.last < log.last(1):  # from its beginning, and again after a crash
        assert time.monotonic() < until
        writer = Archiver(shared_log.log(), archive, monotonic=time.monotonic, age_s=0, size=100)
        while not writer.step(100):
            assert time.monotonic() < until
    for payload in payloads[-5:]:
        log.append(1, payload)
    assert archive.problems() == []
    assert len(archive.places()) > 1
    found = [e for place in archive.places() for e in archive.read(place)]
    assert [e.payload for e in found] == payloads[:-5]
    assert all(e.time for e in found)
    log.trim(1, archive.last + 1)
    whole = Whole(shared_log.log(), [Archive(tmp_path, 0), archive])
    assert whole.gone(1) == -1
    assert read_all(whole, 1) == payloads
    assert read_all(whole, 1, after=found[7].id) == payloads[8:]
    assert [e.payload for e in whole.back(1, 1 << 62, 10)] == payloads[::-1][:10]
