"""`/v1/stream`: what a browser shows, as server-sent events.

Whoever knows an anonymous id is that browser: the id is random and no page of anybody else's has
it. So nothing else is asked for but a write key, which is public.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from urllib.parse import parse_qs

import msgspec
from redis.exceptions import RedisError

from collector.cors import with_cors
from collector.credentials import from_head
from collector.keys import KeyRing
from collector.onsite.hub import Hub
from collector.onsite.message import BROWSER, Onsite
from collector.request import Request, Response, Streaming
from collector.respond import failure
from events.record import DeadLetter, Event, Item

PATH = "/v1/stream"
HEARTBEAT_S = 15.0  # a proxy closes what says nothing for longer than it likes
RETRY_MS = 5_000  # after which a browser comes back
# Of a receipt, by which we learn that a message need not be shown any more.
RECEIPTS = frozenset({"web_opened", "web_clicked", "web_dismissed"})
_HEAD = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # a proxy must not wait for more
)
_ANONYMOUS = "anonymous_id:"


def open_stream(
    request: Request, hub: Hub | None, keys: KeyRing, heartbeat_s: float = HEARTBEAT_S
) -> Streaming | Response:
    """Answer with a stream, or say why not.

    Args:
        request: a GET of PATH, with `writeKey` and `anonymousId`.
        hub: of the process; None where the channel `web` is not configured.
        keys: in force.
        heartbeat_s: seconds between two signs of life.
    """
    if request.method != "GET":
        return with_cors(request, failure(405, "method_not_allowed", "this path takes GET"))
    if keys.find(from_head(request)) is None:
        unknown = "no such write key; it was revoked, or belongs to another installation"
        return with_cors(request, failure(401, "unknown_write_key", unknown))
    if hub is None:
        return with_cors(request, Response(204))  # which tells an EventSource not to come back
    browser = parse_qs(request.query.decode("latin-1")).get("anonymousId", [""])[0]
    if not BROWSER.fullmatch(browser):
        wanted = "anonymousId: 16 to 255 printable characters were expected, drawn at random"
        return with_cors(request, failure(400, "invalid_anonymous_id", wanted))
    if not hub.room(browser):
        return with_cors(request, failure(503, "too_many_streams", "no room for another stream"))
    parts = _parts(hub, browser, request.header(b"last-event-id").decode("latin-1"), heartbeat_s)
    head = with_cors(request, Response(200, b"", _HEAD)).headers
    return Streaming(200, parts, head)


async def _parts(hub: Hub, browser: str, last: str, heartbeat_s: float) -> AsyncIterator[bytes]:
    """Yield what waits, and then what is announced; ends when the hub says so, or has trouble."""
    if not hub.room(browser):
        return  # others came in between
    stream = hub.join(browser)
    told: set[str] = set()
    try:
        yield b"retry: %d\n\n" % RETRY_MS
        if not await hub.hears():
            return
        try:
            waiting = await hub.shelf.waiting(browser)
        except (RedisError, OSError):
            return  # the browser comes back
        ids = [message.id for message in waiting]
        for message in waiting[ids.index(last) + 1 if last in ids else 0 :]:
            told.add(message.id)
            yield event(message)
        while True:
            try:
                async with asyncio.timeout(heartbeat_s):
                    said = await stream.queue.get()
            except TimeoutError:
                yield b":\n\n"
                continue
            if said is None:
                return
            if said.id not in told:  # it may be both there and announced
                told.add(said.id)
                yield event(said)
    finally:
        hub.leave(stream)


def event(message: Onsite) -> bytes:
    r"""Write one event; JSON has no line end, so no text can begin another field.

    >>> event(Onsite("a1", "hello", "Hi", "One\nTwo", ""))[:42]
    b'id: a1\nevent: message\ndata: {"id":"a1","te'
    """
    return b"id: %s\nevent: message\ndata: %s\n\n" % (
        message.id.encode(),
        msgspec.json.encode(message),
    )


def receipts(records: Iterable[Event | DeadLetter | Item]) -> list[tuple[str, str]]:
    """Return what browsers say that they showed: (browser, id of a message).

    >>> receipts([])
    []
    """
    return [
        (identifier.removeprefix(_ANONYMOUS), message)
        for record in records
        if isinstance(record, Event) and record.name in RECEIPTS
        if isinstance(message := record.properties.get("message"), str)
        for identifier in record.ids
        if identifier.startswith(_ANONYMOUS)
    ]
