"""Post calls through the collector, batch by batch, until each batch is on disk."""

import time
from itertools import count
from typing import Any

import httpx
import msgspec
import orjson

BATCH = 500  # events in a request
BYTES = 2 * 1024 * 1024  # of JSON in a request; the collector takes 4 MiB
AGAIN_S = (0.5, 1.0, 2.0, 5.0)  # pauses before a batch is posted again; Retry-After goes before
TRY_AGAIN = frozenset((408, 429, 500, 502, 503, 504))


class PostError(Exception):
    """The collector does not take events; the message says why and what to do."""


class Refused(msgspec.Struct, frozen=True):
    """An event that the collector did not accept; it waits among the dead letters."""

    line: int
    code: str
    message: str


class Posted(msgspec.Struct):
    """What came of everything posted so far."""

    accepted: int = 0
    refused: list[Refused] = msgspec.field(default_factory=list)


class Poster:
    """One connection to a collector; batches are posted in order, one at a time.

    Args:
        url: of the collector.
        key: a server write key.
        patience_s: how long a batch is tried.
    """

    def __init__(self, url: str, key: str, *, patience_s: float = 120.0) -> None:
        self._client = httpx.Client(base_url=url, auth=(key, ""), timeout=30.0)
        self._patience_s = patience_s
        self._import_id: str | None = None  # of the batch at hand
        self._lines: list[int] = []
        self._events: list[bytes] = []
        self._bytes = 0
        self.posted = Posted()

    def add(self, line: int, call: dict[str, Any], import_id: str | None) -> None:
        """Take one call; post the batch before it when that is full, or of another import.

        Args:
            line: of the file, from 1.
            call: as an SDK sends it.
            import_id: the import that it belongs to; None for an event of now.
        """
        event = orjson.dumps(call)
        full = len(self._events) == BATCH or self._bytes + len(event) > BYTES
        if full or import_id != self._import_id:
            self.flush()
            self._import_id = import_id
        self._lines.append(line)
        self._events.append(event)
        self._bytes += len(event)

    def flush(self) -> None:
        """Post what was taken, and return when it is on disk.

        Raises:
            PostError: the collector refuses the batch, or is away for too long.
        """
        if not self._events:
            return
        named = self._import_id
        frame = b"" if named is None else b'"importId":' + orjson.dumps(named) + b","
        answer = self._post(b"{" + frame + b'"batch":[' + b",".join(self._events) + b"]}")
        self.posted.accepted += answer["accepted"]
        for one in answer.get("rejected", ()):
            line = self._lines[one["index"]]
            self.posted.refused.append(Refused(line, one["code"], one["message"]))
        self._lines, self._events, self._bytes = [], [], 0

    def _post(self, body: bytes) -> dict[str, Any]:
        until = time.monotonic() + self._patience_s
        for attempt in count():
            pause = AGAIN_S[min(attempt, len(AGAIN_S) - 1)]
            try:
                answer = self._client.post("/v1/batch", content=body)
            except httpx.TransportError as error:
                why = f"no answer from {self._client.base_url}: {error}"
            else:
                if answer.status_code == 200:
                    found: dict[str, Any] = orjson.loads(answer.content)
                    return found
                why = f"the collector answers {answer.status_code}: {answer.text[:300]}"
                if answer.status_code not in TRY_AGAIN:
                    raise PostError(why)
                pause = _retry_after(answer) or pause
            if time.monotonic() + pause > until:
                break
            time.sleep(pause)
        raise PostError(f"{why}; what was accepted counts once, so the same command goes on")

    def close(self) -> None:
        """Close the connection; what was not flushed is not posted."""
        self._client.close()


def _retry_after(answer: httpx.Response) -> float:
    stated = answer.headers.get("retry-after", "")
    return float(stated) if stated.isdigit() else 0.0
