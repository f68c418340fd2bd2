"""Scores: what a model says of a person, told by whoever runs it.

A score is remembered like a trait, under a name that no SDK can say, so no browser can state one.
"""

from typing import Any

from events.rejected import RefusedError
from events.values import Check

SIGN = "%"  # before a score's name among the traits; no slug begins with it
EVENT = "scores_updated"
# Scores without being declared.
KNOWN = frozenset({"ltv", "churn", "propensity", "next_best", "recommended"})
_GROUPS = frozenset({"rfm"})  # of which every part is a score
_LONGEST = 256  # characters of a score that is a text
_MOST = 100  # texts and numbers of a score that is a list


def is_score(path: str, declared: Any = ()) -> bool:
    """Say whether a name in a condition is a score.

    Args:
        path: `ltv`, `rfm.monetary`, or `score.NAME` for one that nothing else declares.
        declared: the scores that a workspace has bands for.

    >>> is_score("ltv"), is_score("rfm.monetary"), is_score("plan"), is_score("fit", {"fit": {}})
    (True, True, False, True)
    """
    head, dot, _ = path.partition(".")
    return path in KNOWN or path in declared or (dot != "" and head in {"score", *_GROUPS})


def remembered(path: str) -> str:
    """Return the name under which a score is remembered.

    >>> remembered("ltv"), remembered("score.fit")
    ('%ltv', '%fit')
    """
    return SIGN + path.removeprefix("score.")


def stated(scores: dict[str, Any], check: Check) -> dict[str, Any]:
    """Read `{"ltv": 120.5, "rfm": {"monetary": 5}}` as it is remembered.

    Raises:
        RefusedError: where one is neither a number, a truth value, a short text, nor a list of such.

    >>> from events.limits import Limits
    >>> stated({"ltv": 1, "rfm": {"monetary": 5}}, Check(Limits()))
    {'%ltv': 1, '%rfm.monetary': 5}
    """
    found: dict[str, Any] = {}
    for name, value in check.fields("scores", scores).items():
        inner = check.fields(f"scores.{name}", value) if type(value) is dict else {"": value}
        for part, one in inner.items():
            where = f"{name}.{part}" if part else name
            several = one if type(one) is list and len(one) <= _MOST else [one]
            if not (one is None or all(map(_is_plain, several))):
                raise RefusedError(
                    "invalid_score",
                    f"scores.{where}: a number, true or false, a text of at most {_LONGEST} "
                    f"characters, or a list of at most {_MOST} of these was expected",
                )
            found[SIGN + where] = one
    if not found:
        raise RefusedError("invalid_score", 'scores: {"ltv": 120.5} was expected, found none')
    return found


def _is_plain(value: Any) -> bool:
    return type(value) in (int, float, bool) or (type(value) is str and len(value) <= _LONGEST)
