"""`/c/TOKEN`: a link of a message, on to where it leads, and word of the click.

Where it leads stands in the token, so nobody but us can have our name send anybody anywhere. The
redirect leaves at once. A machine is known by what else it does within a second, so the event is
made a second later; a crash in that second loses a click, and nothing else.
"""

from hashlib import blake2b

from collector.door import Door
from collector.links.pages import PRIVATE, unknown
from collector.links.unsubscribe import EVENT_BYTES, SOURCE
from collector.mail.base import Told
from collector.mail.common.activity import BURST
from collector.messages import happened
from collector.outcome import Accepted, Behind, Outcome, Pause
from collector.request import Request, Response
from events.sealed import Link

PATH = "c/"  # and a token
_AGENT = 500  # characters of one that are looked at
_FETCHED = (b"sec-purpose", b"purpose", b"x-moz", b"x-purpose")  # headers by which browsers say so


def follow(request: Request, door: Door, now_us: int) -> Outcome:
    """Send on who clicked, and tell of it; a look at the address, or a fetch ahead, is no click."""
    link = door.mail.led(request.path.strip("/").removeprefix(PATH))
    if link is None:
        return unknown(request)
    on = Response(302, b"", ((b"location", link.url.encode()), *PRIVATE))
    if request.method == "HEAD" or _ahead(request):
        return on
    if not (door.ready and door.room):
        door.figures.counters["unkept"] += 1
        return on
    told = _told(link, request, now_us)
    door.mail.activity.note(link.message.activation, told)

    def judged(now_us: int) -> Accepted:
        seen = door.mail.activity.judged(link.message.activation, told)
        event = happened(link.message, seen, told.id, now_us, source=SOURCE)
        return Accepted([event], on, EVENT_BYTES)

    return Behind(on, Pause(BURST / 1000, judged))


def _told(link: Link, request: Request, now_us: int) -> Told:
    """Say it as a provider would; a link that is opened twice within a second was clicked once."""
    which = blake2b(link.url.encode(), digest_size=8).hexdigest()
    return Told(
        kind="clicked",
        id=f"{link.message.activation}/clicked/{which}/{now_us // 1_000_000}",
        time_ms=now_us // 1000,
        url=link.url,
        agent=request.header(b"user-agent").decode("latin-1")[:_AGENT],
    )


def _ahead(request: Request) -> bool:
    """Tell whether a browser fetches it before anybody asks for it."""
    return any(
        word in request.header(name).lower()
        for name in _FETCHED
        for word in (b"prefetch", b"preview")
    )
