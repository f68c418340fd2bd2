"""First copies that left memory, on disk: exact, a file for each day of the log and each import.

A day's file goes when none of its events could count any more; an import's stays. What is found
carries its offset, so reading the log again after a crash finds the same answers.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from profile_state.copies.base import DAY_MS, KEPT_MS, Row, Seen

if TYPE_CHECKING:
    from profile_state.copies.file import File

SUFFIX = ".sqlite"


class CopiesUnusableError(Exception):
    """A file of first copies cannot be read or written; without it copies would count again."""


class CopiesBusyError(Exception):
    """Another process writes into a file of first copies; it may be stopped in the middle of it."""


class Disk:
    """The files of one partition, in a folder of its own.

    >>> from tempfile import TemporaryDirectory
    >>> from events.record import Offset
    >>> from profile_state.copies.base import packed
    >>> folder = TemporaryDirectory()
    >>> disk = Disk(Path(folder.name))
    >>> disk.add([Seen(Offset(7, 3), b"k" * 16, b"d" * 8, time=5)])
    >>> disk.find([b"k" * 16, b"x" * 16]) == {b"k" * 16: packed(Offset(7, 3), b"d" * 8)}
    True
    >>> disk.expire(5 + 40 * DAY_MS), disk.find([b"k" * 16])
    (None, {})
    >>> disk.close(); folder.cleanup()
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            paths = sorted(folder.glob(f"*{SUFFIX}"))
            self._files = {path.stem: _opened(path) for path in paths}
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> CopiesUnusableError:
        return CopiesUnusableError(
            f"{self._folder}: the first copies of events cannot be read or written ({error}); "
            "make the disk usable, or restore the folder from a backup"
        )

    def __bool__(self) -> bool:
        """Whether anything may be known."""
        return bool(self._files)

    def add(self, copies: Iterable[Seen]) -> None:
        """Keep first copies. Where one is known already, the older one stays.

        Raises:
            CopiesBusyError: another process writes; they may be kept in part, which does no harm.
            CopiesUnusableError: the disk is full or broken.
        """
        parts: dict[str, list[Seen]] = {}
        for copy in copies:
            parts.setdefault(_name(copy), []).append(copy)
        with self._writing():
            for name, part in parts.items():
                self._file(name).add(part)

    def refill(self, name: str, rows: Sequence[Row]) -> None:
        """Keep what a file of a checkpoint held. What is known already stays as it is.

        Args:
            name: of the file, without its suffix.
            rows: of it.

        Raises:
            CopiesBusyError: as for `add`.
            CopiesUnusableError: the same.
        """
        with self._writing():
            self._file(name).refill(rows)

    def _file(self, name: str) -> "File":
        if name not in self._files:
            self._files[name] = _opened(self._folder / f"{name}{SUFFIX}")
        return self._files[name]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise CopiesBusyError(str(error)) from error
            raise self._unusable(error) from error

    def find(self, keys: Iterable[bytes]) -> dict[bytes, int]:
        """Return what is known of these keys, as `packed` writes it.

        Raises:
            CopiesUnusableError: the disk is broken.
        """
        asked = list(keys)
        found: dict[bytes, int] = {}
        if not asked:
            return found
        try:
            for file in self._files.values():
                for key, first in file.find(asked).items():
                    found[key] = min(first, found.get(key, first))
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return found

    def sync(self) -> bool:
        """Bring everything that was added onto the disk itself; say whether that was possible now.

        Raises:
            CopiesUnusableError: the disk is full or broken.
        """
        try:
            return all(file.sync() for file in self._files.values())
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def expire(self, now: int) -> None:
        """Let go of the days whose events count no more.

        Args:
            now: ms, the log's clock.
        """
        for name in [n for n in self._files if n.startswith("day-")]:
            if (int(name[4:]) + 1) * DAY_MS + KEPT_MS < now:
                self._files.pop(name).close()
                for path in self._folder.glob(f"{name}{SUFFIX}*"):
                    path.unlink()

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files = {}


def _opened(path: Path) -> "File":
    # Most installations never have a file, and numpy costs each start 0.15 s and 25 MB.
    from profile_state.copies.file import File  # noqa: PLC0415

    return File(path)


def _name(copy: Seen) -> str:
    if copy.import_id:
        return f"import-{blake2b(copy.import_id.encode(), digest_size=8).hexdigest()}"
    return f"day-{copy.time // DAY_MS}"
