"""`/p/TOKEN`: what somebody gets on a message's channel, as they choose it.

The page shows purposes and whether they are allowed, and nothing of the person: the link may have been
forwarded. The form says how things stood when it was shown, and what was changed since is stated; so
nothing is taken back, or given, that nobody saw.
"""

from typing import NamedTuple
from urllib.parse import parse_qsl

import msgspec

from collector.door import Door
from collector.links.pages import (
    busy,
    button,
    form,
    language_of,
    link,
    page,
    said,
    tick,
    unknown,
    unreadable,
)
from collector.links.unsubscribe import EVENT_BYTES, PREFERENCES, SOURCE
from collector.links.words import WORDS, by_channel, labelled
from collector.messages import event_of, withdrawn
from collector.outcome import Accepted, Ask, Outcome, Withdraw
from collector.request import Request, Response
from events.record import Event
from events.sealed import Sealed

PATH = PREFERENCES
MOST = 100  # purposes in a form
_LONGEST = 100  # characters of the name of one


class Choice(msgspec.Struct, frozen=True):
    """A purpose, as the engine says it."""

    purpose: str
    label: str
    allowed: bool


class Said(NamedTuple):
    """What a form says."""

    granted: list[str]
    denied: list[str]
    stopped: bool  # everything


def show(request: Request, door: Door, _now_us: int) -> Outcome:
    """Show what there is to choose, as of whatever was chosen before."""
    whose = _whose(request, door)
    if whose is None:
        return unknown(request)

    def told(state: str, view: bytes, _now_us: int) -> Response:
        return _page(request, whose, _choices(view) if state == "found" else [])

    return Ask([whose.leaf], told, whose.channel)


def choose(request: Request, door: Door, now_us: int) -> Outcome:
    """State what was changed: in the workers' hands, where it takes back, and for good in the log."""
    whose = _whose(request, door)
    if whose is None:
        return unknown(request)
    if not (door.ready and door.room):
        return busy(request)
    chosen = read(request.body, withdrawn(whose)["purpose"])
    if chosen is None:
        return unreadable(request)
    answer = _done(request, whose, stopped=chosen.stopped)
    records = [
        _record(whose, purpose, now_us, granted=granted)
        for granted, purposes in ((True, chosen.granted), (False, chosen.denied))
        for purpose in purposes
    ]
    if not records:
        return answer
    kept = Accepted(records, answer, len(records) * EVENT_BYTES, busy=busy(request))
    if not chosen.denied:
        return kept
    return Withdraw(whose.leaf, chosen.denied, whose.channel, now_us // 1000, lambda _: kept)


def read(body: bytes, purpose: str) -> Said | None:
    """Read a form; None where it is none of ours.

    Args:
        body: fields `was` and `off` with what was shown as allowed and as not, `on` with what is
            ticked, and `all` where everything is to stop.
        purpose: of the message, which stops with everything.

    >>> read(b"was=a&was=b&off=c&off=d&on=a&on=c&on=x", "b")
    Said(granted=['c'], denied=['b'], stopped=False)
    >>> read(b"was=a&off=c&on=c&all=stop", "b")
    Said(granted=[], denied=['a', 'c', 'b'], stopped=True)
    """
    try:
        fields = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=3 * MOST, errors="strict"
        )
    except ValueError:
        return None
    named: dict[str, list[str]] = {"was": [], "off": [], "on": [], "all": []}
    for name, value in fields:
        if not (value.isprintable() and 0 < len(value) <= _LONGEST):
            return None
        named.setdefault(name, []).append(value)
    was, off, on = named["was"], named["off"], named["on"]
    if len(was) + len(off) > MOST:
        return None
    if named["all"]:
        return Said([], list(dict.fromkeys([*was, *off, purpose])), stopped=True)
    granted = dict.fromkeys(one for one in off if one in on)
    denied = dict.fromkeys(one for one in was if one not in on)
    return Said(list(granted), list(denied), stopped=False)


def _record(whose: Sealed, purpose: str, now_us: int, *, granted: bool) -> Event:
    message_id = f"{whose.activation}/preferences/{now_us // 1000}/{purpose}"
    chosen = {
        "purpose": purpose,
        "channel": whose.channel,
        "granted": granted,
        "message": whose.activation,
    }
    return event_of(
        whose, "consent_updated", message_id, chosen, now_us, source=SOURCE, time=now_us // 1000
    )


def _page(request: Request, whose: Sealed, choices: list[Choice]) -> Response:
    language = language_of(request)
    words = WORDS[language]
    stop = button(words["stop"], "all", "stop", "quiet" if choices else "")
    if not choices:
        return page(language, words["choose"], said(words["choose_none"]), form(stop))
    ticks = (
        tick(one.label or labelled(one.purpose), "on", one.purpose, ticked=one.allowed)
        for one in choices
    )
    return page(
        language,
        words["choose"],
        said(by_channel("choose_by", whose.channel, language), "soft"),
        form(*ticks, button(words["save"]), stop),
    )


def _done(request: Request, whose: Sealed, *, stopped: bool) -> Response:
    language = language_of(request)
    words = WORDS[language]
    done = "stopped" if stopped else "saved"
    what = said(by_channel(f"{done}_what", whose.channel, language))
    return page(language, words[done], what, link(words["again"], "?"))


def _choices(view: bytes) -> list[Choice]:
    """Read what the engine says; nothing, where it is of a release that does not know the question."""
    try:
        return msgspec.json.decode(view, type=list[Choice])[:MOST]
    except msgspec.DecodeError:
        return []


def _whose(request: Request, door: Door) -> Sealed | None:
    return door.mail.opened(request.path.strip("/").removeprefix(PATH))
