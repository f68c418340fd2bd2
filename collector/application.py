"""The door without a transport: decides, waits for the log, counts, drains. Adapters carry it.

An adapter reads HTTP, hands over each `Request` with its whole body, and sends the answer. It
keeps answers in order, and bounds what it holds by `door.caps` and `body_seconds`.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple, TypeVar

import msgspec

from collector.commit import GroupCommit, OverloadedError
from collector.cors import with_cors
from collector.door import Door
from collector.fetching import Fetcher
from collector.handle import handle
from collector.keys import KeyRing
from collector.metrics import Figures
from collector.onsite.hub import Hub
from collector.onsite.message import Onsite
from collector.onsite.receipts import receipts
from collector.outcome import (
    Accepted,
    Ask,
    Behind,
    Fetch,
    Later,
    Listen,
    Look,
    Outcome,
    Pause,
    Unheard,
    Withdraw,
)
from collector.request import Answer, Request, Response
from collector.respond import failure
from events.sources.base import Appender, LogUnavailableError

_A = TypeVar("_A", Response, Answer)

_log = logging.getLogger(__name__)

# Some of the body was not read, so the connection cannot carry another request.
CLOSE = (b"connection", b"close")


Asks = Callable[[list[str], int, str], Awaitable[tuple[str, bytes]]]


async def _nobody_answers(_identifiers: list[str], _entry: int, _channel: str) -> tuple[str, bytes]:
    return "away", b""


Withdraws = Callable[[str, list[str], str, int], Awaitable[None]]


class Application:
    """What is behind the door of a collector.

    `counters` holds what happened since the start: `accepted` and `rejected` events, and
    requests by status (`status_200`, …).

    Example (`log` being any Appender):

        app = Application(Door(KeyRing.load(path)), log)
        uvicorn.run(Collector(app), access_log=False)
    """

    def __init__(
        self,
        door: Door,
        appender: Appender,
        *,
        commit: GroupCommit | None = None,
        body_seconds: float = 15.0,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        fetcher: Fetcher | None = None,
        ask: Asks = _nobody_answers,
        withdraw: Withdraws | None = None,
        onsite: Hub | None = None,
        behind: int = 10_000,
    ) -> None:
        """Open the door.

        Args:
            door: keys and limits.
            appender: the log; closed with the application.
            commit: a group commit over `appender` with limits of its own.
            body_seconds: how long a body may take to arrive.
            now_us: the clock, us since 1970.
            fetcher: of what the door itself asks for.
            ask: asks the engine about somebody, as of an entry of the log; for a channel, what they
                allow on it.
            withdraw: tells workers what somebody's leaf takes back: purposes, a channel, and when
                (ms). What it cannot tell them it lets be; None tells nobody.
            onsite: what is shown on the website, None where nothing is; closed with the application.
            behind: answers at most behind which something is still done; a click takes a second.
        """
        self.door = msgspec.structs.replace(door, figures=Figures())
        self.body_seconds = body_seconds
        self.counters = self.door.figures.counters
        self._appender = appender
        self._commit = commit or GroupCommit(appender)
        self._now_us = now_us
        self._fetcher = fetcher or Fetcher()
        self._ask = ask
        self._withdraw = withdraw
        self._onsite = onsite
        self.door.figures.gauges |= {
            "waiting_bytes": lambda: self._commit.waiting_bytes,
            "ready": lambda: float(self.door.ready and self.door.room),
        }
        self._later: set[asyncio.Task[None]] = set()
        self._behind: set[asyncio.Task[None]] = set()
        self._most_behind = behind

    def use(self, keys: KeyRing) -> None:
        """Let another set of keys in from the next request on."""
        self.door = msgspec.structs.replace(self.door, keys=keys)

    def room(self, there_is: bool) -> None:
        """Take in events, or answer 503 until there is room for them again."""
        self.door = msgspec.structs.replace(self.door, room=there_is)

    @property
    def appended(self) -> int:
        """The id of the last entry that went into the log, -1 before the first."""
        return self._commit.appended

    def drain(self) -> None:
        """Answer 503 from now on; what is in flight is finished."""
        self.door = msgspec.structs.replace(self.door, ready=False)
        if self._onsite is not None:
            self._onsite.end()

    async def close(self) -> None:
        """Take nothing more, and return when all that was taken is in the log."""
        self.drain()
        await asyncio.gather(*self._behind)
        await self._commit.drained()
        await self._appender.close()
        if self._onsite is not None:
            await self._onsite.close()

    async def answer(self, request: Request) -> Answer:
        """Answer a request once its records are durable. Never raises."""
        told: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def tell(answer: Answer) -> None:
            if not told.done():  # its client may have left
                told.set_result(answer)

        self.answering(request, tell)
        return await told

    def answering(self, request: Request, then: Callable[[Answer], None]) -> None:
        """Call `then` with the answer: at once, or as soon as its records are durable.

        The same as `answer`, without a task for the usual request. Never raises, unless `then` does.
        """
        done = self._begin(request)
        if isinstance(done, Later):
            self._run(self._answering(request, done, then))
        else:
            self._finish(request, done, then)

    async def _answering(
        self, request: Request, done: Later, then: Callable[[Answer], None]
    ) -> None:
        self._finish(request, await self._carried_out(request, done), then)

    def _finish(
        self, request: Request, done: Answer | Accepted | Behind, then: Callable[[Answer], None]
    ) -> None:
        if isinstance(done, Behind):
            self._do_behind(request, done)
            done = done.response
        if not isinstance(done, Accepted):
            then(self._counted(done))
            return
        taken = self._taken(request, done)
        shown = receipts(done.records) if self._onsite is not None else []
        ended = partial(self._then, taken, self._showing(shown, then) if shown else then)
        try:
            self._commit.enqueue(done.records, done.size, ended)
        except Exception as failed:  # noqa: BLE001 - each is told from the others, and answered
            ended(failed)

    def _taken(self, request: Request, done: Accepted) -> "_Taken":
        # Neither the body nor the records are kept until the log has them.
        asked = Request(request.method, request.path, headers=request.headers)
        accepted = len(done.records) - done.rejected
        return _Taken(
            asked,
            done.response,
            accepted,
            done.rejected,
            done.settle,
            self._now_us(),
            done.busy,
        )

    def _do_behind(self, request: Request, done: Behind) -> None:
        """Do what an answer leaves to be done; what there is no room for is counted."""
        if len(self._behind) >= self._most_behind:
            self.counters["unkept"] += 1
            return
        doing = asyncio.get_running_loop().create_task(self._doing(request, done.then))
        self._behind.add(doing)  # until it ends, which a close waits for
        doing.add_done_callback(self._behind.discard)

    async def _doing(self, request: Request, then: Later | Accepted) -> None:
        done = await self._carried_out(request, then) if isinstance(then, Later) else then
        if not isinstance(done, Accepted):
            return
        taken = self._taken(request, done)
        kept: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        try:
            self._commit.enqueue(done.records, done.size, kept.set_result)
        except Exception as failed:  # noqa: BLE001 - as above
            kept.set_result(failed)
        self._end(taken, await kept)
        if kept.result() is not None:
            self.counters["unkept"] += len(done.records)

    async def _waiting(self, browser: str) -> list[Onsite] | None:
        return [] if self._onsite is None else await self._onsite.waiting(browser)

    def _listening(self, browser: str, last: str) -> AsyncIterator[bytes] | Unheard:
        return "off" if self._onsite is None else self._onsite.listen(browser, last) or "full"

    def _showing(
        self, shown: list[tuple[str, str]], then: Callable[[Answer], None]
    ) -> Callable[[Answer], None]:
        """Have what browsers say they showed taken away before they are told 200."""

        async def take_away(answer: Answer) -> None:
            assert self._onsite is not None
            await self._onsite.showed(shown)
            then(answer)

        def told(answer: Answer) -> None:
            if answer.status == 200:
                self._run(take_away(answer))
            else:
                then(answer)

        return told

    def _run(self, task: Coroutine[Any, Any, None]) -> None:
        running = asyncio.get_running_loop().create_task(task)
        self._later.add(running)  # or nobody would hold it
        running.add_done_callback(self._later.discard)

    async def _carried_out(self, request: Request, outcome: Outcome) -> Answer | Accepted | Behind:
        """Do what an answer takes."""
        try:
            while True:
                match outcome:
                    case Pause(seconds=seconds, then=then):
                        await asyncio.sleep(seconds)
                        outcome = then(self._now_us())
                    case Fetch(url=url, then=then_with):
                        found = await self._fetcher.get(url)
                        outcome = then_with(found, self._now_us())
                    case Ask(identifiers=identifiers, then=then_told, channel=channel):
                        told, view = await self._ask(identifiers, self.appended, channel)
                        outcome = then_told(told, view, self._now_us())
                    case Look(browser=browser, then=then_shown):
                        outcome = then_shown(await self._waiting(browser), self._now_us())
                    case Listen(browser=browser, last=last, then=then_heard):
                        outcome = then_heard(self._listening(browser, last), self._now_us())
                    case Withdraw(
                        leaf=leaf, purposes=purposes, channel=channel, time=since, then=then
                    ):
                        if self._withdraw is not None:
                            await self._withdraw(leaf, purposes, channel, since)
                        outcome = then(self._now_us())
                    case _:
                        return outcome
        except Exception as error:  # noqa: BLE001 - a bug must not look like a network error
            return _bug(request, error)

    def too_large(self, request: Request, *, unread: bool) -> Response:
        """Refuse a body; where some of it is unread the connection must close."""
        much = f"the body has more than {self.door.caps.body_bytes} bytes"
        return self.refused(request, 413, "request_too_large", much, close=unread)

    def too_slow(self, request: Request) -> Response:
        """Refuse a body that did not arrive in time; the connection must close."""
        slow = f"the body did not arrive within {self.body_seconds:g} s"
        return self.refused(request, 408, "request_timeout", slow, close=True)

    def refused(
        self, request: Request, status: int, code: str, message: str, *, close: bool
    ) -> Response:
        """Refuse a request for what is wrong with how it came."""
        answer = failure(status, code, message)
        if close:
            answer = msgspec.structs.replace(answer, headers=(*answer.headers, CLOSE))
        return self._counted(with_cors(request, answer))

    def _begin(self, request: Request) -> Outcome:
        try:
            return handle(request, self.door, self._now_us())
        except Exception as error:  # noqa: BLE001 - a bug must not look like a network error
            return _bug(request, error)

    def _then(
        self, taken: "_Taken", then: Callable[[Answer], None], failed: Exception | None
    ) -> None:
        then(self._counted(self._end(taken, failed)))

    def _end(self, taken: "_Taken", failed: Exception | None) -> Response:
        taken.settle(failed is None)
        match failed:
            case None:
                self._count(taken)
                return taken.response
            case LogUnavailableError() | OverloadedError() if taken.busy is not None:
                return taken.busy
            case LogUnavailableError():
                lost = "the log did not confirm these events; send them again"
                return with_cors(taken.request, failure(503, "log_unavailable", lost))
            case OverloadedError():
                busy = "too many events are waiting for the log; send these again"
                return with_cors(taken.request, failure(503, "overloaded", busy))
            case _:
                return _bug(taken.request, failed)

    def _count(self, taken: "_Taken") -> None:
        self.counters["accepted"] += taken.accepted
        self.counters["rejected"] += taken.rejected
        self.door.figures.took.add((self._now_us() - taken.since_us) / 1e6)

    def _counted(self, answer: _A) -> _A:
        self.counters[f"status_{answer.status}"] += 1
        return answer


class _Taken(NamedTuple):
    """What is left of a request while its records wait for the log."""

    request: Request  # without its body
    response: Response  # once they are durable
    accepted: int  # events
    rejected: int
    settle: Callable[[bool], None]  # told whether they were kept
    since_us: int  # when it was parsed
    busy: Response | None  # where they cannot be


def _bug(request: Request, error: Exception) -> Response:
    told = "a bug in the collector; nothing of this request was confirmed"
    _log.error(told, exc_info=error)
    bug = "the collector failed; send these events again"
    return with_cors(request, failure(500, "internal_error", bug))
