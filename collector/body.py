"""A body as it arrives: kept as far as it may go, then read on and forgotten."""

# A body up to so many times too large is still read: closing a connection with bytes unread resets
# it, and the client may never see why.
_READ_ON = 4


def hopeless(declared: bytes, most: int) -> bool:
    """Whether a Content-Length is beyond what is read at all.

    >>> hopeless(b"500", 100), hopeless(b"400", 100), hopeless(b"", 100)
    (True, False, False)
    """
    return declared.isdigit() and int(declared) > _READ_ON * most


class Body:
    """Takes parts, and holds no more than it may.

    >>> body = Body(5)
    >>> body.add(b"abc"), body.add(b"de"), body.whole()
    (True, True, b'abcde')
    >>> body.add(b"f"), body.whole(), body.add(bytes(15))
    (True, None, False)
    """

    __slots__ = ("_most", "_parts", "size")

    def __init__(self, most: int) -> None:
        """Begin one of at most so many bytes."""
        self._most = most
        self._parts: list[bytes] = []
        self.size = 0  # bytes that came, kept or not

    def add(self, part: bytes) -> bool:
        """Take a part; False where too much has come to read on."""
        self.size += len(part)
        if self.size <= self._most:
            self._parts.append(part)
        else:
            self._parts.clear()
        return self.size <= _READ_ON * self._most

    def whole(self) -> bytes | None:
        """Return all of it, None where it is too large."""
        if self.size > self._most:
            return None
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
