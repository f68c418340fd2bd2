"""Run seeds of the simulator, or see whether planted faults are found.

python -m tests.simulation --seeds 0:1000 --processes 2
python -m tests.simulation --seed 17 --trace
python -m tests.simulation faults [NAME ...] [--write]
"""

import argparse
import sys
import time

from tests.simulation import planted
from tests.simulation.seeds import verdict, verdicts

EVERY = 20  # seeds between two lines of progress
SHOWN = 60  # characters of what a seed says of a planted fault


def main() -> int:
    """Return 0 where everything held, or every planted fault was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("what", nargs="*", help="`faults`, and names of planted faults")
    parser.add_argument("--seeds", default="0:1000", metavar="FROM:TO", help="which seeds to run")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep-going", action="store_true", help="do not end at the first failure")
    parser.add_argument("--write", action="store_true", help="note which seed finds each fault")
    parser.add_argument("--seed", type=int, help="run one seed")
    parser.add_argument("--trace", action="store_true", help="show the whole trace of that seed")
    chosen = parser.parse_args()
    first, last = (int(part) for part in chosen.seeds.split(":"))
    if chosen.what[:1] == ["faults"]:
        return faults(chosen.what[1:], range(first, last), write=chosen.write)
    if chosen.seed is not None:
        return one(chosen.seed, whole=chosen.trace)
    return many(range(first, last), chosen.processes, keep_going=chosen.keep_going)


def one(seed: int, *, whole: bool) -> int:
    """Run one seed."""
    found = verdict(seed, kept=None)
    if whole:
        print("\n".join(found.trace))
    print(found.report() if found.wrong else f"seed {seed} holds, trace {found.hash}")
    return 1 if found.wrong else 0


def many(seeds: range, processes: int, *, keep_going: bool) -> int:
    """Run many seeds."""
    start, failed = time.monotonic(), []
    for nth, found in enumerate(verdicts(seeds, processes), 1):
        if found.wrong:
            failed.append(found.seed)
            print(found.report() if len(failed) == 1 else f"seed {found.seed}: {found.wrong[0]}")
            if not keep_going:
                return 1
        if nth % EVERY == 0 or nth == len(seeds):
            rate = nth / (time.monotonic() - start)
            print(
                f"{nth} of {len(seeds)} seeds, {rate:.2f} a second, {len(failed)} failed",
                flush=True,
            )
    if failed:
        print(f"failed: {failed}")
    return 1 if failed else 0


def faults(names: list[str], seeds: range, *, write: bool) -> int:
    """Plant each fault in a copy of the code, and report the first seed that finds it."""
    missed = 0
    for fault in planted.known():
        if names and fault.name not in names:
            continue
        start = time.monotonic()
        found = planted.first_found(fault, seeds)
        took = time.monotonic() - start
        if found is None:
            missed += 1
            print(f"{fault.name:32} is not found ({took:.0f} s)", flush=True)
            continue
        if write:
            planted.note(fault, found)
        said = f"seed {found.seed} {found.check}: {found.says[:SHOWN]}"
        print(f"{fault.name:32} {said} ({took:.0f} s)", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
