"""Files thrown at a target once more, without instruments: python -m tests.fuzz.again NAME FILE...

Prints a line of JSON each: what it took of CPU in ms, and what was raised. Also how a finding is seen
again by hand. The same machine is twice as slow while others share its cores, and its CPU time is no
less then: so time is that of a machine that does some known work in `YARD_MS`.
"""

import gc
import importlib
import json
import sys
import time
import traceback
from pathlib import Path

YARD_MS = 18.0  # of the machine that the bounds stand for


def yard() -> float:
    """Return how many ms some known work takes now: objects, strings and a dictionary."""
    began, counts = time.process_time(), dict[str, int]()
    for n in range(60_000):
        counts[str(n % 1_000)] = counts.get(str(n % 500), 0) + n
    return 1000 * (time.process_time() - began)


def main(name: str, files: list[Path]) -> int:
    """Try each file; returns how many of them raise."""
    target = importlib.import_module(f"tests.fuzz.targets.{name}")
    for seed in target.seeds():
        target.one(seed)
    gc.freeze()  # as the collector does, which is asked by strangers
    gc.set_threshold(100_000, 50, 50)
    raised = 0
    for path in files:
        data, error, before = path.read_bytes(), "", yard()
        began = time.process_time()
        try:
            target.one(data)
        except BaseException:  # noqa: BLE001 - whatever it is, it is the finding
            error, raised = traceback.format_exc(limit=-4), raised + 1
        ms = 1000 * (time.process_time() - began) * YARD_MS / ((before + yard()) / 2)
        print(json.dumps({"file": str(path), "ms": round(ms, 1), "error": error}), flush=True)
    return raised


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1], [Path(name) for name in sys.argv[2:]]) else 0)
