"""The two kinds of files: a ledger as the commands that fill an empty one, and first copies.

Commands rather than a server's own dumps: a dump is read by servers of its own version or newer
alone, and comes back in one piece, however large. These are plain, bounded, and of any server.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec
import zstandard

from events.archive.segment import LEVEL, DamagedError
from profile_state.checkpoints.frames import Frames, frames
from profile_state.copies.base import Row
from profile_state.stores.keys import Command

MARK = b"kairos checkpoint 1\n"  # the digit is the version of the form
COPIES = b"kairos first copies 1\n"
FRAME = 1024 * 1024  # bytes of commands, from which on a frame is written

# Whatever a file says, nothing else is ever asked of a ledger.
KNOWN = frozenset((b"MSET", b"SET", b"RPUSH", b"HSET", b"SADD", b"ZADD", b"XADD", b"XTRIM"))

Written = list[bytes | int]  # a command in a file
C = TypeVar("C", Command, Written)


class Head(msgspec.Struct, frozen=True):
    """What a checkpoint holds."""

    partition: int
    entry: int  # of the log: everything up to its mark is in it, and perhaps a little more
    made_ms: int  # when it was made
    release: str  # that made it
    mark: Written  # the command that writes it, last of all
    copies: list[str] = []  # names of the files of first copies that belong to it


def write(file: BinaryIO, head: Head, commands: Iterable[Command]) -> int:
    """Write a checkpoint; returns how many commands it has."""
    written, count = Frames(file, MARK), 0
    written.add(msgspec.msgpack.encode(head))
    pack = zstandard.ZstdCompressor(level=LEVEL).compress
    for some in pieces(commands, FRAME):
        count += len(some)
        written.add(pack(msgspec.msgpack.encode([in_bytes(one) for one in some])))
    written.end()
    return count


def head_of(path: Path) -> Head:
    """Read a checkpoint's head.

    Raises:
        DamagedError: it is not as it was written, or of a form that this release does not know.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return _head(frames(file, MARK))


def commands_of(path: Path) -> Iterator[Written]:
    """Read a checkpoint's commands.

    Raises:
        DamagedError: those that come next are not as they were written.
        OSError: it cannot be read.
    """
    unpack = zstandard.ZstdDecompressor().decompress
    with path.open("rb") as file:
        found = frames(file, MARK)
        _head(found)
        for frame in found:
            some = msgspec.msgpack.decode(unpack(frame), type=list[Written])
            if foreign := {command[0] for command in some} - KNOWN:
                raise DamagedError(f"it asks for {sorted(map(str, foreign))}")
            yield from some


def write_copies(file: BinaryIO, pages: Iterable[list[Row]]) -> int:
    """Write first copies; returns how many."""
    written, count = Frames(file, COPIES), 0
    pack = zstandard.ZstdCompressor(level=1).compress  # hashes do not shrink, places do
    for page in pages:
        count += len(page)
        written.add(pack(msgspec.msgpack.encode(page)))
    written.end()
    return count


def copies_of(path: Path) -> Iterator[list[Row]]:
    """Read first copies.

    Raises:
        DamagedError: those that come next are not as they were written.
        OSError: it cannot be read.
    """
    unpack = zstandard.ZstdDecompressor().decompress
    with path.open("rb") as file:
        for frame in frames(file, COPIES):
            yield msgspec.msgpack.decode(unpack(frame), type=list[Row])


def _head(found: Iterator[bytes]) -> Head:
    try:
        return msgspec.msgpack.decode(next(found), type=Head)
    except StopIteration:
        raise DamagedError("it has no head") from None


def pieces(commands: Iterable[C], most: int) -> Iterator[list[C]]:
    """Put commands together, until they have so many bytes.

    >>> list(pieces([[b"SET", b"a", b"1"], [b"SET", b"b", b"2"]], 10))
    [[[b'SET', b'a', b'1'], [b'SET', b'b', b'2']]]
    """
    piece: list[C] = []
    size = 0
    for command in commands:
        piece.append(command)
        size += size_of(command)
        if size >= most:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def in_bytes(command: Command) -> Written:
    """Return a command as it is written.

    >>> in_bytes(["SET", "name", b"value", 5])
    [b'SET', b'name', b'value', 5]
    """
    return [word.encode() if isinstance(word, str) else word for word in command]


def size_of(command: Sequence[bytes | str | int]) -> int:
    """Return about how many bytes a command has.

    >>> size_of(["SET", "name", b"value", 5])
    20
    """
    return sum(8 if isinstance(word, int) else len(word) for word in command)
