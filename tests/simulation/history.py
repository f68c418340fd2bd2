"""What people do: messages of their devices and of the shop's server, in the order in which they happen."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from random import Random
from typing import Any

from tests.simulation.shop import DAY, HOUR, MINUTE, SECOND

HUMANS = 28
STARTS = ("2026-03-02T08:00+01:00", "2026-03-28T16:00+01:00", "2026-10-24T18:00+02:00")
CLOCKS = {"": 0, "fast": 2 * HOUR, "slow": -3 * HOUR, "broken": 40 * DAY, "none": 0}  # ms off
_PLAIN = ("", "", "", "", "", "", "fast", "slow", "broken", "none")  # clocks, most of them right
_GAPS = (0, 0, 0, 20, 20, 300, 300, 5 * SECOND, MINUTE, 40 * MINUTE)  # ms between two visits
_DOES = {
    "product_viewed": 30, "cart_updated": 12, "cart_emptied": 2, "order_completed": 8,
    "trial_started": 8, "price_asked": 8, "signed_up": 4, "login": 7, "server_identify": 8,
    "consent_updated": 8, "unsubscribed": 2, "alias": 2, "nameless": 1, "old": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """One SDK call, as its sender means it."""

    n: int  # unique; every message carries it, so that what comes of it can be told
    id: str
    kind: str  # track, identify or alias
    name: str  # of a track; "" is refused at the door
    happened: int  # ms, true time
    server: bool  # sent with the server's key
    user: str = ""
    anonymous: str = ""
    previous: str = ""
    properties: dict[str, Any] = field(default_factory=dict)
    traits: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that one request carries, and what becomes of the request."""

    messages: tuple[Message, ...]
    leaves: int  # ms, when it is sent first
    clock: str  # of the sender: "", fast, slow, broken or none
    again: tuple[int, ...] = ()  # ms, when it is sent once more although it was answered


def start_of(draw: Random) -> int:
    """Return when a history starts, ms: an ordinary day, or one before the clocks change."""
    return int(datetime.fromisoformat(draw.choice(STARTS)).timestamp() * 1000)


