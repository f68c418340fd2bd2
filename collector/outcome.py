"""What comes of a request: an answer, or what must be done before there is one."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Literal

import msgspec

from collector.onsite.message import Onsite
from collector.request import Answer, Response
from events.record import DeadLetter, Event, Item


def _nobody(_kept: bool) -> None:
    """Nobody waits to hear whether records were kept."""


class Accepted(msgspec.Struct, frozen=True):
    """An answer that may only leave once its records are durable."""

    records: Sequence[Event | DeadLetter | Item]
    response: Response
    size: int  # bytes of JSON that the records came from
    rejected: int = 0  # how many of the records are dead letters
    settle: Callable[[bool], None] = _nobody  # told whether the records were kept
    busy: Response | None = None  # where they cannot be; else it is said as to any client


class Pause(msgspec.Struct, frozen=True):
    """Let others have their time first."""

    seconds: float
    then: "Callable[[int], Outcome]"  # by the clock then, us since 1970


class Fetch(msgspec.Struct, frozen=True):
    """GET an address that was checked."""

    url: str
    then: "Callable[[bytes | None, int], Outcome]"  # None: it could not be had; the clock, us


class Ask(msgspec.Struct, frozen=True):
    """Ask the engine about somebody."""

    identifiers: list[str]  # of which one must be theirs
    then: "Callable[[str, bytes, int], Outcome]"  # how it went, JSON; the clock, us
    channel: str = ""  # of which they are asked what they allow on it; else all is asked for


class Look(msgspec.Struct, frozen=True):
    """Look what waits to be shown in a browser."""

    browser: str
    then: "Callable[[list[Onsite] | None, int], Outcome]"  # None: nobody can say; the clock, us


class Withdraw(msgspec.Struct, frozen=True):
    """Have workers turn away what somebody takes their consent from, as far as they can be told.

    What is decided at or before `time` does not leave any more. `then` is called in any case.
    """

    leaf: str
    purposes: list[str]
    channel: str
    time: int  # ms
    then: "Callable[[int], Outcome]"  # by the clock then, us since 1970


Unheard = Literal["full", "off"]  # there is no room for a stream; nothing is shown here


class Listen(msgspec.Struct, frozen=True):
    """Tell a browser what is sent to it, for as long as it listens."""

    browser: str
    last: str  # id of the message that it was told last, "" where there is none
    then: "Callable[[AsyncIterator[bytes] | Unheard, int], Outcome]"  # what to say; the clock, us


class Behind(msgspec.Struct, frozen=True):
    """An answer that leaves at once, and what is done behind it.

    A crash meanwhile loses what was not done, so it is for what is worth less than the wait.
    """

    response: Response
    then: "Later | Accepted"  # whose own answer is nobody's


Later = Pause | Fetch | Ask | Look | Listen | Withdraw  # to be carried out first
Outcome = Answer | Accepted | Behind | Later


def changing(outcome: Outcome, change: Callable[[Answer], Answer]) -> Outcome:
    """Change the answer that an outcome is, or will have.

    >>> later = Pause(1.0, lambda now_us: Response(200))
    >>> changing(later, lambda r: Response(204)).then(5).status
    204
    """
    if isinstance(outcome, Accepted | Behind):
        return msgspec.structs.replace(outcome, response=change(outcome.response))
    if isinstance(outcome, Answer):
        return change(outcome)
    then: Callable[..., Outcome] = outcome.then

    def changed(*found: Any) -> Outcome:
        return changing(then(*found), change)

    return msgspec.structs.replace(outcome, then=changed)
