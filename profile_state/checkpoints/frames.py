"""A file of frames, of which every byte is vouched for, and so is its end.

    mark | length, digest, frame | length, digest, frame | ... | 0, digest

Each digest covers the frame and the digest before it. So a frame that was changed, left out, put
elsewhere or cut off is noticed, and a file that just ends is known from one that was ended.
"""

from collections.abc import Iterator
from hashlib import blake2b
from struct import Struct
from typing import BinaryIO

from events.archive.segment import DIGEST, DamagedError

MOST = 64 * 1024 * 1024  # bytes of a frame; a longer one was never written
_LENGTH = Struct(">I")


class Frames:
    r"""Writes frames.

    >>> from io import BytesIO
    >>> file = BytesIO()
    >>> written = Frames(file, b"form 1\n")
    >>> written.add(b"one"); written.add(b"two"); written.end()
    >>> _ = file.seek(0)
    >>> list(frames(file, b"form 1\n"))
    [b'one', b'two']
    """

    def __init__(self, file: BinaryIO, mark: bytes) -> None:
        self._file = file
        self._digest = mark
        file.write(mark)

    def add(self, frame: bytes) -> None:
        """Write a frame, which is not empty."""
        self._write(frame)

    def end(self) -> None:
        """Say that nothing more comes."""
        self._write(b"")

    def _write(self, frame: bytes) -> None:
        self._digest = _chained(self._digest, frame)
        self._file.write(_LENGTH.pack(len(frame)))
        self._file.write(self._digest)
        self._file.write(frame)


def frames(file: BinaryIO, mark: bytes) -> Iterator[bytes]:
    """Read frames, in order.

    Raises:
        DamagedError: the next one is not as it was written; those before it were.
    """
    if file.read(len(mark)) != mark:
        raise DamagedError(f"a file that begins with {mark!r} was expected")
    digest, nth = mark, 0
    while True:
        head = file.read(_LENGTH.size + DIGEST)
        if len(head) < _LENGTH.size + DIGEST:
            raise DamagedError(f"it ends after {nth} frames, and was not ended there")
        (length,) = _LENGTH.unpack_from(head)
        frame = file.read(length) if length <= MOST else b""
        digest = _chained(digest, frame)
        if len(frame) != length or digest != head[_LENGTH.size :]:
            raise DamagedError(f"its frame {nth} is not as it was written")
        if not frame:
            break
        yield frame
        nth += 1
    if file.read(1):
        raise DamagedError("something stands behind its end")


def _chained(before: bytes, frame: bytes) -> bytes:
    return blake2b(before + _LENGTH.pack(len(frame)) + frame, digest_size=DIGEST).digest()
