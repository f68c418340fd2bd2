"""Items that go with one another: those that the same people had to do with.

How much two do is the cosine between them: over everybody, by what they had to do with each. B. Sarwar,
G. Karypis, J. Konstan, J. Riedl, "Item-based Collaborative Filtering Recommendation Algorithms", WWW
(2001). Sums are of whole numbers, so the order of people does not matter.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from events.record import Beside

MOST_ITEMS = 20_000  # of which anything is said: those of most people
FEWEST_PEOPLE = 3  # who had to do with an item
KEPT = 20  # that go with an item; with 50 less of what people buy next was recommended
FULL = 1_000  # of items that are always together
AT_ONCE = 500  # items whose sums are in memory


def popular(baskets: Sequence[Mapping[str, int]], most: int, fewest: int) -> Beside:
    """Return so many items that most people had to do with, not less than some, and how many did."""
    counts = Counter(name for basket in baskets for name in basket)
    found = sorted(
        ((name, count) for name, count in counts.items() if count >= fewest),
        key=lambda row: (-row[1], row[0]),
    )
    return tuple(found[:most])


def neighbours(baskets: Sequence[Mapping[str, int]]) -> dict[str, Beside]:
    """Return what goes with each item, the most first, and how much: from 1 to `FULL`.

    Args:
        baskets: what each person had to do with which item, as a whole number.

    >>> baskets = 5 * [{"tee": 1, "hat": 1}] + 3 * [{"tee": 1, "mug": 1}]
    >>> neighbours(baskets)["tee"]
    (('hat', 791), ('mug', 612))
    """
    names = sorted(name for name, _ in popular(baskets, MOST_ITEMS, FEWEST_PEOPLE))
    place = {name: nth for nth, name in enumerate(names)}
    rows, columns, much = [], [], []
    for nth, basket in enumerate(baskets):
        for name, weight in basket.items():
            if name in place:
                rows.append(nth)
                columns.append(place[name])
                much.append(weight)
    # Only who learns needs it, and it takes 0.2 s to import.
    sparse: Any = import_module("scipy.sparse")
    shape = len(baskets), len(names)
    table = sparse.csc_matrix((np.array(much, dtype=np.int64), (rows, columns)), shape=shape)
    lengths = np.sqrt(np.asarray(table.multiply(table).sum(axis=0), dtype=float)).ravel()
    found: dict[str, Beside] = {}
    for first in range(0, len(names), AT_ONCE):
        together = (table[:, first : first + AT_ONCE].T @ table).tocsr()
        for row in range(together.shape[0]):
            nth, part = first + row, slice(*together.indptr[row : row + 2])
            others = together.indices[part]
            cosines = together.data[part] / (lengths[nth] * lengths[others])
            weights = np.rint(FULL * cosines).astype(int)
            best = np.lexsort((others, -weights))[: KEPT + 1].tolist()
            found[names[nth]] = tuple(
                (names[others[one]], int(weights[one]))
                for one in best
                if others[one] != nth and weights[one] > 0
            )[:KEPT]
    return found
