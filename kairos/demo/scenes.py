"""What people do in the shop, a scene a method: each gives the parcels that come of it. Pure.

The real cart trigger waits for half an hour, and a demo lasts seconds. So carts come out of
offline queues, as they do on trains: they happened nearly half an hour before they are sent,
`sentAt` says so, and the half hour is over a few seconds after they have arrived.
"""

import random
from collections.abc import Callable
from typing import Any

from kairos.demo.people import Crowd, Person
from kairos.demo.request import Call, Parcel

HALF_HOUR = 1800.0  # seconds; what the example's cart_abandoned waits
DAY = 86_400.0  # seconds
PRODUCTS = ("lamp", "chair", "desk", "shelf", "rug", "sofa", "mirror", "vase", "clock", "bench")


class Scenes:
    """Makes up what happens next.

    Args:
        run: part of every message id, cart and order.
        crowd: who takes part.
        draw: the run's randomness.
    """

    def __init__(self, run: str, crowd: Crowd, draw: random.Random) -> None:
        self._run, self._crowd, self._draw = run, crowd, draw
        self._numbers = {"m": 0, "c": 0, "l": 0, "o": 0, "t": 0}
        self._signed_up: list[Person] = []
        self._introduced: set[str] = set()
        self._table: tuple[tuple[Callable[[], list[Parcel]], float], ...] = (
            (self.visit, 40),
            (self.sign_up, 14),
            (self.cart, 20),
            (self.order, 6),
            (self.mail_opened, 8),
            (self.from_days_ago, 3),
            (self.wrong_clock, 3),
            (self.change_of_mind, 2),
            (self.shared_tablet, 1),
            (self.placeholder_ids, 1),
            (self.night_owl, 1),
            (self.never_asked, 1),
        )
        self._opening: list[Callable[[], list[Parcel]]] = [
            scene for scene, _ in reversed(self._table)
        ]

    def next(self) -> list[Parcel]:
        """Return the parcels of a scene: each once, so that a short look sees all, then by weight."""
        if self._opening:
            scene = self._opening.pop()
            return scene()
        scenes = [scene for scene, _ in self._table]
        weights = [weight for _, weight in self._table]
        return self._draw.choices(scenes, weights)[0]()

    def visit(self) -> list[Parcel]:
        """Somebody looks around, logged in or without a name."""
        if self._draw.random() < 0.6:
            return [Parcel("browser", self._views(self._crowd.visitor()))]
        parcels, who = self._member()
        return [*parcels, Parcel("browser", self._views(self._device(who), who))]

    def sign_up(self) -> list[Parcel]:
        """Somebody looks around and signs up; a few have done so before and do it once more."""
        again = self._draw.random() < 0.2
        who = self._crowd.regular() if again else self._crowd.newcomer()
        self._signed_up.append(who)
        self._introduced.add(who.user_id)
        device = self._device(who)
        server = [*self._known(who), self._call("Signed Up", who, {"plan": "free"})]
        return [
            Parcel("browser", self._views(device, zone=who.timezone)),
            Parcel("server", server, after=0.2),
            Parcel("browser", [self._login(who, device)], after=0.4),
        ]

    def cart(self) -> list[Parcel]:
        """A cart comes out of an offline queue; its owner may still order in time."""
        parcels, who = self._member()
        left = self._draw.uniform(0.5, 6)  # seconds until the half hour is over
        cart = self._number("c")
        value = round(self._draw.uniform(8, 160), 2)
        filled = self._filled(who, cart, value, left)
        if self._draw.random() < 0.2:
            filled.calls.append(self._filled(who, cart, value + 10, left + 1.5).calls[-1])
        parcels.append(filled)
        if self._draw.random() < 0.3:
            parcels.append(self._ordered(who, cart, value, after=0.1 + 0.7 * left))
        elif self._draw.random() < 0.08:
            emptied = self._call("Cart Emptied", who, {"cart_id": cart})
            parcels.append(Parcel("browser", [emptied], after=0.1 + 0.6 * left))
        return parcels

    def order(self) -> list[Parcel]:
        """Somebody buys without thinking twice."""
        parcels, who = self._member()
        total = round(self._draw.uniform(15, 240), 2)
        return [*parcels, self._ordered(who, self._number("c"), total, after=0.1)]

    def mail_opened(self) -> list[Parcel]:
        """The mail provider reports letters and opens; many are a machine's that looked for viruses."""
        parcels: list[Parcel] = []
        calls = []
        for _ in range(self._draw.randint(1, 3)):
            introduction, who = self._member()
            parcels += introduction
            calls += [*self._letter(who, ago=DAY), *self._letter(who)]
        return [*parcels, Parcel("server", calls, after=0.1)]

    def from_days_ago(self) -> list[Parcel]:
        """A device was off for days, and sends what it has kept."""
        ago = self._draw.uniform(1, 20) * DAY
        return [Parcel("browser", self._views(self._crowd.visitor(), ago=ago))]

    def wrong_clock(self) -> list[Parcel]:
        """A device's clock is hours off, or days."""
        skew = self._draw.choice((-9, -2, 3, 8, 70, -100)) * 3600.0
        parcels, who = self._member()
        return [*parcels, Parcel("browser", self._views(self._device(who), who), skew=skew)]

    def change_of_mind(self) -> list[Parcel]:
        """Somebody leaves a cart behind, and takes back their consent to mails about it."""
        parcels = self.cart()
        who = parcels[-1].calls[-1].fields["userId"]
        said = {"purpose": "marketing", "channel": "email", "granted": False}
        fields = {"type": "track", "event": "Consent Updated", "userId": who, "properties": said}
        return [*parcels, Parcel("server", [self._stamped(fields)], after=0.3)]

    def night_owl(self) -> list[Parcel]:
        """Somebody who wants to hear from the shop leaves a cart behind in their quiet hours."""
        return self._left(self._crowd.night_owl())

    def never_asked(self) -> list[Parcel]:
        """Somebody who never said whether they want mails leaves a cart behind."""
        return self._left(self._crowd.newcomer()._replace(marketing=None))

    def shared_tablet(self) -> list[Parcel]:
        """Two people log in on the tablet of the house, then it is used without a login."""
        one, first = self._member()
        two, second = self._member()
        tablet = f"tablet-{self._number('t')}"
        calls = [self._login(first, tablet), self._login(second, tablet), *self._views(tablet)]
        return [*one, *two, Parcel("browser", calls, after=0.1)]

    def placeholder_ids(self) -> list[Parcel]:
        """A template engine sends names of variables instead of their values."""
        blocked = self._draw.choice(("undefined", "null", "[object Object]", "0"))
        fields = {"type": "identify", "userId": blocked, "anonymousId": self._crowd.visitor()}
        return [Parcel("browser", [self._stamped(fields)])]

    def _member(self) -> tuple[list[Parcel], Person]:
        """Return a customer, and how the shop's server introduces them where it has not yet."""
        recent = self._signed_up[-60:]
        who = (
            self._draw.choice(recent)
            if recent and self._draw.random() < 0.4
            else self._crowd.regular()
        )
        if who.user_id in self._introduced:
            return [], who
        self._introduced.add(who.user_id)
        return [
            Parcel("server", self._known(who)),
            Parcel("browser", [self._login(who, who.devices[0])], after=0.1),
        ], who

    def _known(self, who: Person) -> list[Call]:
        """Say what the shop's own server knows about somebody, as CRM syncs do."""
        traits = {"first_name": who.first_name, "timezone": who.timezone}
        if who.email:
            traits["email"] = who.email
        fields = {"type": "identify", "userId": who.user_id, "traits": traits}
        calls = [self._stamped(fields)]
        if who.marketing is not None:
            said = {"purpose": "marketing", "channel": "email", "granted": who.marketing}
            calls.append(self._call("Consent Updated", who, said))
        return calls

    def _login(self, who: Person, device: str) -> Call:
        ids = {"userId": who.user_id, "anonymousId": device}
        return self._stamped({"type": "identify", **ids, "context": {"timezone": who.timezone}})

    def _left(self, who: Person) -> list[Parcel]:
        filled = self._filled(who, self._number("c"), 49.9, left=1.5)
        return [Parcel("server", self._known(who)), filled]

    def _filled(self, who: Person, cart: str, value: float, left: float) -> Parcel:
        """Let somebody fill a cart on one of their devices, `left` seconds short of the half hour."""
        device = self._device(who)
        filled = {"cart_id": cart, "value": value, "items": self._items()}
        calls = [
            *self._views(device, who, ago=HALF_HOUR + 60),
            self._call("Cart Updated", who, filled, device=device, ago=HALF_HOUR - left),
        ]
        return Parcel("browser", calls, after=0.1)

    def _ordered(self, who: Person, cart: str, total: float, after: float) -> Parcel:
        bought = {"order_id": self._number("o"), "cart_id": cart, "total": total}
        return Parcel("server", [self._call("Order Completed", who, bought)], after=after)

    def _letter(self, who: Person, *, ago: float = 0) -> list[Call]:
        """Send somebody a letter, which most open, or a machine does."""
        letter = {"message": self._number("l"), "campaign": "autumn"}
        calls = [self._call("Email Sent", who, letter | {"purpose": "marketing"}, ago=ago + 60)]
        opened = self._draw.random()
        if opened < 0.9:
            machine = {"machine": True} if opened < 0.3 else {}
            calls.append(self._call("Email Opened", who, letter | machine, ago=ago))
        return calls

    def _views(
        self, device: str, who: Person | None = None, *, ago: float = 0, zone: str | None = None
    ) -> list[Call]:
        context = {"timezone": who.timezone if who else zone} if who or zone else {}
        page = {
            "type": "page",
            "name": self._draw.choice(("Home", "Sale", "New")),
            **_ids(who, device),
        }
        calls = [self._stamped({**page, "context": context}, ago=ago + 40)]
        for nth in range(self._draw.randint(1, 6)):
            seen = {"product_id": self._draw.choice(PRODUCTS), "price": self._draw.randint(5, 300)}
            when = ago + 35 - 5 * nth
            calls.append(
                self._call("Product Viewed", who, seen, device=device, ago=when, context=context)
            )
        return calls

    def _call(
        self,
        event: str,
        who: Person | None,
        properties: dict[str, Any],
        *,
        device: str | None = None,
        ago: float = 0,
        context: dict[str, Any] | None = None,
    ) -> Call:
        fields = {"type": "track", "event": event, **_ids(who, device), "properties": properties}
        return self._stamped(fields | ({"context": context} if context else {}), ago=ago)

    def _stamped(self, fields: dict[str, Any], ago: float = 0) -> Call:
        return Call({**fields, "messageId": self._number("m")}, ago)

    def _device(self, who: Person) -> str:
        return self._draw.choice(who.devices)

    def _items(self) -> str:
        return " and a ".join(self._draw.sample(PRODUCTS, self._draw.randint(1, 3)))

    def _number(self, kind: str) -> str:
        self._numbers[kind] += 1
        return f"{self._run}-{kind}{self._numbers[kind]}"


def _ids(who: Person | None, device: str | None) -> dict[str, str]:
    named = {"userId": who.user_id} if who is not None else {}
    return named | ({"anonymousId": device} if device is not None else {})
