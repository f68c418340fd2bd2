"""The other end of `flows.questions`: asks an engine about somebody, and waits for what it says."""

import asyncio
import secrets
import time
from typing import cast

import msgspec
import redis.asyncio
import redis.asyncio.retry
import structlog
from redis.backoff import NoBackoff

from profile_state.questions import Question, Reply
from profile_state.stores.keys import Keys

_SPARE_S = 0.2  # beyond what the server waits by itself

log = structlog.get_logger()


class Asker:
    """Asks the engine of a partition through its ledger.

    Args:
        url: of the ledger.
        partition: of the engine.
    """

    def __init__(self, url: str, partition: int = 0) -> None:
        retry = redis.asyncio.retry.Retry(NoBackoff(), 0)
        # The client's own time-outs swallow a cancellation that comes as a call ends (Python 3.11).
        self._client = redis.asyncio.Redis.from_url(url, retry=retry, socket_timeout=None)
        self._questions = Keys(partition).named("questions")
        self._decode = msgspec.msgpack.Decoder(Reply).decode

    async def ask(
        self, identifiers: list[str], entry: int, seconds: float, channel: str = ""
    ) -> Reply | None:
        """Return what the engine says, None where none answers in time.

        Args:
            identifiers: of which one must be whose is asked for.
            entry: of the log, that the engine must have read; -1 for any.
            seconds: to wait.
            channel: of which they are asked what they allow on it; else all is asked for.
        """
        place = f"reply:{secrets.token_hex(8)}"
        asked = Question(place, identifiers, entry, time.time() + seconds, channel)
        try:
            pipe = self._client.pipeline(transaction=False)
            pipe.rpush(self._questions, msgspec.msgpack.encode(asked))
            pipe.expire(self._questions, int(seconds) + 1)  # where no engine runs
            await pipe.execute()
            async with asyncio.timeout(seconds + _SPARE_S):
                found = await self._client.blpop([place], timeout=seconds)
        except (redis.RedisError, OSError) as error:  # the latter also where it takes too long
            log.warning("the ledger does not answer", reason=str(error))
            return None
        return None if found is None else self._decode(cast("bytes", found[1]))

    async def close(self) -> None:
        """Give back the connections."""
        await self._client.aclose()
