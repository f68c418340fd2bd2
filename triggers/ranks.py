"""Ranks: where in the order of all people a band such as `top 20%` begins.

One person's fold cannot look at all the others. So everybody counts in one bucket of their score,
as in a segment; the engine reads these counts, works out where each band begins, and says so in a
record. From there on that is what a band means, for everybody.
"""

from collections.abc import Mapping
from math import exp, floor, inf, log

from profile_state.leaf import NEVER
from profile_state.person import Person
from triggers.code import rank_name
from triggers.definitions import Band, Workspace
from triggers.runtime import number_of
from triggers.signs import RANK
from triggers.work import Work

_WIDTH = 0.01  # of a bucket, in logarithm: a band begins within one per cent of where it should


def bucket(value: float) -> str:
    """Name the bucket of a score, "" for what is no number.

    >>> bucket(0), bucket(1.0), bucket(250), bucket(-1), bucket(float("nan"))
    ('0', '+0', '+552', '-0', '')
    """
    if value != value or value in (inf, -inf):  # noqa: PLR0124 - NaN alone is not equal to itself
        return ""
    if value == 0:
        return "0"
    return f"{'+' if value > 0 else '-'}{floor(log(abs(value)) / _WIDTH + 1e-9)}"


def bounds(name: str) -> tuple[float, float]:
    """Return the least and the most that a bucket holds.

    >>> low, high = bounds(bucket(250))
    >>> low <= 250 <= high, round(high / low, 2)
    (True, 1.01)
    """
    if name == "0":
        return 0.0, 0.0
    edges = [exp((int(name[1:]) + step) * _WIDTH) for step in (-1e-6, 1 + 1e-6)]
    return (edges[0], edges[1]) if name[0] == "+" else (-edges[1], -edges[0])


def place(work: Work, person: Person, workspace: Workspace) -> bool:
    """Count somebody in the buckets of their scores, where bands ask for a share of all people.

    Returns:
        Whether they left one, or came into one.
    """
    now = work.state.now
    wanted = set()
    for score, ranked in workspace.ranked.items():
        value, until = ranked.value(person, now)
        if until < NEVER:
            person.recheck[f"{RANK}{score}"] = until
        else:
            person.recheck.pop(f"{RANK}{score}", None)
        found = bucket(number_of(value))
        if found:
            wanted.add(f"{RANK}{score}:{found}")
    left = [name for name in person.member if name[0] == RANK and name not in wanted]
    for name in left:
        del person.member[name]
        work.count(person.id, f"segment:{name}", -1)
    entered = wanted - person.member.keys()
    for name in entered:
        person.member[name] = now
        work.count(person.id, f"segment:{name}")
    return bool(left or entered)


def begins(bands: Mapping[str, Mapping[str, Band]], counts: Mapping[str, int]) -> dict[str, float]:
    """Work out where the bands begin that are shares of people.

    A band holds whole buckets: as many as come nearest to its share. So where a fifth and a bit has
    the best of five marks, those are the top fifth; and where all are alike nobody stands out.

    Args:
        bands: of the workspace: score -> word.
        counts: as the ledger has them.

    Returns:
        The least (for `top`) or the most (for `bottom`) that a score in the band has, by its name;
        nothing for a score that nobody has.

    >>> counts = {"segment:%ltv:" + bucket(v): n for v, n in ((10, 70), (200, 9), (900, 12))}
    >>> 198 < begins({"ltv": {"high": Band("top", 0.2)}}, counts)["ltv is high"] <= 200
    True
    """
    found: dict[str, float] = {}
    for score, words in bands.items():
        prefix = f"segment:{RANK}{score}:"
        sizes = {n.removeprefix(prefix): s for n, s in counts.items() if n.startswith(prefix) and s}
        for word, band in words.items():
            if sizes and band.op in ("top", "bottom"):
                found[rank_name(score, word)] = _begin(band, sizes)
    return found


def _begin(band: Band, sizes: Mapping[str, int]) -> float:
    top = band.op == "top"
    wanted, reached = band.than * sum(sizes.values()), 0
    begin = inf if top else -inf
    for low, high, size in sorted(((*bounds(b), s) for b, s in sizes.items()), reverse=top):
        if abs(reached + size - wanted) > abs(reached - wanted):
            break
        reached += size
        begin = low if top else high
    return begin
