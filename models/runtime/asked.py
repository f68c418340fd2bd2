"""What models of likelihood look at: conditions of a workspace."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from events.names import slug
from models.base import Feature
from models.runtime import logistic
from models.runtime.spans import ahead

LEAST = 0.01  # of the odds' logarithm: what moves them less is not worth a line


def features(
    known: Feature, looks_at: Sequence[str], most: int = logistic.MOST
) -> tuple[Feature, ...]:
    """Return conditions as a model's features: what must be there, and what is weighed.

    Raises:
        ValueError: there are none, or too many.
    """
    if not 0 < len(looks_at) <= most:
        raise ValueError(f"looks_at: 1 to {most} conditions were expected, found {len(looks_at)}")
    return (known, *looks_at)


def daily(looks_at: Sequence[str]) -> bool:
    """Say whether conditions change other than as events leave windows, at those very instants."""
    return any(re.search(r"\bsince\s*\(", one) for one in looks_at)


def comes(event: str, within: str) -> tuple[str, int]:
    """Return as a label that an event comes within some time.

    Raises:
        ValueError: `within` is none.
    """
    return f"count({slug(event)}, last {within}) >= 1", ahead(within)


def weighed(features: Sequence[Any]) -> Sequence[Any]:
    """Return those features that are weighed."""
    return features[1:]


def why(
    version: Mapping[str, float], features: tuple[Any, ...], looks_at: Sequence[str]
) -> list[str]:
    """Say which conditions moved somebody's likelihood, and by how much: as a logarithm of the odds."""
    return said(logistic.moved(version, weighed(features)), looks_at, weighed(features))


def said(moved: Iterable[float], looks_at: Sequence[str], looked: Sequence[Any]) -> list[str]:
    """Write by how much conditions move the odds, what moves them most first."""
    rows = sorted(zip(moved, looks_at, looked, strict=True), key=lambda row: -abs(row[0]))
    return [f"{by:+.2f}  {text} is {_shown(value)}" for by, text, value in rows if abs(by) >= LEAST]


def shown(version: Mapping[str, float], looks_at: Sequence[str]) -> list[str]:
    """Say what each condition weighs."""
    return [f"weighs {version[f'weight.{n}']:+.3g}  {text}" for n, text in enumerate(looks_at)]


def _shown(value: Any) -> str:
    """Write what somebody's condition comes to.

    >>> _shown(None), _shown(True), _shown(2.3456), _shown(3)
    ('missing', 'true', '2.35', '3')
    """
    if value is None:
        return "missing"
    return f"{value:.2f}" if isinstance(value, float) else str(value).lower()


def likely(version: Mapping[str, float], features: tuple[Any, ...], _day: int) -> float:
    """Return how likely it is."""
    return logistic.probability(version, weighed(features))
