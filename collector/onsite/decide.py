"""`/v1/decide`: what waits to be shown, for a browser or a server that cannot hold a stream open."""

from urllib.parse import parse_qs

from collector.credentials import from_head
from collector.door import Door
from collector.onsite.message import BROWSER, Onsite
from collector.outcome import Look, Outcome
from collector.request import Request, Response
from collector.respond import failure, success
from collector.taking import key_of


def decide(request: Request, door: Door, _now_us: int) -> Outcome:
    """Answer with the messages that wait for an anonymous id, oldest first.

    Who knows the id is that browser, as with a stream; nothing is taken away by looking.
    """
    key = key_of(from_head(request), door)
    if isinstance(key, Response):
        return key
    browser = parse_qs(request.query.decode("latin-1")).get("anonymousId", [""])[0]
    if not BROWSER.fullmatch(browser):
        wanted = "anonymousId: 16 to 255 printable characters were expected, drawn at random"
        return failure(400, "invalid_anonymous_id", wanted)
    return Look(browser, _found)


def _found(messages: list[Onsite] | None, _now_us: int) -> Response:
    if messages is None:
        return failure(503, "messages_unavailable", "what waits to be shown cannot be read now")
    return success(messages=messages)
