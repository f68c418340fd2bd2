"""Who an event is about: values that can name somebody, and those that only look like it."""

import re
from functools import lru_cache
from typing import Any

from events.rejected import RefusedError
from events.values import SAFE_INTEGER

# What unset variables, template engines and tutorials send; one of them joined everybody.
BLOCKED = frozenset(
    (  # noqa: SIM905 - thirty words on three lines are a list; on thirty lines they are not
        "null|(null)|undefined|none|nil|nan|n/a|unknown|unset|not set|(not set)|true|false|guest"
        "|[object object]|anonymous|anon|not_authenticated|id|distinct_id|distinctid|user_id"
        "|userid|anonymous_id|anonymousid|email|-|--|?|{}|[]"
    ).split("|")
)
_ZEROS = re.compile(r"[0\-.]*")  # "0", "0000" and the zero UUID
_CACHED = 32_768  # people whose ids cost nothing the second time
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def identifier(where: str, value: Any, max_bytes: int) -> str:
    """Return the identifier that `value` is, `""` where it names nobody (null, `""`, blocked).

    Numbers become text; surrounding blanks go.

    Raises:
        RefusedError: for a value that is no id at all: too long, with control characters, nested.

    >>> identifier("userId", 1001, 255), identifier("userId", " u1 ", 255)
    ('1001', 'u1')
    >>> [identifier("userId", v, 255) for v in ("", None, "Undefined", 0, "0000", "N/A", True)]
    ['', '', '', '', '', '', '']
    """
    if value is None or value == "":
        return ""
    kind = type(value)
    if kind is int:
        if not -SAFE_INTEGER <= value <= SAFE_INTEGER:
            raise RefusedError(
                "number_out_of_range", f"{where}: an id beyond ±(2^53-1); send it as text"
            )
        value = str(value)
    elif kind is float:
        value = str(int(value)) if value.is_integer() and abs(value) <= SAFE_INTEGER else str(value)
    elif kind is bool:
        return ""
    elif kind is not str:
        raise RefusedError(
            "invalid_id", f"{where}: text or a number was expected, found {kind.__name__}"
        )
    if len(value) > max_bytes:
        raise RefusedError("invalid_id", f"{where}: more than {max_bytes} bytes")
    text, size, control = _judged(value)
    if control:
        raise RefusedError("invalid_id", f"{where}: control characters cannot be part of an id")
    if size > max_bytes:
        raise RefusedError("invalid_id", f"{where}: {size} bytes, at most {max_bytes}")
    return text


@lru_cache(maxsize=_CACHED)
def _judged(value: str) -> tuple[str, int, bool]:
    """Return the usable id or `""`, its size in bytes, and whether control characters spoil it."""
    text = value.strip()
    control = _CONTROL.search(text) is not None
    blocked = text.lower() in BLOCKED or _ZEROS.fullmatch(text) is not None
    return "" if blocked else text, len(text.encode()), control
