"""A Bloom filter over keys that are hashes already, asked for many keys at once.

It says "surely new" or "perhaps known". Ten bits a key and seven probes make it wrong for one new
key in about a hundred and twenty (Bloom, 1970: (1 - e^(-7/10))^7).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BITS, PROBES = 10, 7  # a key

_Words = NDArray[np.uint64]


def halves(keys: Sequence[bytes]) -> _Words:
    """Split 16-byte keys into two numbers each; shape (keys, 2)."""
    return np.frombuffer(b"".join(keys), dtype=">u8").reshape(-1, 2).astype(np.uint64)


class Filter:
    """Holds up to `capacity` keys.

    >>> known = Filter(capacity=1000)
    >>> known.add(halves([b"a" * 16, b"b" * 16]))
    >>> known.perhaps(halves([b"a" * 16, b"c" * 16])).tolist()
    [True, False]
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.held = 0
        self._words = np.zeros(capacity * BITS // 64 + 1, dtype=np.uint64)

    def add(self, keys: _Words) -> None:
        """Add keys, as `halves` gives them."""
        word, bit = self._probes(keys)
        np.bitwise_or.at(self._words, word.ravel(), bit.ravel())
        self.held += len(keys)

    def perhaps(self, keys: _Words) -> NDArray[np.bool_]:
        """Say of each key whether it may be known."""
        word, bit = self._probes(keys)
        return np.asarray((self._words[word] & bit != 0).all(axis=1))

    def _probes(self, keys: _Words) -> tuple[_Words, _Words]:
        steps = np.arange(PROBES, dtype=np.uint64)
        place = (keys[:, :1] + steps * (keys[:, 1:] | np.uint64(1))) % np.uint64(
            len(self._words) * 64
        )
        return place >> np.uint64(6), np.uint64(1) << (place & np.uint64(63))
