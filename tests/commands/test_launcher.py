"""The console script itself."""

import subprocess
import sys

from kairos.launcher import READER_LEFT


def test_a_reader_who_has_seen_enough_is_no_error() -> None:
    program = "from kairos.launcher import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "validate", "examples/shop"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == READER_LEFT
