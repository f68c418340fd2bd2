"""The short forms of the language: `3 per 7d`, `21:00-08:00`, `cooldown 30d`."""

import re

from kairos.durations import duration
from triggers.definitions import DAY, Band, Cap, Quiet, Reentry

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")
_BAND = re.compile(r"(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)")
_RANK = re.compile(r"(top|bottom) (\S+)")
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_CAP = re.compile(r"(\d+) per (\S+)")
_QUIET = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")


def cap(text: str, *, calendar: bool = False) -> Cap:
    """Read a frequency cap.

    Args:
        text: such as `3 per 7d`.
        calendar: it counts local days, so it is of whole ones.

    Raises:
        ValueError: it is none, or lets nothing or everything through.

    >>> cap("3 per 7d")
    Cap(most=3, per=604800000, calendar=False)
    """
    found = _CAP.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"a cap such as `3 per 7d` was expected, found {text!r}")
    if int(found[1]) == 0:
        raise ValueError(f"`{text}` lets nothing through; use `status: paused` to stop a trigger")
    per = duration(found[2])
    if per == 0:
        raise ValueError(f"`{text}` limits nothing; a cap such as `3 per 7d` was expected")
    if calendar and per % DAY:
        raise ValueError(
            f"with `calendar: true` a cap counts whole days, such as `1 per 1d`; found {text!r}"
        )
    return Cap(int(found[1]), per, calendar)


def truth(text: str) -> bool:
    """Read a truth value.

    Raises:
        ValueError: it is none.

    >>> truth("true"), truth("False")
    (True, False)
    """
    word = text.strip().lower()
    if word not in ("true", "false"):
        raise ValueError(f"`true` or `false` was expected, found {text!r}")
    return word == "true"


def quiet(text: str) -> Quiet:
    """Read quiet hours.

    Raises:
        ValueError: they are none.

    >>> quiet("21:00-08:00")
    Quiet(start=1260, end=480)
    """
    found = _QUIET.fullmatch(text.strip())
    if found is not None:
        hours = [int(part) for part in found.groups()]
        start, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
        if hours[0] < 24 and hours[2] < 24 and hours[1] < 60 and hours[3] < 60 and start != end:
            return Quiet(start, end)
    raise ValueError(f"quiet hours such as 21:00-08:00 were expected, found {text!r}")


def clock(text: str) -> int:
    """Read a time of day as minutes after midnight.

    Raises:
        ValueError: it is none.

    >>> clock("09:30")
    570
    """
    found = _CLOCK.fullmatch(text.strip())
    if found is None or int(found[1]) > 23 or int(found[2]) > 59:
        raise ValueError(f"a time of day such as 09:00 was expected, found {text!r}")
    return int(found[1]) * 60 + int(found[2])


def weekdays(text: str) -> frozenset[int]:
    """Read days of the week, 0 for Monday.

    Raises:
        ValueError: they are none.

    >>> sorted(weekdays("mon-fri")), sorted(weekdays("sat, mon"))
    ([0, 1, 2, 3, 4], [0, 5])
    """
    days: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().lower().partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(f"days such as mon-fri or mon,wed were expected, found {text!r}")
        start, end = DAYS.index(first), DAYS.index(last or first)
        days.update(range(start, end + 1) if start <= end else (*range(start, 7), *range(end + 1)))
    return frozenset(days)


def share(text: str) -> float:
    """Read a share of people.

    Raises:
        ValueError: it is none.

    >>> share("5%")
    0.05
    """
    found = _SHARE.fullmatch(text.strip())
    if found is None or not 0 < float(found[1]) < 100:
        raise ValueError(
            f"a share above 0% and below 100%, such as 5%, was expected, found {text!r}"
        )
    return float(found[1]) / 100


def band(text: str) -> Band:
    """Read a band of a score: a comparison with a number, or a share of all people.

    Raises:
        ValueError: it is none.

    >>> band(">= 0.7"), band("top 20%")
    (Band(op='>=', than=0.7), Band(op='top', than=0.2))
    """
    found = _BAND.fullmatch(text.strip())
    if found is not None:
        return Band(found[1], float(found[2]))
    ranked = _RANK.fullmatch(text.strip())
    if ranked is not None:
        return Band(ranked[1], share(ranked[2]))
    raise ValueError(f"`>= 0.7`, `top 20%` or `bottom 10%` was expected, found {text!r}")


def within(text: str) -> int:
    """Read how long something may be put off, ms.

    Raises:
        ValueError: it is none.

    >>> within("within 12h")
    43200000
    """
    word, _, length = text.strip().partition(" ")
    if word != "within" or not length:
        raise ValueError(f"`within 12h` was expected, found {text!r}")
    ms = duration(length)
    if ms > 7 * DAY:
        raise ValueError(f"at most `within 7d` was expected, found {text!r}")
    return ms


def reentry(text: str) -> Reentry:
    """Read a re-entry rule.

    Raises:
        ValueError: it is none.

    >>> reentry("once"), reentry("cooldown 7d")
    (Reentry(most=1, per=None), Reentry(most=1, per=604800000))
    """
    match text.split():
        case ["once"]:
            return Reentry(1, None)
        case ["always"]:
            return Reentry(None, None)
        case ["cooldown", length]:
            return Reentry(1, duration(length))
        case ["max", *rest]:
            most = cap(" ".join(rest))
            return Reentry(most.most, most.per)
    raise ValueError(
        f"`once`, `always`, `cooldown 7d` or `max 3 per 30d` was expected, found {text!r}"
    )
