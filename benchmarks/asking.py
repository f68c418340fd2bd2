"""How long does a shop's server wait for what is known of somebody?

    python -m benchmarks.asking --rate 2000 --seconds 60

`GET /v1/profiles/ID` under a server's key, on the whole embedded stack: once at rest, and once
while the load of `latency` goes on beside it. Open loop, so a question that leaves late is slow.
Whoever is asked for was told of before; the load knows others, and makes the engine busy.
"""

import argparse
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from benchmarks.asker import Asker
from benchmarks.child import program
from benchmarks.latency import Bed, lived
from benchmarks.quantiles import Quantiles

LEAD = 0.1  # share of the load before the first question beside it


def asked(bed: Bed, seconds: float) -> Quantiles:
    """Ask for so long, in a process of its own."""
    words = program("asker", bed.url, bed.key, str(seconds))
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE)
    return msgspec.json.decode(done.stdout, type=Quantiles)


def main(arguments: list[str]) -> int:
    """Run once and print both."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rate", type=float, default=2_000, help="events a second beside it")
    options.add_argument("--seconds", type=float, default=60, help="of each")
    chosen = options.parse_args(arguments)
    found: dict[str, Quantiles] = {}

    @contextmanager
    def asking(bed: Bed) -> Iterator[None]:
        Asker(bed.url, bed.key).introduce()
        found["at rest"] = asked(bed, chosen.seconds)

        def beside() -> None:
            time.sleep(chosen.seconds * LEAD)
            found["beside the load"] = asked(bed, chosen.seconds * (1 - LEAD))

        running = threading.Thread(target=beside)
        running.start()
        yield
        running.join()

    over = lived(chosen.rate, chosen.seconds, 1, asking)
    for name, took in found.items():
        print(
            f"{name}: {took.count:,} answers, p50 {took.p50:.1f} ms, p99 {took.p99:.1f}, "
            f"p99.9 {took.p999:.1f}, at most {took.max:.1f}"
        )
    print(f"load of {chosen.rate:,.0f} events/s; hiccups p99 {over.done.machine.p99:.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
