"""What comes of a request: an answer, or what must be done before there is one."""

from collections.abc import Callable, Sequence

import msgspec

from collector.request import Response
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


class Pause(msgspec.Struct, frozen=True):
    """Let others have their time first."""

    seconds: float
    then: "Callable[[int], Answer]"  # by the clock then, us since 1970


class Fetch(msgspec.Struct, frozen=True):
    """GET an address that was checked."""

    url: str
    then: "Callable[[bytes | None, int], Answer]"  # None: it could not be had; the clock, us


Answer = Response | Accepted | Pause | Fetch


def answered(answer: Answer, change: Callable[[Response], Response]) -> Answer:
    """Change the response that an answer is, or will be.

    >>> later = Pause(1.0, lambda now_us: Response(200))
    >>> answered(later, lambda r: Response(204)).then(5).status
    204
    """

    def changed(then: Callable[..., Answer]) -> Callable[..., Answer]:
        return lambda *found: answered(then(*found), change)

    match answer:
        case Accepted():
            return msgspec.structs.replace(answer, response=change(answer.response))
        case Pause() | Fetch():
            return msgspec.structs.replace(answer, then=changed(answer.then))
        case _:
            return change(answer)
