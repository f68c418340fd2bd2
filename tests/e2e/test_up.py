"""`kairos up` as it is typed: the first start refuses a bad workspace, a later one goes on without it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.stacks import workspace

GOOD = {"workspace.yaml": "workspace: shop\n"}
BAD = {"triggers/bad.yaml": "trigger: bad\nwhne: {event: x}\n"}


def up(data: Path, folder: Path) -> tuple[dict[str, Any], str, int]:
    """Start it, and end it once it serves; returns what it said last, its errors, its exit code."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("KAIROS_")}
    command = [sys.executable, "-m", "kairos", "up", "--port", "0", "--json"]
    with subprocess.Popen(
        [*command, "--data", str(data), "--workspace", str(folder)],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said: dict[str, Any] = {}
        for line in process.stdout:
            said = json.loads(line)
            if "url" in said:
                process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        return said, process.stderr.read(), process.wait(30)


def test_a_bad_file_stops_the_first_start_and_no_later_one(tmp_path: Path) -> None:
    folder, data = workspace(tmp_path / "shop", GOOD | BAD), tmp_path / "data"
    said, errors, code = up(data, folder)
    assert code == 2
    assert "triggers/bad.yaml:2:1: unknown key 'whne'. Did you mean 'when'?" in errors
    assert not data.exists()

    (folder / "triggers/bad.yaml").unlink()
    said, errors, code = up(data, folder)
    assert (said["problems"], errors, code) == ([], "", 0)

    workspace(folder, BAD)
    said, errors, code = up(data, folder)
    assert code == 0
    assert "triggers/bad.yaml:2:1" in said["problems"][0]
    assert said["problems"][-1] == "the last good version stays live"
    assert "the last good version stays live" in errors
