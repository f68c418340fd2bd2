"""Drift: what made people act until now may stop to.

The window of losses grows as long as they are alike, and is cut where they are not: A. Bifet,
R. Gavalda, "Learning from Time-Changing Data with Adaptive Windowing", SDM (2007). River's.
"""

from collections import deque
from importlib import import_module
from typing import Any


class Drift:
    """Watches how well things are foretold."""

    def __init__(self) -> None:
        self.times = 0  # that they became worse
        # Only who learns needs it, and it takes 2 s and 150 MB to import.
        self._watched: Any = import_module("river.drift").ADWIN()

    def watch(self, loss: float, known: deque[Any], fewest: int) -> None:
        """Take a loss; where they became worse, let go of what was known before that.

        Args:
            loss: of what is about to be known.
            known: the latest last, in place.
            fewest: of it that stay.
        """
        before = self._watched.estimation
        self._watched.update(loss)
        if not self._watched.drift_detected or self._watched.estimation < before:
            return
        self.times += 1
        for _ in range(len(known) - max(fewest, int(self._watched.width))):
            known.popleft()
