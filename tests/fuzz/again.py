"""Files thrown at a target once more, without instruments: python -m tests.fuzz.again NAME FILE...

Prints a line of JSON each: what it took of CPU in ms, and what was raised. Also how a finding is seen
again by hand.
"""

import gc
import importlib
import json
import sys
import time
import traceback
from pathlib import Path


def main(name: str, files: list[Path]) -> int:
    """Try each file; returns how many of them raise."""
    target = importlib.import_module(f"tests.fuzz.targets.{name}")
    for seed in target.seeds():
        target.one(seed)
    gc.freeze()  # as the collector does, which is asked by strangers
    gc.set_threshold(100_000, 50, 50)
    raised = 0
    for path in files:
        data, error = path.read_bytes(), ""
        began = time.process_time()
        try:
            target.one(data)
        except BaseException:  # noqa: BLE001 - whatever it is, it is the finding
            error, raised = traceback.format_exc(limit=-4), raised + 1
        ms = 1000 * (time.process_time() - began)
        print(json.dumps({"file": str(path), "ms": round(ms, 1), "error": error}), flush=True)
    return raised


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1], [Path(name) for name in sys.argv[2:]]) else 0)
