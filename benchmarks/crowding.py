"""Does one hot person, or a backfill, slow down everybody else?

    python -m benchmarks.crowding --rate 1000 --seconds 60

Three runs of the whole embedded stack under the same quiet load, measured as `latency` measures:
alone, beside one person at 5,000 events a second (B8), and beside an import of 100,000 people
through `kairos replay` (C6). Only the quiet load's activations count.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import orjson

from benchmarks.child import program
from benchmarks.generator import OK, Answer
from benchmarks.latency import Bed, Beside, latencies, lived, nobody
from benchmarks.quantiles import quantiles
from kairos.embedded.children import end, spawn

HOT_RATE = 5_000  # events a second
HOT = "user_id:u-000000"  # whom the quiet load has too, and who does not count
IMPORTED = 100_000  # people; at the pace of an import they take 50 s
SHOWN = 200  # characters of what the import says


@contextmanager
def hot_person(bed: Bed) -> Iterator[None]:
    """One person sends as fast as ten thousand others."""
    plan = msgspec.structs.replace(
        bed.plan,
        key=bed.key,
        rate=HOT_RATE,
        seed=2,
        people=1,
        answers=str(bed.folder / "hot.json"),
    )
    path = bed.folder / "hot.plan"
    path.write_bytes(msgspec.json.encode(plan))
    process = spawn(program("generator", str(path)))
    try:
        yield
        process.wait(60)
    finally:
        end(process)
    answers = msgspec.json.decode(Path(plan.answers).read_bytes(), type=list[Answer])
    taken = sum(a.events for a in answers if a.status == OK)
    print(f"  the hot person sent {taken:,} events, of which were refused: {_refused(answers)}")


def _refused(answers: list[Answer]) -> int:
    return sum(a.events for a in answers if a.status != OK)


@contextmanager
def backfill(bed: Bed) -> Iterator[None]:
    """History of people who were never seen, as fast as the collector takes it."""
    file = bed.folder / "history.jsonl"
    start = datetime.now(UTC) - timedelta(days=200)
    with file.open("wb") as lines:
        for n in range(IMPORTED):
            call = {
                "type": "track",
                "event": "product_viewed",
                "userId": f"imported-{n}",
                "messageId": f"i{n}",
                "timestamp": (start + timedelta(minutes=n)).isoformat(),
                "properties": {"product_id": f"p-{n % 500}", "value": n % 90},
            }
            lines.write(orjson.dumps(call) + b"\n")
    command = [
        sys.executable,
        "-m",
        "kairos",
        "replay",
        str(file),
        "--url",
        bed.url,
        "--json",
    ]
    running = subprocess.Popen(
        [*command, "--key", bed.key], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        over = running.poll() is not None
        running.terminate()
        out, _ = running.communicate()
    if over:
        print(f"  {out.decode().splitlines()[-1][:SHOWN]}")
    else:
        print("  the import was not over when the quiet load was; ask for more --seconds")


def run(name: str, beside: Beside, rate: float, seconds: float) -> None:
    """Run once, and print what the quiet load's activations took."""
    over = lived(rate, seconds, 1, beside)
    answered = {a.scheduled_us: a.answered_us for a in over.done.answers if a.status == OK}
    counted = [
        arrival
        for arrival in over.handed
        if arrival[1].leaf != HOT and arrival[1].event.get("scheduled_us") in answered
    ]
    took, machine = quantiles(latencies(counted, answered)[0]), over.done.machine
    print(
        f"{name}: {took.count:,} activations, p50 {took.p50:.1f} ms, p99 {took.p99:.1f}, "
        f"p99.9 {took.p999:.1f}; hiccups p99 {machine.p99:.1f} ms; "
        f"{_refused(over.done.answers)} events refused",
        flush=True,
    )


CASES: dict[str, Beside] = {
    "alone": nobody,
    "beside a hot person": hot_person,
    "beside a backfill": backfill,
}


def main() -> int:
    """Compare."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks.crowding", description=__doc__)
    asked.add_argument("--rate", type=float, default=1_000)
    asked.add_argument("--seconds", type=float, default=60)
    asked.add_argument("--runs", type=int, default=1)
    chosen = asked.parse_args()
    for _ in range(chosen.runs):
        for name, beside in CASES.items():
            run(name, beside, chosen.rate, chosen.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
