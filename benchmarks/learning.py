"""What does it cost in latency that models are learnt beside it?

    python -m benchmarks.learning --rate 2000 --seconds 40 --rounds 3

The load of `latency` on the whole embedded stack, in turn without models and with all of them, whose
learner is a process of its own and reads along. No score is asked for: what that costs the engine is
what `benchmarks.models` says.
"""

import argparse
import statistics
import sys

from benchmarks.beside import beside
from benchmarks.latency import Latency, judged, lived

WAYS = {"no models": False, "all models": True}


def main(arguments: list[str]) -> int:
    """Run some rounds, and print each and the medians."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rate", type=float, default=2_000, help="events a second")
    options.add_argument("--seconds", type=float, default=40, help="of each run")
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args(arguments)
    found: dict[str, list[Latency]] = {way: [] for way in WAYS}
    for _ in range(chosen.rounds):
        for way, learning in WAYS.items():
            run = lived(chosen.rate, chosen.seconds, 1, learning=learning)
            found[way].append(one := judged(run))
            looks = run.done.looks
            cores = beside(looks, looks[0].at, looks[-1].at).cpu
            print(
                f"{way}: p50 {one.p50_ms:.1f} ms, p99 {one.p99_ms:.1f}, the 200 at p99 after "
                f"{one.ack_p99_ms:.1f}; hiccups p99 {one.hiccup_p99_ms:.1f} ms; cores: live "
                f"{cores['live']:.2f}, learner {cores.get('learn', 0.0):.2f}",
                flush=True,
            )
    for way, runs in found.items():
        p50 = statistics.median(one.p50_ms for one in runs)
        p99 = statistics.median(one.p99_ms for one in runs)
        print(f"{way}, at the median: p50 {p50:.1f} ms, p99 {p99:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
