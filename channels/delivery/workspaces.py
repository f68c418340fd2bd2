"""The files of a workspace version, by its hash: a message is rendered as it was decided."""

import asyncio
from typing import Protocol

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from channels.delivery.gate import PATIENCE, StoreUnavailableError

KEPT = 8  # versions in memory

_decoder = msgspec.msgpack.Decoder(dict[str, str])


class Workspaces(Protocol):
    """Where workspace versions are found."""

    async def files(self, version: str) -> dict[str, str] | None:
        """Return path -> text, None where the version is not known (yet).

        Raises:
            StoreUnavailableError: when nobody can tell.
        """
        ...


class InMemoryWorkspaces:
    """Versions in a dict, for tests and for one process."""

    def __init__(self, versions: dict[str, dict[str, str]] | None = None) -> None:
        self.versions = versions or {}

    async def files(self, version: str) -> dict[str, str] | None:
        """Look it up."""
        return self.versions.get(version)


class RedisWorkspaces:
    """Versions under `workspace:{hash}` in the ledger's Valkey, as MessagePack."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._kept: dict[str, dict[str, str]] = {}

    async def files(self, version: str) -> dict[str, str] | None:
        """Ask the store once a version: its content follows from its hash, so it never changes."""
        if version not in self._kept:
            try:
                async with asyncio.timeout(PATIENCE):
                    packed = await self._redis.get(f"workspace:{version}")
            except (RedisError, OSError) as error:
                raise StoreUnavailableError(f"workspaces: {error}") from error
            if packed is None:
                return None
            if isinstance(packed, str):
                raise TypeError("workspaces are bytes: connect with decode_responses=False")
            while len(self._kept) >= KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[version] = _decoder.decode(packed)
        return self._kept[version]
