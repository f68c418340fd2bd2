"""Who makes the most events: one person who is a robot, or an id that many share, shows here."""

from collections.abc import Mapping

PERIOD_S = 10.0
CANDIDATES = 64  # the busiest of each batch; more than one batch names is worth remembering


class Hot:
    """Finds the busiest person of the last period.

    >>> hot = Hot()
    >>> hot.batch({"p_a": 90, "p_b": 10}, 100, now_s=1.0)
    >>> hot.batch({"p_b": 1}, 100, now_s=12.0)
    >>> hot.busiest, hot.share
    ('p_a', 0.9)
    """

    def __init__(self) -> None:
        self.busiest = ""  # a person's id; "" before the first period is over
        self.share = 0.0  # of all records of the period
        self._counts: dict[str, int] = {}
        self._records = 0
        self._until = 0.0

    def batch(self, applied: Mapping[str, int], records: int, now_s: float) -> None:
        """Take note of a batch.

        Args:
            applied: events, by person.
            records: of the batch.
            now_s: a monotonic clock.
        """
        if now_s >= self._until:
            self._turn(now_s)
        self._records += records
        if not applied:
            return
        person = max(applied, key=lambda p: applied[p])
        if person in self._counts or len(self._counts) < CANDIDATES:
            self._counts[person] = self._counts.get(person, 0) + applied[person]

    def _turn(self, now_s: float) -> None:
        self.busiest = max(self._counts, key=lambda p: self._counts[p], default="")
        self.share = self._counts.get(self.busiest, 0) / max(1, self._records)
        self._counts, self._records, self._until = {}, 0, now_s + PERIOD_S
