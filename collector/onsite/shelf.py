"""Messages that wait until a browser has shown them, in the ledger's Valkey.

`onsite:of:ID` holds a message and the browsers that may show it, for as long as it is worth
showing. `onsite:to:BROWSER` holds the ids of what waits for a browser, oldest first. A message that
was shown loses its content everywhere at once; that it was there stays known until its time is
over, so a copy of it that comes later is not shown again.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from collector.onsite.message import OF, TO, Onsite

CHANNEL = "onsite"  # where each message is announced
MOST = 20  # that wait for one browser; the newest stay
WEEK = 604_800_000  # ms; for how long a message waits that says nothing else
MONTH = 30 * 86_400_000  # ms; the longest

_PUT = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'to', ARGV[2], 'message', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
for nth = 2, #KEYS do
  redis.call('ZADD', KEYS[nth], ARGV[4], ARGV[1])
  redis.call('ZREMRANGEBYRANK', KEYS[nth], 0, -1 - ARGV[6])
  if redis.call('PTTL', KEYS[nth]) < tonumber(ARGV[5]) then
    redis.call('PEXPIRE', KEYS[nth], ARGV[5])
  end
end
redis.call('PUBLISH', ARGV[7], ARGV[2] .. '\\n' .. ARGV[3])
return 1
"""
_WAITING = """
local found = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local message = redis.call('HGET', 'onsite:of:' .. id, 'message')
  if message then found[#found + 1] = message else redis.call('ZREM', KEYS[1], id) end
end
return found
"""
# Only a browser that may show a message can say that it did.
_SHOWN = """
local to = redis.call('HGET', 'onsite:of:' .. ARGV[1], 'to')
if not to or not string.find(' ' .. to .. ' ', ' ' .. ARGV[2] .. ' ', 1, true) then return 0 end
redis.call('HDEL', 'onsite:of:' .. ARGV[1], 'message')
for browser in string.gmatch(to, '%S+') do
  redis.call('ZREM', 'onsite:to:' .. browser, ARGV[1])
end
return 1
"""


class Shelf:
    """The messages that wait.

    Every method may raise a `RedisError` or an `OSError`: what was called may have happened.
    """

    def __init__(self, client: "Redis", timeout: float) -> None:
        self.client = client
        self.timeout = timeout  # s

    async def put(self, message: Onsite, to: Sequence[str], now: int, until: int | None) -> bool:
        """Keep a message and announce it; a second one of its id changes nothing.

        Args:
            message: what to show.
            to: browsers, each a BROWSER.
            now: ms.
            until: ms; not shown later.

        Returns:
            Whether it is new.
        """
        life = WEEK if until is None else max(1, min(until - now, MONTH))
        keys = [f"{OF}{message.id}", *(f"{TO}{browser}" for browser in to)]
        content = msgspec.json.encode(message)
        arguments = (message.id, " ".join(to), content, now, life, MOST, CHANNEL)
        return bool(await self._call(_PUT, keys, *arguments))

    async def waiting(self, browser: str) -> list[Onsite]:
        """Return what a browser has not shown yet, oldest first."""
        found = cast("list[bytes]", await self._call(_WAITING, [f"{TO}{browser}"]))
        return [msgspec.json.decode(content, type=Onsite) for content in found]

    async def shown(self, browser: str, message: str) -> None:
        """Take a message away from every browser, on the word of one that may show it."""
        await self._call(_SHOWN, [], message, browser)

    async def close(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    async def _call(self, script: str, keys: Sequence[str], *arguments: Any) -> Any:
        async with asyncio.timeout(self.timeout):
            return await cast("Any", self.client.eval(script, len(keys), *keys, *arguments))


def connected(url: str, timeout: float) -> Shelf:
    """Return the shelf in the Valkey of a URL; a call that takes longer than `timeout` s has failed."""
    # The client's own time-outs are built on `asyncio.wait_for`, which in Python 3.11 swallows a
    # cancellation that comes as its call ends: streams whose browser had left went on for ever.
    client = Redis.from_url(url, socket_timeout=None, retry=Retry(NoBackoff(), 0))
    return Shelf(client, timeout)


def announced(data: bytes) -> tuple[list[str], Onsite]:
    r"""Read an announcement: for which browsers, and the message.

    >>> announced(b'a b\n{"id":"1","template":"t","subject":"","text":"Hi","html":""}')[0]
    ['a', 'b']
    """
    to, _, content = data.partition(b"\n")
    return to.decode().split(" "), msgspec.json.decode(content, type=Onsite)
