"""The process that asks for people, for `benchmarks.asking`: python -m benchmarks.asker URL KEY SECONDS.

It prints the quantiles of what answers took, as JSON.
"""

import random
import sys
import threading
import time
from contextlib import AbstractContextManager, closing
from http.client import HTTPConnection
from queue import SimpleQueue
from urllib.parse import urlsplit

import msgspec
import orjson

from benchmarks.bed import BenchError
from benchmarks.quantiles import Quantiles, quantiles

PEOPLE = 5_000  # who can be asked for
BATCH = 500
CONNECTIONS = 8
EACH_S = 0.02  # between two questions
PATIENCE_S = 60.0
OK = 200


class Asker:
    """Asks for somebody at instants that were fixed before the first of them."""

    def __init__(self, url: str, key: str) -> None:
        at = urlsplit(url)
        self._host, self._port = at.hostname or "", at.port or 0
        self._head = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._draw = random.Random(1)

    def introduce(self) -> None:
        """Tell the engine of everybody who will be asked for, and wait until it knows them.

        Raises:
            BenchError: it does not.
        """
        with self._line() as line:
            for first in range(0, PEOPLE, BATCH):
                batch = [
                    {"type": "identify", "userId": f"asked-{n}", "traits": {"plan": "gold", "n": n}}
                    for n in range(first, first + BATCH)
                ]
                line.request("POST", "/v1/batch", orjson.dumps({"batch": batch}), self._head)
                line.getresponse().read()
            until = time.monotonic() + PATIENCE_S
            while self._ask(line, PEOPLE - 1) != OK:
                if time.monotonic() > until:
                    raise BenchError("the engine does not know whom it was told of")
                time.sleep(0.1)

    def ask(self, seconds: float) -> Quantiles:
        """Ask for so long; returns ms from when it should have been asked.

        Raises:
            BenchError: an answer was another than 200.
        """
        due: SimpleQueue[float | None] = SimpleQueue()
        took: list[float] = []
        wrong: list[int] = []

        def serve() -> None:
            with self._line() as line:
                while (at := due.get()) is not None:
                    status = self._ask(line, self._draw.randrange(PEOPLE))
                    took.append((time.monotonic() - at) * 1000)
                    if status != OK:
                        wrong.append(status)

        lines = [threading.Thread(target=serve) for _ in range(CONNECTIONS)]
        for one in lines:
            one.start()
        began = time.monotonic()
        for nth in range(int(seconds / EACH_S)):
            at = began + nth * EACH_S
            time.sleep(max(0.0, at - time.monotonic()))
            due.put(at)
        for _ in lines:
            due.put(None)
        for one in lines:
            one.join()
        if wrong:
            raise BenchError(
                f"of {len(took)} answers {len(wrong)} were others than 200: {wrong[0]}"
            )
        return quantiles(took)

    def _line(self) -> AbstractContextManager[HTTPConnection]:
        return closing(HTTPConnection(self._host, self._port, timeout=PATIENCE_S))

    def _ask(self, line: HTTPConnection, number: int) -> int:
        line.request("GET", f"/v1/profiles/user_id:asked-{number}", headers=self._head)
        answer = line.getresponse()
        answer.read()
        return answer.status


if __name__ == "__main__":
    url, key, seconds = sys.argv[1:]
    took = Asker(url, key).ask(float(seconds))
    sys.stdout.buffer.write(msgspec.json.encode(took))
