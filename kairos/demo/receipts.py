"""What has arrived in the outside world: one line of JSON each, written before it is confirmed.

The file outlives a kill of everything, so that a later run knows what came in an earlier one.
"""

from collections import Counter
from pathlib import Path
from typing import Any, Self

import orjson


class Receipts:
    """An append-only record. Not for several threads.

    Args:
        path: of the file; what it holds counts.
        run: names this run in new lines.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "receipts.jsonl"
    >>> with Receipts(path, "r1") as seen:
    ...     seen.add("email", "m1", 5), seen.add("email", "m1", 6), seen.add("email", "m2", 7)
    (True, False, True)
    >>> with Receipts(path, "r2") as seen:
    ...     seen.distinct("email"), seen.twice("email")
    (2, 1)
    """

    def __init__(self, path: Path, run: str) -> None:
        self._run = run
        self._seen: dict[str, Counter[str]] = {}
        self._here: set[tuple[str, str]] = set()
        self.repeated_here = 0  # second copies of what came first in this very run
        if path.exists():
            for line in path.read_bytes().splitlines():
                row = orjson.loads(line)
                self._seen.setdefault(row["channel"], Counter())[row["id"]] += 1
        # Unbuffered: a line is in the kernel's hands, whatever becomes of us, when `add` returns.
        self._file = path.open("ab", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, channel: str, what: str, at_ms: int, **more: Any) -> bool:
        """Record an arrival; False when the same has arrived before."""
        seen = self._seen.setdefault(channel, Counter())
        first = what not in seen
        line = {"channel": channel, "id": what, "at": at_ms, "run": self._run, **more}
        self._file.write(orjson.dumps(line) + b"\n")
        seen[what] += 1
        if first:
            self._here.add((channel, what))
        elif (channel, what) in self._here:
            self.repeated_here += 1
        return first

    def distinct(self, channel: str) -> int:
        """Return how many different messages have arrived, over all runs."""
        return len(self._seen.get(channel, ()))

    def twice(self, channel: str) -> int:
        """Return how many messages have arrived more than once, over all runs."""
        return sum(n > 1 for n in self._seen.get(channel, Counter()).values())
