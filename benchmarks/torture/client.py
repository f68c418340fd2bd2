"""The load, and the first half of the books: what a client knows to be confirmed.

It does what SDKs do: what was not confirmed goes again, with the same message ids. Some of what was
confirmed goes again on purpose, at once or much later. A line is written for each batch after its
200, and is what the books go by: who, and (message id, leaf, event) for each of its events.
"""

import threading
import time
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import orjson

from benchmarks.bed import BenchError

PATIENCE_S = 60.0  # until a batch must be confirmed, whatever is killed meanwhile
AGAIN_S = 0.05  # between two tries
THREADS = 4
LATER = 500  # people after whom a late copy comes


class UnansweredError(BenchError):
    """A batch was not confirmed in time, or was refused."""


class Client:
    """Sends people's lives over HTTP until it is stopped. Use it as a context manager.

    Args:
        url: of the collector.
        key: a server's write key, whose word on addresses is believed.
        record: the file of what was confirmed.
        per_s: people a second, all threads together.
    """

    def __init__(self, url: str, key: str, record: Path, per_s: float) -> None:
        self._url, self._key, self._pause_s = url, key, THREADS / per_s
        # Unbuffered: a line is in the kernel's hands when the next batch goes.
        self._record = record.open("ab", buffering=0)
        self._recording = threading.Lock()
        self._numbers = count(1)
        self._confirmed: set[int] = set()  # people whose copies may come
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(THREADS)]
        self._failed: BaseException | None = None
        self._patience_s = PATIENCE_S
        self.resent = 0  # events whose answer did not come, sent again
        self.copied = 0  # events sent again on purpose

    def __enter__(self) -> "Client":
        """Start sending."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stop, when everything sent is confirmed; at once, where something else has failed.

        Raises:
            UnansweredError: something was not.
        """
        self._patience_s = PATIENCE_S if kind is None else 0.0
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._record.close()
        if self._failed is not None and kind is None:
            raise self._failed

    def one(self) -> str:
        """Send one person's life over a connection of its own; returns who it was."""
        with self._connected() as http:
            return self._live(http, copies=False)

    def _run(self) -> None:
        try:
            with self._connected() as http:
                while not self._stop.wait(self._pause_s):
                    self._live(http, copies=True)
        except UnansweredError as error:
            self._failed = error

    def _connected(self) -> httpx.Client:
        return httpx.Client(base_url=self._url, auth=(self._key, ""), timeout=10)

    def _live(self, http: httpx.Client, *, copies: bool) -> str:
        n = next(self._numbers)
        batches = life(n)
        for batch in batches:
            self._post(http, batch)
            line = [[e["messageId"], leaf_of(e), e.get("event", "identify")] for e in batch]
            with self._recording:
                self._record.write(orjson.dumps({"user": f"u{n}", "events": line}) + b"\n")
        if copies:
            self._confirmed.add(n)
        if copies and n % 7 == 0:
            self._copy(http, n if n % 2 else n - LATER)
        return f"u{n}"

    def _copy(self, http: httpx.Client, n: int) -> None:
        if n in self._confirmed:
            batch = life(n)[-1]
            self._post(http, batch)
            with self._recording:
                self.copied += len(batch)

    def _post(self, http: httpx.Client, batch: list[dict[str, Any]]) -> None:
        began = time.monotonic()
        while time.monotonic() - began < self._patience_s:
            try:
                answer = http.post("/v1/batch", json={"batch": batch})
            except httpx.HTTPError:
                pass  # reset, refused or late: nobody knows whether it is in
            else:
                if answer.status_code == 200 and answer.json()["accepted"] == len(batch):
                    return
                if answer.status_code != 503:
                    raise UnansweredError(f"{answer.status_code} {answer.text}")
            with self._recording:
                self.resent += len(batch)
            time.sleep(AGAIN_S)
        raise UnansweredError(f"a batch was not confirmed within {PATIENCE_S:.0f} s")


def life(n: int) -> list[list[dict[str, Any]]]:
    """Return what the n-th person does, batch by batch; who is owed what follows from it.

    Everybody looks around on a device, and says who they are. A fifth sign up, a quarter order, a
    third fill a cart; who orders does so in the cart's own batch, so that no reminder is owed. Two
    fifths have a second device, which joins before the first one does or after it.
    """
    user = {"userId": f"u{n}"}
    first, second = {"anonymousId": f"d{n}"}, {"anonymousId": f"e{n}"}
    traits = {"email": f"u{n}@shop.example", "firstName": f"Ana {n}"}
    looks = [_track("product_viewed", first) for _ in range(2)]
    known = [{"type": "identify", **user, **first, "traits": traits}]
    known += [_track("signed_up", user)] * (n % 5 == 0)
    known += [_track("cart_updated", user)] * (n % 3 == 0)
    known += [_track("order_completed", user, who=f"u{n}")] * (n % 4 == 0)
    known += [_track("product_viewed", first)]
    other = [_track("product_viewed", second), {"type": "identify", **user, **second}]
    batches = [looks, known]
    if n % 5 in (1, 2):
        batches.insert(n % 5, other)
    numbers = count()
    return [[{**e, "messageId": f"u{n}-{next(numbers)}"} for e in batch] for batch in batches]


def _track(event: str, whose: dict[str, str], **properties: str) -> dict[str, Any]:
    return {"type": "track", "event": event, **whose, "properties": properties}


def leaf_of(event: dict[str, Any]) -> str:
    """Say whose fact an event is: the user's where it names one, else the device's.

    >>> leaf_of({"userId": "u1", "anonymousId": "d1"}), leaf_of({"anonymousId": "d1"})
    ('user_id:u1', 'anonymous_id:d1')
    """
    if "userId" in event:
        return f"user_id:{event['userId']}"
    return f"anonymous_id:{event['anonymousId']}"
