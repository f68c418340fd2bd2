"""Sends the shop's requests over HTTP at their rate, as patiently as an SDK: nothing is given up.

The load is open: a request is due by its own time, not by the answer to the one before. Where
the collector falls behind, a short queue fills and the requests leave late; `sentAt` was written
for their due time, and the collector's clock correction moves their events by as much.
"""

import asyncio
import base64
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import httpx
import msgspec
import orjson

from collector.keys import Kind
from kairos.demo.request import Request, Truth

CONNECTIONS = 6
QUEUE = 64  # requests that may be due at once
AGAIN = frozenset({408, 429, 500, 502, 503, 504})  # "sent again as it is", says docs/errors.md
PAUSES_S = (0.1, 0.2, 0.4, 0.8, 1.6)  # between tries; the last one stays


class DriveError(Exception):
    """The collector refuses the shop; the message says what it answered."""


class Tally(msgspec.Struct):
    """What was sent, and what the collector said to it."""

    requests: int = 0
    accepted: int = 0
    rejected: int = 0  # by the door, which keeps them as dead letters
    retries: int = 0  # requests sent once more
    uncertain: int = 0  # events of tries without an answer: the log may have them once more
    trouble: Counter[str] = msgspec.field(default_factory=Counter)  # why, by kind
    truth: Truth = Truth()  # of the requests that were answered

    @property
    def taken(self) -> int:
        """Events that the collector has written into the log, good or bad."""
        return self.accepted + self.rejected


class Driver:
    """Drives a collector.

    Args:
        url: of the collector.
        keys: a write key of each kind.
    """

    def __init__(self, url: str, keys: Mapping[Kind, str]) -> None:
        self.tally = Tally()
        self._url = url
        self._auth = {
            kind: "Basic " + base64.b64encode(f"{key}:".encode()).decode()
            for kind, key in keys.items()
        }

    async def run(self, requests: Iterator[Request], stop: asyncio.Event) -> None:
        """Send requests until `stop`, and return when those begun are answered.

        Raises:
            DriveError: the collector refuses a request for good.
        """
        queue: asyncio.Queue[Request | None] = asyncio.Queue(QUEUE)
        limits = httpx.Limits(max_connections=CONNECTIONS)
        async with httpx.AsyncClient(
            base_url=self._url, timeout=10, limits=limits, trust_env=False
        ) as client:
            try:
                async with asyncio.TaskGroup() as tasks:
                    for _ in range(CONNECTIONS):
                        tasks.create_task(self._send_all(client, queue))
                    await _pace(requests, queue, stop)
                    for _ in range(CONNECTIONS):
                        await queue.put(None)
            except BaseExceptionGroup as errors:
                refused, others = errors.split(DriveError)
                if others is not None or refused is None:
                    raise
                raise DriveError(str(refused.exceptions[0])) from None

    async def _send_all(
        self, client: httpx.AsyncClient, queue: asyncio.Queue[Request | None]
    ) -> None:
        while (request := await queue.get()) is not None:
            await self._send(client, request)

    async def _send(self, client: httpx.AsyncClient, request: Request) -> None:
        """Send a request until it is answered."""
        headers = {"content-type": request.content_type, "authorization": self._auth[request.key]}
        tries = 0
        while True:
            try:
                answer = await client.post(request.path, content=request.body, headers=headers)
                if answer.status_code not in AGAIN:
                    self._count(request, answer)
                    return
            except httpx.TransportError as error:
                self.tally.trouble[type(error).__name__] += 1
            else:
                self.tally.trouble[f"http {answer.status_code}"] += 1
            self.tally.retries += 1
            self.tally.uncertain += request.truth.events
            await asyncio.sleep(PAUSES_S[min(tries, len(PAUSES_S) - 1)])
            tries += 1

    def _count(self, request: Request, answer: httpx.Response) -> None:
        said: dict[str, Any] = orjson.loads(answer.content)
        if answer.status_code == 200:
            accepted, rejected = said["accepted"], len(said.get("rejected", ()))
        else:
            accepted, rejected = 0, 1
        if accepted + rejected != request.truth.events or answer.status_code == 401:
            raise DriveError(
                f"{request.path} with {request.truth.events} event(s) was answered "
                f"{answer.status_code}: {answer.text[:300]}"
            )
        self.tally.requests += 1
        self.tally.accepted += accepted
        self.tally.rejected += rejected
        self.tally.truth += request.truth


async def _pace(
    requests: Iterator[Request], queue: asyncio.Queue[Request | None], stop: asyncio.Event
) -> None:
    """Hand on each request when it is due."""
    clock = asyncio.get_running_loop().time
    start = clock()
    for request in requests:
        early = start + request.at - clock()
        if early > 0:
            with suppress(TimeoutError):  # nobody stopped us: it is due
                await asyncio.wait_for(stop.wait(), early)
        if stop.is_set():
            return
        await queue.put(request)
