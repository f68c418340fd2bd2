"""`/o/TOKEN`: the answer to a question whether somebody wants messages, by whoever reads their mail.

A POST of our page's button says yes. What fetches addresses is shown the page, and says nothing.
"""

from collector.door import Door
from collector.links.pages import busy, button, form, language_of, page, said, unknown
from collector.links.unsubscribe import EVENT_BYTES, SOURCE
from collector.links.words import WORDS
from collector.messages import event_of
from collector.outcome import Accepted, Outcome
from collector.request import Request, Response
from events.record import OPT_IN_CONFIRMED
from events.sealed import Sealed

PATH = "o/"  # and a token


def show(request: Request, door: Door, _now_us: int) -> Response:
    """Ask once more, with a button."""
    if _whose(request, door) is None:
        return unknown(request)
    language = language_of(request)
    words = WORDS[language]
    ask = said(words["confirm_ask"])
    return page(language, words["confirm"], ask, form(button(words["confirm_yes"])))


def confirm(request: Request, door: Door, now_us: int) -> Outcome:
    """Keep the answer; said again, the first one counts."""
    whose = _whose(request, door)
    if whose is None:
        return unknown(request)
    if not (door.ready and door.room):
        return busy(request)
    answered = event_of(
        whose, OPT_IN_CONFIRMED, f"{whose.activation}/confirmed",
        {"message": whose.activation}, now_us, source=SOURCE, time=now_us // 1000,
    )  # fmt: skip
    language = language_of(request)
    words = WORDS[language]
    done = page(language, words["confirmed"], said(words["confirmed_what"]))
    return Accepted([answered], done, EVENT_BYTES, busy=busy(request))


def _whose(request: Request, door: Door) -> Sealed | None:
    return door.mail.opened(request.path.strip("/").removeprefix(PATH))
