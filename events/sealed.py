"""Tokens that leave with a message and come home with what became of it.

Whoever carries one, a mail provider or a link, can read and change nothing of it. It names the
message and whose it is, so that nothing needs to be looked up to know where an answer belongs.
Encrypted with AES-SIV (RFC 5297): the same message has the same token, and no nonce can repeat.
"""

import os
import secrets
import tempfile
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

_KEY_BYTES = 32  # AES-128 for each of SIV's two halves
# Authenticated with each token, and not in it: so none passes for one of the other kind.
_VERSION, _LINK = b"kairos message 1", b"kairos link 1"
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class Sealed(msgspec.Struct, frozen=True, array_like=True):
    """What a token says."""

    activation: str  # 32 hex digits
    channel: str
    purpose: str
    leaf: str


class Link(NamedTuple):
    """What the token of a link in a message says."""

    message: Sealed
    url: str  # where it leads


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[bytes, str, str, str]).decode
_decode_link = msgspec.msgpack.Decoder(tuple[bytes, str, str, str, str]).decode


class Seal:
    """Makes tokens and opens them, under one key.

    >>> seal = Seal(bytes(range(32)))
    >>> token = seal.close(Sealed("0b60e56f61c32cf0576db310533ef66b", "email", "news", "user_id:u1"))
    >>> seal.open(token).leaf, seal.open(token[:-1] + "A"), Seal(bytes(32)).open(token)
    ('user_id:u1', None, None)
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise ValueError(f"a key of {_KEY_BYTES} bytes was expected, found {len(key)}")
        self._key = key

    def __repr__(self) -> str:
        return "Seal(…)"

    @cached_property
    def _cipher(self) -> "AESSIV":
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV  # noqa: PLC0415 - 20 ms

        return AESSIV(self._key)

    def close(self, said: Sealed) -> str:
        """Return the token of a message: letters, digits, `-` and `_`."""
        return self._closed(_plain(said), _VERSION)

    def open(self, token: str) -> Sealed | None:
        """Return what a message's token says, None where it is none of ours."""
        plain = self._opened(token, _VERSION)
        if plain is None:
            return None
        activation, channel, purpose, leaf = _decode(plain)
        return Sealed(activation.hex(), channel, purpose, leaf)

    def close_link(self, message: Sealed, url: str) -> str:
        """Return the token of a link, of the same letters: nobody else can make one that leads away.

        >>> seal = Seal(bytes(32))
        >>> message = Sealed("0b60e56f61c32cf0576db310533ef66b", "email", "news", "user_id:u1")
        >>> token = seal.close_link(message, "https://shop.example/")
        >>> seal.open_link(token).url, seal.open(token), seal.open_link(seal.close(message))
        ('https://shop.example/', None, None)
        """
        return self._closed((*_plain(message), url), _LINK)

    def open_link(self, token: str) -> Link | None:
        """Return what a link's token says, None where it is none of ours."""
        plain = self._opened(token, _LINK)
        if plain is None:
            return None
        activation, channel, purpose, leaf, url = _decode_link(plain)
        return Link(Sealed(activation.hex(), channel, purpose, leaf), url)

    def _closed(self, plain: tuple[bytes | str, ...], kind: bytes) -> str:
        box = self._cipher.encrypt(_encode(plain), [kind])
        return urlsafe_b64encode(box).rstrip(b"=").decode()

    def _opened(self, token: str, kind: bytes) -> bytes | None:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above

        if not token or token.strip(_ALPHABET):
            return None
        try:
            box = urlsafe_b64decode(token + "=" * (-len(token) % 4))
            return self._cipher.decrypt(box, [kind])
        except (Error, ValueError, InvalidTag):
            return None


def _plain(said: Sealed) -> tuple[bytes | str, ...]:
    return (bytes.fromhex(said.activation), said.channel, said.purpose, said.leaf)


def seal_at(path: Path) -> Seal:
    """Read the key of an installation from its file, which is made where there is none.

    Of several that make it at once, all go by the same one.

    Args:
        path: of a file that its owner alone can read: base64 of 32 bytes.

    Raises:
        ValueError: the file holds something else.
        OSError: it cannot be read or written.

    >>> path = Path(tempfile.mkdtemp()) / "seal.key"
    >>> seal_at(path)
    Seal(…)
    """
    if not path.exists():
        _make(path)
    try:
        return Seal(urlsafe_b64decode(path.read_bytes().strip()))
    except ValueError as error:
        raise ValueError(f"{path}: base64 of {_KEY_BYTES} bytes was expected: {error}") from error


def _make(path: Path) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(name, path)  # fails where another was first, whose key it then is
    except FileExistsError:
        return
    finally:
        Path(name).unlink(missing_ok=True)
