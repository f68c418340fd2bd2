"""`/v1/stream`: what a browser shows, as server-sent events.

Whoever knows an anonymous id is that browser: the id is random and no page of anybody else's has
it. So nothing else is asked for but a write key, which is public.
"""

from collections.abc import AsyncIterator

from collector.door import Door
from collector.onsite.asked import browser_of
from collector.outcome import Listen, Outcome, Unheard
from collector.request import Answer, Request, Response, Streaming
from collector.respond import failure

PATH = "v1/stream"
_HEAD = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # a proxy must not wait for more
)


def stream(request: Request, door: Door, _now_us: int) -> Outcome:
    """Answer with a stream, or say why not; asked with HEAD, with nothing."""
    browser = browser_of(request, door)
    if isinstance(browser, Response):
        return browser
    if request.method == "HEAD":
        return Response(200, b"", _HEAD)
    return Listen(browser, request.header(b"last-event-id").decode("latin-1"), _opened)


def _opened(parts: AsyncIterator[bytes] | Unheard, _now_us: int) -> Answer:
    match parts:
        case "full":
            return failure(503, "too_many_streams", "no room for another stream")
        case "off":
            return Response(204)  # which tells an EventSource not to come back
        case _:
            return Streaming(200, parts, _HEAD)
