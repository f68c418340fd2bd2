"""Write keys: who may send, into which source group, and how far their word is trusted.

Only hashes are stored. A key is found by its hash, so no comparison can leak one byte by byte.
"""

import fcntl
import os
import re
import secrets
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Literal, Self

import msgspec

from events.record import CLAIMED, VERIFIED

Kind = Literal["browser", "server"]

_SOURCE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_TRUST: dict[Kind, int] = {"browser": CLAIMED, "server": VERIFIED}


class Key(msgspec.Struct, frozen=True):
    """A write key as stored."""

    id: str  # public: what a key is called when it is revoked
    kind: Kind  # a browser's key is public and only claims; a server's vouches
    source: str  # duplicates are told apart inside one source group
    sha256: str  # of the key, in hex
    created: str  # ISO 8601, UTC
    quota: int = 0  # events a second; 0: as many as there are

    @property
    def trust(self) -> int:
        """How far what comes through it is trusted."""
        return _TRUST[self.kind]


def create(
    kind: Kind, source: str, created: str, plaintext: str = "", quota: int = 0
) -> tuple[str, Key]:
    """Make a key: the text to hand out once, and the record to store.

    Args:
        kind: `"browser"` or `"server"`.
        source: the source group: lower-case letters, digits, `-` and `_`.
        created: now, ISO 8601, UTC.
        plaintext: a key that exists already, such as one carried over from another system.
        quota: events a second that it may send; 0 for as many as there are.

    Raises:
        ValueError: for a source group that is not one.

    >>> text, key = create("browser", "web", "2026-11-25T00:00:00Z")
    >>> text.startswith("browser_"), KeyRing([key]).find(text) == key
    (True, True)
    """
    if quota < 0:
        raise ValueError(f"quota {quota}: a number of events a second was expected, or 0 for all")
    if not _SOURCE.fullmatch(source):
        raise ValueError(
            f"source {source!r}: 1 to 64 of a-z, 0-9, '-' and '_' were expected, such as 'web'"
        )
    text = plaintext or f"{kind}_{secrets.token_urlsafe(24)}"
    digest = _hash(text)
    return text, Key(digest[:12], kind, source, digest, created, quota)


class KeyRing:
    """The keys in force. Immutable; a change is another ring.

    >>> _, key = create("server", "shop", "2026-11-25T00:00:00Z", "s3cret")
    >>> ring = KeyRing([key])
    >>> ring.find("s3cret").source, ring.find("other")
    ('shop', None)
    >>> ring.without(key.id).find("s3cret") is None
    True
    """

    def __init__(self, keys: list[Key] | tuple[Key, ...] = ()) -> None:
        self.keys = tuple(keys)
        self._by_hash = {key.sha256: key for key in self.keys}

    def __repr__(self) -> str:
        return f"KeyRing({list(self.keys)!r})"

    def find(self, plaintext: str) -> Key | None:
        """Return the key, None where it is unknown or revoked."""
        return self._by_hash.get(_hash(plaintext))

    def having(self, key: Key) -> Self:
        """Return a ring with one key more."""
        return type(self)((*self.keys, key))

    def without(self, id: str) -> Self:  # noqa: A002 - the word on the command line
        """Return a ring without the key of that id."""
        return type(self)(tuple(key for key in self.keys if key.id != id))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read `keys.json`; a file that is not there holds no keys.

        Raises:
            ValueError: when the file is damaged, with its path and the place.
        """
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return cls()
        try:
            return cls(msgspec.json.decode(content, type=list[Key]))
        except msgspec.DecodeError as error:
            raise ValueError(f"{path}: {error}; a list of write keys was expected") from error

    def save(self, path: Path) -> None:
        """Write `keys.json` whole or not at all, readable by its owner alone."""
        content = msgspec.json.format(msgspec.json.encode(self.keys), indent=2)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content + b"\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # or a revoked key could be back after a power cut
            finally:
                os.close(folder)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def changing(path: Path, change: Callable[[KeyRing], KeyRing]) -> None:
    """Change a key file; two that change it at once do so one after the other.

    Raises:
        ValueError: the file is damaged.
        OSError: it cannot be written.
    """
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        change(KeyRing.load(path)).save(path)


def first_keys(path: Path, created: str) -> dict[Kind, str]:
    """Make and save the first keys of an installation, one of each kind.

    Args:
        path: of the key file.
        created: now, ISO 8601, UTC.

    Returns:
        The texts to hand out, by kind; empty where there are keys already.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "keys.json"
    >>> sorted(first_keys(path, "2026-11-25T00:00:00Z"))
    ['browser', 'server']
    >>> first_keys(path, "2026-11-25T00:00:00Z")
    {}
    """
    if path.exists() and KeyRing.load(path).keys:
        return {}
    ring, texts = KeyRing(), dict[Kind, str]()
    kinds: tuple[tuple[Kind, str], ...] = (("browser", "web"), ("server", "server"))
    for kind, source in kinds:
        texts[kind], key = create(kind, source, created)
        ring = ring.having(key)
    ring.save(path)
    return texts


def _hash(plaintext: str) -> str:
    return sha256(plaintext.encode()).hexdigest()
