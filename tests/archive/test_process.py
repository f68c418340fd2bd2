"""The archive part, killed again and again while the log grows."""

import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from events.archive.folder import Archive
from flows.open import open_log, open_whole
from kairos.embedded.children import end, spawn
from kairos.settings import Log, Settings

KILLS = 5
PATIENCE_S = 30


def test_kill_9_of_the_archive_part_loses_and_doubles_nothing(tmp_path: Path, valkey: Path) -> None:
    settings = Settings(
        log=Log(f"valkey://{valkey}?name=archived"),
        archive=tmp_path / "archive",
        archive_s=0,  # each read is a segment of its own
        status=tmp_path,
    )
    archive = Archive(tmp_path / "archive", 0)

    def start() -> subprocess.Popen[bytes]:
        program = [sys.executable, "-m", "kairos", "run", "archive"]
        with (tmp_path / "archive.log").open("ab") as output:
            return spawn(program, output=output, env=settings.to_env())

    sent: list[bytes] = []
    with closing(open_log(settings.log)) as log:

        def append(count: int) -> None:
            for _ in range(count):
                sent.append(b"%d" % len(sent))
                log.append(0, sent[-1])

        def archived(upto: int) -> None:
            until = time.monotonic() + PATIENCE_S
            while archive.last < upto:
                assert time.monotonic() < until, (tmp_path / "archive.log").read_text()
                append(1)

        for _ in range(KILLS):
            process = start()
            try:
                append(20)
                archived(log.last(0))
                append(20)
            finally:
                process.kill()
                process.wait()
        process = start()
        try:
            newest = log.last(0)
            until = time.monotonic() + PATIENCE_S
            while archive.last < newest:
                assert time.monotonic() < until
                time.sleep(0.01)
        finally:
            end(process)
        assert process.returncode == 0
        log.trim(0, newest + 1)

    assert len(archive.places()) > 2 * KILLS
    assert list(archive.problems()) == []
    with closing(open_whole(settings)) as whole:
        found: list[bytes] = []
        after = -1
        while some := whole.read(0, after, 50, 0):
            found += [e.payload for e in some]
            after = some[-1].id
    assert found == sent
