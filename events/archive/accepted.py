"""Stretches of the log that are lost, which an operator has accepted: readers pass over them.

An operator's word is a file beside the segments, which stay as they are. Whoever restores a
segment from a backup later takes the file away as well, and rebuilds what was read without it.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from events.archive.placed import placed
from events.sources.base import LogUnavailableError

SUFFIX = ".accepted"


class Accepted(msgspec.Struct, frozen=True):
    """A stretch that is passed over, and on whose word."""

    first: int  # ids, both included
    last: int
    when: str  # ISO 8601, UTC
    who: str
    why: str

    @property
    def said(self) -> str:
        """Say it in words.

        >>> Accepted(5, 9, "2026-11-28T10:00:00+00:00", "ana", "the disk died").said
        'the entries 5 to 9 are accepted as lost on 2026-11-28 by ana: the disk died'
        """
        return (
            f"the entries {self.first} to {self.last} are accepted as lost on {self.when[:10]} "
            f"by {self.who}: {self.why}"
        )


def accept(folder: Path, one: Accepted) -> Path:
    """Write an operator's word down; it is on disk when this returns.

    Raises:
        OSError: it is not.
    """
    path = folder / f"{one.first:020}-{one.last:020}{SUFFIX}"
    with placed(path) as file:
        file.write(msgspec.json.encode(one))
    return path


def accepted_in(folder: Path) -> list[Accepted]:
    """Return what is accepted in a folder, oldest first.

    Raises:
        LogUnavailableError: a file cannot be read; nobody is to guess what it said.
    """
    found = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=Accepted))
        except (msgspec.MsgspecError, OSError) as error:
            raise LogUnavailableError(
                f"{path}: what was accepted as lost cannot be read ({error}); delete it, and say "
                "it again with `kairos archive accept`"
            ) from error
    return found


def passed_over(stretches: Iterable[Accepted], after: int) -> int:
    """Return the id behind which to read on, where the stretch behind `after` is accepted.

    Args:
        stretches: oldest first.
        after: the id of the last entry that was read.

    >>> lost = [Accepted(5, 9, "", "", ""), Accepted(10, 12, "", "", "")]
    >>> passed_over(lost, 4), passed_over(lost, 7), passed_over(lost, 3), passed_over(lost, 12)
    (12, 12, 3, 12)
    """
    for one in stretches:
        if one.first - 1 <= after < one.last:
            after = one.last
    return after
