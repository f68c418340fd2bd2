"""`kairos demo`, as a user runs it: the real stack, real HTTP and SMTP, and nothing left behind."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.shared import LONG

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: unix sockets live in it."""
    with tempfile.TemporaryDirectory(prefix="demo-") as path:
        yield Path(path)


@contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a demo that writes into folder/out and err; whatever is left of it is killed."""
    command = [sys.executable, "-m", "kairos", "demo", "--json", *arguments]
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=out,
            stderr=err,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(folder)},
        )
        try:
            yield process
        finally:
            kill_all(process)


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """kill -9 for a demo and its children, the demo first stopped so that it restarts none."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGSTOP)
    for child in children(process.pid):
        os.kill(child, signal.SIGKILL)
    process.kill()
    process.wait()


def children(of: int) -> set[int]:
    """Return the processes whose parent is `of`; those of the stack have no children themselves."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        if int(fields[1]) == of and fields[0] != "Z":
            found.add(int(stat.parent.name))
    return found


def eventually(condition: Callable[[], bool], seconds: float = 40) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.05)


def ends(process: subprocess.Popen[bytes], folder: Path) -> dict[str, Any]:
    """Wait for the end, see that nothing is left, and return the report."""
    seen: set[int] = set()
    while process.poll() is None:
        seen |= children(process.pid)
        time.sleep(0.1)
    said = (folder / "out").read_text()
    assert process.returncode == 0, said + (folder / "err").read_text()
    assert len(seen) >= 5  # two Valkeys, collector, live flow, workers
    assert not any(Path(f"/proc/{pid}").exists() for pid in seen)
    report: dict[str, Any] = orjson.loads(said.splitlines()[-1])
    return report


def balances(report: dict[str, Any]) -> bool:
    known = report["events_applied"] + report["events_duplicate"] + report["events_dead"]
    return bool(report["balanced"]) and report["events_accepted"] == known


def receipts(data: Path) -> list[dict[str, Any]]:
    path = data / "receipts.jsonl"
    return [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def test_a_run_without_a_terminal_drives_drains_and_leaves_nothing(folder: Path) -> None:
    with demo(folder, "--seconds", "5", "--rate", "200") as process:
        report = ends(process, folder)
    assert balances(report)
    assert report["events_accepted"] > 700
    assert report["events_duplicate"] > 0
    assert report["events_dead"] > 0
    assert report["events_per_s"] > 100
    assert report["profiles"] > 50
    assert report["activations"]["welcome"] > 0
    assert report["activations"]["cart_abandoned"] > 0
    assert report["activations"]["order_to_erp"] > 0
    assert report["decisions"]["cart_abandoned"]["held"]["quiet_hours"] > 0
    assert report["decisions"]["cart_abandoned"]["refused"]["consent"] > 0
    assert report["deliveries"]["email"]["delivered"] > 0
    assert report["deliveries"]["webhook"]["delivered"] > 0
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p99"]
    assert sorted(p.name for p in folder.iterdir()) == ["err", "out"]  # folders and sockets gone


@LONG
def test_a_run_after_a_kill_of_everything_goes_on_and_sends_nothing_twice(folder: Path) -> None:
    data = folder / "data"
    options = ("--data", str(data), "--rate", "200")
    with demo(folder, *options, "--seconds", "60") as process:
        eventually(lambda: len(receipts(data)) > 40)
        kill_all(process)
    before = receipts(data)
    with demo(folder, *options, "--seconds", "4") as process:
        report = ends(process, folder)

    assert balances(report)
    assert report["total"]["events_applied"] > report["events_applied"]  # the counts went on
    came = receipts(data)
    assert came[: len(before)] == before
    mails = [row for row in came if row["channel"] == "email"]
    assert max(Counter(row["id"] for row in mails).values()) == 1
    greeted = Counter(row["to"] for row in mails if row["subject"].startswith("Welcome"))
    assert max(greeted.values()) == 1  # regulars have signed up in both runs
    # A webhook whose answer the kill lost is posted again; the receiver drops it by its id.
    hooks = Counter(row["id"] for row in came if row["channel"] == "webhook")
    again = {name for name, n in hooks.items() if n > 1}
    assert len(again) <= 64  # as many as the worker may have had open
    last = {row["id"] for row in before[-200:]}
    assert again <= last


def test_ctrl_c_ends_it_in_order(folder: Path) -> None:
    data = folder / "data"
    with demo(folder, "--data", str(data)) as process:
        eventually(lambda: len(receipts(data)) > 5)
        process.send_signal(signal.SIGINT)
        report = ends(process, folder)
    assert balances(report)
    assert report["seconds"] < 29


def test_a_signal_before_it_serves_ends_it_too(folder: Path) -> None:
    with demo(folder) as process:
        eventually(lambda: len(children(process.pid)) >= 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert not children(process.pid)
    assert sorted(p.name for p in folder.iterdir()) == ["err", "out"]
