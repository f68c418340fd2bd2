"""Word to workers of who withdrew, ahead of the engine: into the set that they ask right before a call.

The engine writes the same of its own accord when it has read the log that far. So whoever takes a
person's word tells the workers first, as well as it can, and the log in any case.
"""

import asyncio

import redis.asyncio
import redis.asyncio.retry
import structlog
from redis.backoff import NoBackoff

from profile_state.identity import person_id
from profile_state.stores.keys import WITHDRAWN_MS, withdrawn

# A later withdrawal stands: word of two may overtake each other.
_LATEST = """
local known = redis.call('GET', KEYS[1])
if not known or tonumber(known) < tonumber(ARGV[1]) then
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
"""

log = structlog.get_logger()


class Withdrawer:
    """Tells workers through the ledger.

    Args:
        url: of the ledger.
        seconds: that it may take.
    """

    def __init__(self, url: str, seconds: float) -> None:
        retry = redis.asyncio.retry.Retry(NoBackoff(), 0)
        # As in `flows.asking`.
        self._client = redis.asyncio.Redis.from_url(url, retry=retry, socket_timeout=None)
        self._seconds = seconds

    async def withdraw(self, leaf: str, purposes: list[str], channel: str, time: int) -> None:
        """Have what was decided for a leaf by then turned away; where that fails, say so.

        Args:
            leaf: whose word it is.
            purposes: that it takes back.
            channel: of them, `*` for every one.
            time: ms.
        """
        pipe = self._client.pipeline(transaction=False)
        for purpose in purposes:
            key = withdrawn(person_id(leaf), purpose, channel)
            pipe.eval(_LATEST, 1, key, str(time), str(WITHDRAWN_MS))
        try:
            async with asyncio.timeout(self._seconds):
                await pipe.execute()
        except (redis.RedisError, OSError) as error:  # the latter also where it takes too long
            log.warning("workers hear of a withdrawal from the engine alone", reason=str(error))

    async def close(self) -> None:
        """Give back the connections."""
        await self._client.aclose()
