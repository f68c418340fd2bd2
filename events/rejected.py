"""What the door turns away: a code for machines, a reason for people."""

import msgspec


class Rejected(msgspec.Struct, frozen=True):
    """An event that cannot become one of ours; `docs/errors.md` lists every code.

    >>> Rejected("no_identifier", "the event names nobody").message_id
    ''
    """

    code: str
    reason: str  # says where and why, and never repeats a value of the event
    message_id: str = ""  # as sent, where it could be read


class RefusedError(ValueError):
    """Carries a code and a reason from deep inside a value up to `parse`, and no further."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
