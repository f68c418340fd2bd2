"""For which browser somebody asks: whoever knows its anonymous id is that browser."""

from urllib.parse import parse_qs

from collector.credentials import from_head
from collector.door import Door
from collector.keys import Key
from collector.onsite.message import BROWSER
from collector.request import Request, Response
from collector.respond import failure
from collector.taking import key_of


def browser_of(request: Request, door: Door) -> str | Response:
    """Return the anonymous id, or why nobody is told anything."""
    key = key_of(from_head(request), door)
    if not isinstance(key, Key):
        return key
    browser = parse_qs(request.query.decode("latin-1")).get("anonymousId", [""])[0]
    if not BROWSER.fullmatch(browser):
        wanted = "anonymousId: 16 to 255 printable characters were expected, drawn at random"
        return failure(400, "invalid_anonymous_id", wanted)
    return browser
