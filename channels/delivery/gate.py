"""The gate: what must still be true right before a message is handed over.

A decision may be minutes or days old. Whoever withdrew since then, or whatever is too late by
now, is turned away here.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from channels.base import Refused
from channels.delivery.slot import HORIZON, Expired
from profile_state.identity import person_id
from profile_state.reach import SUPPRESSED, hidden
from profile_state.stores.keys import Keys, withdrawn
from triggers.activation import Activation

ERASED = "erased"  # the reason of whoever is no more
LOST = "suppressed"  # of an address that was lost since the message was decided
PATIENCE = 5.0  # seconds until a store that does not answer counts as away

# The server's run id and the values of keys, in one round trip. INFO asked beside them would be
# as good, and parsing it in Python took 150 us.
_ASK = """
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
return {run, redis.call('MGET', unpack(KEYS))}
"""


class StoreUnavailableError(Exception):
    """A store that must be asked before a message leaves does not answer: wait, never send."""


class Withdrawals(Protocol):
    """Who withdrew what, and when."""

    async def check(self, activations: Sequence[Activation]) -> dict[str, str]:
        """Return id -> reason of those decided at or before a withdrawal that concerns them.

        What is decided later the engine has judged by it. Nobody judges a copy for a seed address
        but this, so a withdrawal stands in its way for as long as it is remembered.

        The reason is `erased` where the person is, `consent`, or `suppressed`: the address is lost.

        Raises:
            StoreUnavailableError: when nobody can tell.
        """
        ...


class InMemoryWithdrawals:
    """The same in a dict, for tests and for one process."""

    def __init__(self) -> None:
        self.at: dict[str, int] = {}  # key -> ms

    def withdraw(self, who: str, purpose: str, channel: str, at: int) -> None:
        """Record a withdrawal of the leaf that has this person id; `*` is every channel."""
        key = withdrawn(who, purpose, channel)
        self.at[key] = max(at, self.at.get(key, at))

    async def check(self, activations: Sequence[Activation]) -> dict[str, str]:
        """Ask the dict."""
        return _withdrawn(activations, [self.at.get(k) for a in activations for k in keys(a)])


class RedisWithdrawals:
    """The set in the ledger's Valkey: five keys a message, one round trip a batch.

    A server that was restarted may have lost its last second, or everything, and its silence
    says nothing then. So it is believed in the run for which an engine has vouched, see
    `Store.vouch`.
    """

    def __init__(self, redis: Redis, partitions: int = 1) -> None:
        self._ask = redis.register_script(_ASK)
        self._vouched = [Keys(n).vouched for n in range(partitions)]

    async def check(self, activations: Sequence[Activation]) -> dict[str, str]:
        """Ask the store."""
        if not activations:
            return {}
        asked = [*self._vouched, *(k for a in activations for k in keys(a))]
        try:
            async with asyncio.timeout(PATIENCE):
                run, values = cast("Any", await self._ask(asked))
        except (RedisError, OSError) as error:
            raise StoreUnavailableError(f"withdrawals: {error}") from error
        vouched, found = values[: len(self._vouched)], values[len(self._vouched) :]
        if any(one != run for one in vouched):
            raise StoreUnavailableError(
                "withdrawals: the ledger was restarted or is new, and the live flow has not yet "
                "read on to the end of its log"
            )
        return _withdrawn(activations, [None if v is None else int(v) for v in found])


KEYS = 5  # of an activation


def keys(activation: Activation) -> tuple[str, ...]:
    """Return the keys that concern an activation: channel, every channel, erasures, the address.

    Erased may be whose message it is, or the person who they were then: it may speak of them.
    """
    leaf, purpose = person_id(activation.leaf), activation.purpose
    return (
        withdrawn(leaf, purpose, activation.channel),
        withdrawn(leaf, purpose, "*"),
        withdrawn(leaf, "*", "*"),
        withdrawn(activation.person, "*", "*"),
        withdrawn(leaf, SUPPRESSED, hidden(activation.address or "")),
    )


async def turned_away(
    activations: Sequence[Activation], withdrawals: Withdrawals, handed: Callable[[Activation], int]
) -> dict[str, Refused | Expired]:
    """Return those that must not be sent any more, each with its reason.

    Args:
        activations: what is handed over next.
        withdrawals: asked for those that are not too late.
        handed: ms; when an activation is handed over.

    Raises:
        StoreUnavailableError: when the withdrawals cannot be asked; nothing may be sent then.
    """
    away: dict[str, Refused | Expired] = {}
    for a in activations:
        now = handed(a)
        if a.valid_until is not None and now > a.valid_until:
            away[a.id] = Expired(reason="valid_until")
        elif a.decided < now - HORIZON:
            away[a.id] = Expired(reason="horizon")
    rest = [a for a in activations if a.id not in away]
    reasons = await withdrawals.check(rest)
    return away | {
        i: Refused(reason=why, whose="address" if why == LOST else "person")
        for i, why in reasons.items()
    }


def _withdrawn(activations: Sequence[Activation], instants: Sequence[int | None]) -> dict[str, str]:
    away = {}
    for nth, a in enumerate(activations):
        asked = instants[nth * KEYS : (nth + 1) * KEYS]
        channel, every, leaf, person, address = (
            at is not None and (a.copy or a.decided <= at) for at in asked
        )
        if leaf or person:
            away[a.id] = ERASED
        elif channel or every:
            away[a.id] = "consent"
        elif address:
            away[a.id] = LOST
    return away