class History:
    """Writes a history of about `size` messages."""

    def __init__(self, draw: Random, start: int, size: int) -> None:
        self._draw = draw
        self._size = size
        self._numbers = count(1)
        self.now = start
        self.messages: list[tuple[str, Message]] = []  # (sender, message)
        self._device = ""  # at hand

    def batches(self) -> list[Batch]:
        """Return the whole history as requests."""
        for human in range(0, HUMANS, 2):
            self._identify(human)
            self._say(
                "server", "track", "consent_updated", user=f"u{human}",
                properties={"purpose": "marketing", "granted": True},
            )  # fmt: skip
        while len(self.messages) < self._size:
            self.now += self._draw.choice(_GAPS)
            if self._draw.random() < 0.01:
                self._storm()
            else:
                self._visit(self._draw.randrange(HUMANS))
        return self._sent()

    def _visit(self, human: int) -> None:
        """Somebody does a few things, on one device."""
        own = f"d{human}a"
        self._device = self._draw.choice((own, own, own, own, f"d{human}b", f"s{human // 7}"))
        for _ in range(self._draw.randrange(1, 12)):
            self._act(human)
            self.now += self._draw.choice((0, 0, 20, 300, 5 * SECOND))

    def _storm(self) -> None:
        """Everybody's timer falls due at one instant."""
        for human in range(HUMANS):
            self._device = f"d{human}a"
            self._track(human, "trial_started", trial_id=f"t{next(self._numbers)}", product_id="p0")

    def _act(self, human: int) -> None:
        draw = self._draw
        match draw.choices(list(_DOES), list(_DOES.values()))[0]:
            case "product_viewed":
                self._track(human, "product_viewed", product_id=f"p{draw.randrange(4)}")
            case "cart_updated" | "cart_emptied" | "order_completed" as name:
                self._cart(human, name)
            case "trial_started":
                self._trial(human)
            case "price_asked" | "signed_up" as name:
                self._track(human, name)
            case "login":
                self._log_in(human)
            case "server_identify":
                self._identify(human)
            case "consent_updated" | "unsubscribed" as name:
                self._consent(human, name)
            case "alias":
                self._alias(human)
            case "nameless":
                self._say(self._device, "track", "", anonymous=self._device)
            case _:
                self._old(human)

    def _say(self, sender: str, kind: str, name: str, **rest: Any) -> Message:
        n = next(self._numbers)
        happened = rest.pop("happened", self.now)
        told = "traits" if kind == "identify" else "properties"
        rest[told] = {**rest.get(told, {}), "n": n}
        server = sender == "server"
        message = Message(n, f"m{n}", kind, name, happened, server, **rest)
        self.messages.append((sender, message))
        if self._draw.random() < 0.01:  # another message under the same id: a bug of the sender's
            said = {**rest[told], "n": next(self._numbers)}
            changes: dict[str, Any] = {"n": said["n"], told: said}
            self.messages.append((sender, replace(message, **changes)))
        return message

    def _whose(self, human: int) -> dict[str, str]:
        """Draw how a person is named: by the device at hand, by the user id, by both."""
        user, device = f"u{human}", self._device
        return self._draw.choice(
            ({"anonymous": device}, {"user": user}, {"user": user, "anonymous": device})
        )

    def _sender(self, who: dict[str, str]) -> str:
        """Draw who tells of it: the device, or, of a user id alone, sometimes the server."""
        told = "server" if self._draw.random() < 0.15 else self._device
        return who.get("anonymous") or told

    def _track(self, human: int, name: str, **properties: Any) -> Message:
        who = self._whose(human)
        return self._say(self._sender(who), "track", name, properties=properties, **who)

    def _cart(self, human: int, name: str) -> None:
        draw = self._draw
        properties: dict[str, Any] = {"cart_id": f"c{draw.randrange(2)}"}
        if name == "cart_updated":
            properties["product_id"] = f"p{draw.randrange(4)}"
        elif name == "order_completed":
            properties["total"] = draw.choice((10, 30, 49.5, 50, "80", 99.99))
            if draw.random() < 0.2:
                del properties["cart_id"]
        self._track(human, name, **properties)

    def _trial(self, human: int) -> None:
        """Start a trial; half of them are used, by whoever started them, some of these too late."""
        started = self._track(
            human, "trial_started", trial_id=f"t{next(self._numbers)}", product_id="p1"
        )
        if self._draw.random() < 0.5:
            sender = started.anonymous or ("server" if started.server else self._device)
            later = self.now + self._draw.randrange(50) * MINUTE
            self._say(
                sender, "track", "trial_used", happened=later, user=started.user,
                anonymous=started.anonymous, properties={"trial_id": started.properties["trial_id"]},
            )  # fmt: skip

    def _log_in(self, human: int) -> None:
        device = self._device
        self._say(
            device, "identify", "", user=f"u{human}", anonymous=device, traits=self._traits(human)
        )

    def _identify(self, human: int) -> None:
        traits = {**self._traits(human), "email": f"u{human}@shop.example"}
        if self._draw.random() < 0.2:
            traits["email"] = f"U{human}@Work.example"
        self._say("server", "identify", "", user=f"u{human}", traits=traits)

    def _traits(self, human: int) -> dict[str, Any]:
        draw = self._draw
        return {"first_name": f"Ana{human}", "tier": draw.choice(("gold", "silver", None, "gold"))}

    def _consent(self, human: int, name: str) -> None:
        draw = self._draw
        properties: dict[str, Any] = {"purpose": draw.choice(("marketing", "marketing", "product"))}
        if draw.random() < 0.7:
            properties["channel"] = draw.choice(("email", "email", "webhook"))
        if name == "consent_updated":
            properties["granted"] = properties["purpose"] == "marketing" and draw.random() < 0.8
        who = self._whose(human)
        sender = self._sender(who)
        if sender != "server" and draw.random() < 0.9:  # else the door refuses it
            who["anonymous"] = self._device
        self._say(sender, "track", name, properties=properties, **who)

    def _alias(self, human: int) -> None:
        """Join two user ids, which only the server may, or a device."""
        draw, user = self._draw, f"u{human}"
        other = f"user_id:u{human ^ 1}" if draw.random() < 0.6 else f"d{human}b"
        sender = "server" if draw.random() < 0.5 else self._device
        self._say(sender, "alias", "", user=user, previous=other)

    def _old(self, human: int) -> None:
        """Tell of something long ago: it changes traits and counts nowhere."""
        happened = self.now - 60 * DAY
        self._say(
            "server", "track", "order_completed", happened=happened, user=f"u{human}",
            properties={"total": 500, "cart_id": "c0"},
        )  # fmt: skip

    def _sent(self) -> list[Batch]:
        """Put each sender's messages into requests, some of them late, doubled or out of order."""
        draw = self._draw
        waiting: dict[str, list[Message]] = {}
        batches: list[Batch] = []
        clocks: dict[str, str] = {}
        offline: dict[str, int] = {}  # sender -> ms until which nothing leaves
        for sender, message in sorted(self.messages, key=lambda sm: (sm[1].happened, sm[1].n)):
            own = waiting.setdefault(sender, [])
            if own and (draw.random() < 0.04 or message.happened - own[0].happened > MINUTE):
                batches.append(self._request(sender, own, clocks, offline))
                own = waiting[sender] = []
            own.append(message)
        batches += [self._request(s, own, clocks, offline) for s, own in waiting.items() if own]
        return sorted(batches, key=lambda b: (b.leaves, b.messages[0].n))

    def _request(
        self, sender: str, messages: list[Message], clocks: dict[str, str], offline: dict[str, int]
    ) -> Batch:
        draw = self._draw
        clock = clocks.setdefault(sender, "" if sender == "server" else draw.choice(_PLAIN))
        last = max(m.happened for m in messages)
        leaves = max(last, self.now - 3 * DAY) + draw.choice((5, 50, SECOND, 10 * SECOND))
        if draw.random() < 0.02 and sender != "server":
            offline[sender] = leaves + draw.randrange(1, 8) * HOUR
        leaves = max(leaves, offline.get(sender, 0))
        again: tuple[int, ...] = ()
        if draw.random() < 0.12:
            copies = draw.choice((1, 1, 1, 4))
            again = tuple(
                leaves + draw.choice((10, SECOND, MINUTE, 3 * HOUR)) for _ in range(copies)
            )
        return Batch(tuple(messages), leaves, clock, again)
