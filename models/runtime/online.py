"""The challenger: a logistic regression that learns from one example after another, and so forgets.

River's, over numbers that are scaled by what it has seen of them. Where what makes people act changes,
it follows sooner than weights that are fitted to the latest 50,000 examples at once.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from models.runtime.logistic import version_of

RATE = 0.02  # of learning


class Online:
    """Learns from rows as `logistic.row` gives them."""

    def __init__(self) -> None:
        # Only who learns needs it, and it takes 2 s and 150 MB to import.
        optimizer = import_module("river.optim").SGD(RATE)
        self._scale: Any = import_module("river.preprocessing").StandardScaler()
        self._model: Any = import_module("river.linear_model").LogisticRegression(optimizer)
        self._size = 0

    def probability(self, row: Sequence[float]) -> float:
        """Return how likely it is."""
        scaled = self._scale.transform_one(dict(enumerate(row)))
        return float(self._model.predict_proba_one(scaled)[True])

    def learn(self, row: Sequence[float], label: bool) -> None:
        """Learn from one example."""
        numbers = dict(enumerate(row))
        self._size = len(row)
        self._scale.learn_one(numbers)
        self._model.learn_one(self._scale.transform_one(numbers), label)

    def version(self) -> dict[str, float]:
        """Return its weights, as of rows that are not scaled."""
        return version_of(
            float(self._model.intercept),
            _column(self._model.weights, self._size),
            _column(self._scale.means, self._size),
            [one**0.5 for one in _column(self._scale.vars, self._size)],
        )


def _column(values: Mapping[int, float], size: int) -> list[float]:
    return [float(values.get(n, 0.0)) for n in range(size)]
