"""A process for test_vouchers: takes codes until it is killed, and says each that it was given.

Usage: python -m tests.channels.taker FOLDER FIRST STEP
"""

import sys
from itertools import count
from pathlib import Path

from channels.delivery.vouchers import Vouchers, Wanted

AT_ONCE = 5


def main(folder: Path, first: int, step: int) -> None:
    vouchers = Vouchers(folder)
    for n in count(first, step):
        wanted = [Wanted("summer", f"a{n * AT_ONCE + k}") for k in range(AT_ONCE)]
        for (_, activation), code in vouchers.take(wanted, n).items():
            sys.stdout.write(f"{activation} {code}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
