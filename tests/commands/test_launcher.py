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


def test_only_what_was_asked_for_is_loaded() -> None:
    program = (
        "import sys; from kairos.cli import app; app(sys.argv[1:]);"
        "print([name for name in sys.modules if name.startswith('kairos.commands.')])"
    )
    asked = {("--version",): [], ("keys", "list"): ["kairos.commands.keys"]}
    for words, expected in asked.items():
        command = [sys.executable, "-c", program, *words]
        assert subprocess.check_output(command, text=True) == f"{expected}\n"
