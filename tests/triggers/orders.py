"""One history in any order: `python -m tests.triggers.orders` reads every order there is of nine
records, and 10,000 random ones of twelve, with copies and in any batching.

A longer form of tests/triggers/test_orders.py; about three minutes.
"""

import random
import sys
import time
from collections.abc import Iterable, Sequence
from itertools import permutations
from typing import Any

from events.record import VERIFIED, Event, Join
from profile_state import hashes
from tests.shop import ADDRESSES, DAY, HOUR, MINUTE, an_event, at
from triggers import core
from triggers.load import load
from triggers.state import State

WORKSPACE = load(
    {
        "workspace.yaml": "workspace: test\nidentity: {email: {max: 1}, anonymous_id: {max: 2}}\n",
        "segments/all.yaml": """segment: all
if:
  - count(product_viewed, last 2h) >= 2
  - count(product_viewed) >= 0
  - sum(order_completed.total, last 1d) > 0
  - sum(order_completed.total) > 0
  - distinct(product_viewed.product_id, last 1d) >= 1
  - last(order_completed.total) > 0
  - never(cart_updated, last 3d)
""",
        "triggers/undecided.yaml": """trigger: undecided
when: {sequence: [product_viewed, cart_updated, product_viewed same product_id], within: 12h}
if: ['count(product_viewed where product_id = event.product_id, last 1d) >= 2']
key: product_id
do: [{send: {channels: [webhook]}}]
deliver: {purpose: marketing}
""",
    },
    ADDRESSES,
)
START = at("10:00")
DEVICES = {
    "laptop": {"anon": "laptop"},
    "phone": {"anon": "phone"},
    "ipad": {"anon": "ipad"},
    "ana": {"user": "ana"},
    "bob": {"user": "bob"},
}


def nine() -> list[Event | Join]:
    """Ana on two devices, one of which Bob uses too, and an operator who parts what was joined."""
    return [
        _event(0, "product_viewed", anon="laptop", product_id="p1"),
        _event(1, "consent_updated", anon="phone", purpose="marketing", granted=False),
        _event(2, "identify", user="ana", anon="laptop", traits={"plan": "free"}),
        _event(3, "cart_updated", user="ana", anon="phone", product_id="p1"),
        _event(4, "product_viewed", user="bob", anon="phone", product_id="p1"),
        _event(
            5, "identify", user="ana", email="a@b.example", trust=VERIFIED, traits={"plan": "pro"}
        ),
        _event(6, "order_completed", user="bob", email="a@b.example", trust=VERIFIED, total=9.5),
        Join("op1", START + 7 * MINUTE, "user_id:ana", "anonymous_id:laptop", True, "operator", ""),
        _event(8, "product_viewed", anon="laptop", product_id="p1"),
    ]


def twelve(seed: int) -> list[Event | Join]:
    """Draw a history of several devices, with merges, logins, addresses, cuts, and late records."""
    draw = random.Random(seed)
    history: list[Event | Join] = []
    for n in range(12):
        if draw.random() < 0.15:
            one, other = draw.sample(["user_id:ana", "user_id:bob", "anonymous_id:laptop"], 2)
            when = START + draw.randrange(-3, 60) * MINUTE
            history.append(Join(f"op{n}", when, one, other, draw.random() < 0.5, "operator", ""))
            continue
        who: dict[str, Any] = dict(DEVICES[draw.choice(list(DEVICES))])
        if "user" in who and draw.random() < 0.6:
            who["anon"] = draw.choice(("laptop", "phone", "ipad"))
        name = draw.choice(("product_viewed", "cart_updated", "order_completed", "identify"))
        rest: dict[str, Any] = (
            {"product_id": draw.choice(("p1", "p2"))} if name != "identify" else {}
        )
        if name == "order_completed":
            rest = {"total": draw.choice((9.5, "12", 3))}
        trust = draw.choice((0, 0, VERIFIED))
        if trust and "user" in who:
            who["email"] = draw.choice(("a@b.example", "c@d.example"))
        traits = {"plan": draw.choice(("free", "pro"))} if name == "identify" else None
        if traits and "email" in who and draw.random() < 0.7:
            traits["email"] = who["email"]
        history.append(_event(n, name, traits=traits, trust=trust, **who, **rest))
        if draw.random() < 0.1 and "user" in who:
            word = draw.choice(("address_lost", "address_restored"))
            told: dict[str, Any] = {
                "kind": "email",
                "address": draw.choice(("a@b.example", "c@d.example")),
            }
            history[-1] = _event(n, word, trust=VERIFIED, user=who["user"], **told)
            continue
        if draw.random() < 0.2:  # as long ago as windows are long
            ago = draw.choice((2 * HOUR, DAY, 3 * DAY, 40 * DAY)) + draw.randrange(-1, 2)
            history[-1] = _event(n, name, ago=ago, traits=traits, trust=trust, **who, **rest)
    return history


def _event(n: int, name: str, *, ago: int = 0, **rest: Any) -> Event:
    return an_event(name, message_id=f"m{n}", time=START + n * MINUTE - ago, **rest)


def read(records: Iterable[Event | Join], sizes: Sequence[int] = (1,)) -> str:
    """Read records in this order; return the facts hash."""
    state = people_of(records, sizes)
    return hashes.facts(state.people.values(), WORKSPACE.slots, state.now)


def people_of(records: Iterable[Event | Join], sizes: Sequence[int] = (1,)) -> State:
    """Read records in this order, so many an entry as `sizes` say in turn."""
    state = State(0)
    state.workspace = WORKSPACE
    ahead, nth = list(records), 0
    while ahead:
        size = sizes[nth % len(sizes)]
        batch = core.Batch(nth, START + HOUR, list(ahead[:size]))
        ahead, nth = ahead[size:], nth + 1
        while wanted := core.needs(state, [batch]):
            state.index.update(dict.fromkeys(wanted.identifiers))  # nobody is in the ledger
        core.step(state, [batch], ADDRESSES)
    return state


def shuffled(history: list[Event | Join], draw: random.Random) -> str:
    """Read a history in a random order, batching and with copies."""
    return read(*in_disorder(history, draw))


def in_disorder(
    history: list[Event | Join], draw: random.Random
) -> tuple[list[Event | Join], list[int]]:
    """Draw a random order with copies, and how many records an entry has."""
    order = history + draw.sample(history, draw.randrange(4))
    draw.shuffle(order)
    return order, [draw.randrange(1, 5) for _ in range(4)]


def main() -> int:
    """Read them all. Returns 1 where two orders differ."""
    began, expected = time.monotonic(), read(nine())
    for count, order in enumerate(permutations(nine()), start=1):
        if read(order) != expected:
            print(f"differs after {count} orders: {order}")
            return 1
        if count % 50_000 == 0:
            print(f"{count:,} orders of nine, {time.monotonic() - began:.0f} s", flush=True)
    for seed in range(100):
        draw, history = random.Random(seed), twelve(seed)
        found = {shuffled(history, draw) for _ in range(100)} | {read(history)}
        if len(found) > 1:
            print(f"seed {seed}: {len(found)} hashes")
            return 1
    print(
        f"one hash each: {count:,} orders of nine, 10,000 of twelve, {time.monotonic() - began:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
