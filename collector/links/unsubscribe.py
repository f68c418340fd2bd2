"""`/u/TOKEN`: who wants no more of a message says so with one click (RFC 8058).

A POST says it, of a mail program's or of our page's button. What fetches addresses, such as a
gateway that looks into mails, is shown the page and says nothing by it.
"""

from collector.door import Door
from collector.links.pages import busy, button, form, language_of, link, page, said, unknown
from collector.links.words import WORDS, kind_of
from collector.messages import UNSUBSCRIBED, event_of, withdrawn
from collector.outcome import Accepted, Outcome, Withdraw
from collector.request import Request, Response
from events.record import Event
from events.sealed import Sealed

PATH = "u/"  # and a token
PREFERENCES = "p/"  # the other page of the same token
SOURCE = "kairos:link"  # of events that links lead to; no key can have that name
EVENT_BYTES = 512  # that one takes while it waits for the log, roughly


def show(request: Request, door: Door, _now_us: int) -> Response:
    """Show what would end, and a button."""
    whose = _whose(request, door)
    if whose is None:
        return unknown(request)
    language = language_of(request)
    words = WORDS[language]
    return page(
        language,
        words["leave"],
        said(words["leave_ask"]),
        said(_kind(request, whose), "what"),
        form(button(words["leave"])),
        _instead(request),
    )


def leave(request: Request, door: Door, now_us: int) -> Outcome:
    """Take consent away: in the workers' hands before the answer, and for good in the log.

    The log is what counts, so where the workers' store is away the answer does not wait for it.
    """
    whose = _whose(request, door)
    if whose is None:
        return unknown(request)
    if not (door.ready and door.room):
        return busy(request)
    record = _record(whose, now_us)
    language = language_of(request)
    words = WORDS[language]
    answer = page(
        language,
        words["left"],
        said(words["left_what"]),
        said(_kind(request, whose), "what"),
        said(words["left_late"], "soft"),
        _instead(request),
    )
    kept = Accepted([record], answer, EVENT_BYTES, busy=busy(request))
    purposes = [record.properties["purpose"]]
    return Withdraw(whose.leaf, purposes, whose.channel, record.time, lambda _: kept)


def _record(whose: Sealed, now_us: int) -> Event:
    """Say it once a second: between two clicks there may have been a consent, which the later ends."""
    second = now_us // 1_000_000
    said_once = f"{whose.activation}/unsubscribed/{second}"
    return event_of(
        whose, UNSUBSCRIBED, said_once, withdrawn(whose), now_us,
        source=SOURCE, time=now_us // 1000,
    )  # fmt: skip


def _whose(request: Request, door: Door) -> Sealed | None:
    return door.mail.opened(request.path.strip("/").removeprefix(PATH))


def _instead(request: Request) -> str:
    token = request.path.strip("/").removeprefix(PATH)
    return link(WORDS[language_of(request)]["instead"], f"../{PREFERENCES}{token}")


def _kind(request: Request, whose: Sealed) -> str:
    return kind_of(withdrawn(whose)["purpose"], whose.channel, language_of(request))
