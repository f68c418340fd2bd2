"""`/v1/decide`: what waits to be shown, for a browser or a server that cannot hold a stream open."""

from collector.door import Door
from collector.onsite.asked import browser_of
from collector.onsite.message import Onsite
from collector.outcome import Look, Outcome
from collector.request import Request, Response
from collector.respond import failure, success


def decide(request: Request, door: Door, _now_us: int) -> Outcome:
    """Answer with the messages that wait for an anonymous id, oldest first.

    Who knows the id is that browser, as with a stream; nothing is taken away by looking.
    """
    browser = browser_of(request, door)
    if isinstance(browser, Response):
        return browser
    return Look(browser, _found)


def _found(messages: list[Onsite] | None, _now_us: int) -> Response:
    if messages is None:
        return failure(503, "messages_unavailable", "what waits to be shown cannot be read now")
    return success(messages=messages)
