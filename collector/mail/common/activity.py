"""What happened to messages lately, by which a machine is known that the provider did not name."""

from collections import OrderedDict
from dataclasses import dataclass, field

import msgspec

from collector.mail.base import Told
from collector.mail.common.machines import sign_of_a_machine

BURST = 1_000  # ms; how near to each other links of a message are clicked by who reads none of it
_LINKS = 100  # of a message that are remembered


@dataclass(slots=True)
class _Message:
    delivered: int | None = None  # ms, by the provider's clock
    clicks: list[tuple[int, str]] = field(default_factory=list)  # ms, url


class Activity:
    """Deliveries and clicks of the newest messages, bounded by `room`.

    It forgets with its process, so who started a moment ago knows a machine by its name alone.

    >>> seen = Activity()
    >>> def told(kind, at, url=""):
    ...     return Told(kind=kind, id=f"{kind}{at}{url}", time_ms=at, url=url)
    >>> seen.note("m1", told("delivered", 1_000))
    >>> quick, late = told("clicked", 2_900, "https://a/"), told("clicked", 90_000, "https://a/")
    >>> seen.judged("m1", quick).reason, seen.judged("m1", late).machine
    ('within two seconds of delivery', None)
    """

    def __init__(self, room: int = 50_000) -> None:
        self._room = room
        self._messages: OrderedDict[str, _Message] = OrderedDict()

    def note(self, message: str, told: Told) -> None:
        """Remember what may show a machine, of this message or later of its others."""
        if told.kind not in ("delivered", "clicked"):
            return
        known = self._messages.setdefault(message, _Message())
        self._messages.move_to_end(message)
        if told.kind == "delivered":
            known.delivered = told.time_ms
        elif len(known.clicks) < _LINKS:
            known.clicks.append((told.time_ms, told.url))
        if len(self._messages) > self._room:
            self._messages.popitem(last=False)

    def judged(self, message: str, told: Told) -> Told:
        """Return an open or a click with what is known of who did it; ask once others had time."""
        if told.machine or told.kind not in ("opened", "clicked"):
            return told
        known = self._messages.get(message) or _Message()
        since = None if known.delivered is None else told.time_ms - known.delivered
        near = {url for at, url in known.clicks if abs(at - told.time_ms) <= BURST}
        sign = sign_of_a_machine(told.kind, told.agent, since, len(near))
        return msgspec.structs.replace(told, machine=True, reason=sign) if sign else told
