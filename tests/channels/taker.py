"""A process for test_vouchers: takes codes until it is killed, and says each that it was given.

Usage: python -m tests.channels.taker FOLDER FIRST NAME

Of its messages some are its own, and some are those of every taker.
"""

import sys
from itertools import count
from pathlib import Path

from channels.delivery.vouchers import Vouchers, VouchersUnusableError, Wanted


def main(folder: Path, first: int, name: str) -> None:
    vouchers = Vouchers(folder)
    for n in count(first):
        whose = (name, name, name, "all", "all")
        wanted = [Wanted("summer", f"{who}-{n}-{k}") for k, who in enumerate(whose)]
        try:
            given = vouchers.take(wanted, n)
        except VouchersUnusableError:  # the other one was quicker for five seconds
            continue
        for (_, activation), code in given.items():
            sys.stdout.write(f"{activation} {code}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
