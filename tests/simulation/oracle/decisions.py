"""What may have been decided, and what must have been: rules that need no engine to be read."""

from collections.abc import Iterator
from datetime import datetime
from hashlib import blake2b
from zoneinfo import ZoneInfo

from tests.simulation.oracle.evidence import Decided, Ending, Evidence, Place
from tests.simulation.oracle.facts import STATEMENTS, allowed, counts
from tests.simulation.oracle.who import growing, named
from tests.simulation.shop import ALERT_CAP, CART, EMAIL_CAP, QUIET, TRIAL, ZONE

SHOWN = 200  # characters of a value that differs
ENDINGS = ("order_completed", "cart_emptied")  # of the wait of trigger `cart`


def the_same_again(evidence: Evidence) -> Iterator[str]:
    """I1: crashes, batches and other engines leave no trace in what a clean reading comes to."""
    live, again = evidence.live, evidence.again
    assert live is not None
    assert again is not None
    for name in Ending.__dataclass_fields__:
        found, right = getattr(live, name), getattr(again, name)
        if found == right:
            continue
        if not isinstance(found, dict):
            yield f"{name} differ from those of a clean reading"
            continue
        for key in sorted(found.keys() | right.keys(), key=str):
            if found.get(key) != right.get(key):
                yield f"{name}: {key} should be {_apart(right.get(key), found.get(key))}"
                break


def _apart(right: object, found: object) -> str:
    """Show two values around where they part, since a person is long."""
    one, other = repr(right), repr(found)
    parts = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
    start = max(0, parts - SHOWN // 2)
    return f"{one[start : start + SHOWN]}, found {other[start : start + SHOWN]}"


def a_remade_activation_is_the_same(evidence: Evidence) -> Iterator[str]:
    """I7: what a crash makes again under one id says the same."""
    for one, said in sorted(evidence.remade.items()):
        if len(said) > 1:
            yield f"activation {one} was put out as {sorted(said)}"
    ids = [d.id for d in evidence.decided]
    if len(ids) != len(set(ids)):
        yield "one reading of the log puts out an activation twice"


def orders_get_their_receipt(evidence: Evidence) -> Iterator[str]:
    """I7: the anchor `receipt` sends once for each order of 50 and more."""
    right = {
        activation_id("receipt", f"{s.source}/{s.leaf}/{s.message_id}", "webhook"): s.n
        for s in growing(evidence).heard()
        if s.name == "order_completed" and counts(s) and float(s.properties["total"]) >= 50
    }
    yield from _compared(evidence, "receipt", right, right)


def timers_fire_once_and_in_time(evidence: Evidence) -> Iterator[str]:
    """I9: the anchor `trial_over` fires once for each trial that nobody used in time."""
    gone = growing(evidence).gone
    said = [s for s in growing(evidence).heard() if counts(s)]
    uses = [u for u in said if u.name == "trial_used"]
    may: dict[str, int] = {}
    must: dict[str, int] = {}
    due: dict[str, int] = {}
    for s in said:
        if s.name != "trial_started":
            continue
        at = s.time + TRIAL
        one = activation_id("trial_over", f"{s.source}/{s.leaf}/{s.message_id}@{at}", "webhook")
        used = [
            u
            for u in uses
            if u.leaf == s.leaf
            and u.properties["trial_id"] == s.properties["trial_id"]
            and u.time >= s.time
        ]
        due[one] = at
        left = gone.get(s.leaf)
        if not used and left is None:
            must[one] = s.n
        in_time = left is None or left.at >= at
        if in_time and all(u.place > s.place and u.at >= at for u in used):
            may[one] = s.n
    yield from _compared(evidence, "trial_over", must, may)
    for d in evidence.decided:
        if d.id in due and d.at < due[d.id]:
            yield f"the timer of message {may[d.id]} was due at {due[d.id]} and fired at {d.at}"


def _compared(
    evidence: Evidence, trigger: str, must: dict[str, int], may: dict[str, int]
) -> Iterator[str]:
    live = evidence.live
    assert live is not None
    found = {d.id for d in evidence.decided if d.trigger == trigger}
    put_out = {one for one, words in live.activations.items() if f"trigger={trigger!r}" in words}
    for one in sorted(must):
        if one not in found or one not in put_out:
            yield f"{trigger}: message {must[one]} got nothing"
    for one in sorted((found | put_out) - may.keys()):
        yield f"{trigger}: activation {one} has no cause"


def carts_wait(evidence: Evidence) -> Iterator[str]:
    """I9: an absence is decided when its time is up, and nothing that ends it was read before."""
    who = growing(evidence)
    said = [s for s in who.heard() if counts(s)]
    entering = {s.n: s for s in said}
    for d in evidence.decided:
        if d.trigger != "cart" or d.n is None:
            continue
        cart = entering[d.n]
        if d.at < cart.time + CART:
            yield f"cart: message {d.n} of {cart.time} fired at {d.at}, {CART} ms were to be waited"
        group = who.after((d.entry, -1)).of(d.leaf)
        key = cart.properties["cart_id"]
        for s in said:
            if (
                s.name in ENDINGS
                and s.place < (d.entry, -1)
                and s.leaf in group
                and s.time >= cart.time
                and s.properties.get("cart_id") in (None, key)
            ):
                yield f"cart: message {d.n} fired although message {s.n} had ended its wait"


def marketing_is_allowed(evidence: Evidence) -> Iterator[str]:
    """TRIGGERS 8: nobody gets marketing who did not allow it, merged or not."""
    who = growing(evidence)
    said = who.heard()
    places = {s.n: s.place for s in said}
    consents = [s for s in said if s.name in STATEMENTS]
    for d in evidence.decided:
        if d.purpose != "marketing" or d.n is None:
            continue
        place = place_of(d, places)
        # A wait that an event of its entry ended may have been decided behind any of its records.
        may = (
            {place}
            if places.get(d.n) == place
            else {place, *(s.place for s in said if s.place[0] == d.entry)}
        )
        if not any(
            allowed(
                who.after(at), [s for s in consents if s.place <= at], d.leaf, d.purpose, d.channel
            )
            for at in sorted(may)
        ):
            yield f"{d.trigger}: message {d.n} led to marketing on {d.channel} that was not allowed"


def nights_are_quiet(evidence: Evidence) -> Iterator[str]:
    """No marketing from 21:00 to 08:00, whatever the clocks change to."""
    for d in evidence.decided:
        if d.purpose == "marketing":
            local = datetime.fromtimestamp(d.at / 1000, ZoneInfo(ZONE))
            minute = local.hour * 60 + local.minute
            if minute >= QUIET[0] or minute < QUIET[1]:
                yield f"{d.trigger}: activation {d.id} was decided at {local:%H:%M}"


def caps_hold(evidence: Evidence) -> Iterator[str]:
    """A cap counts what a person got on any leaf that is theirs by then."""
    who = growing(evidence)
    places = {s.n: s.place for s in who.heard()}
    email = [d for d in evidence.decided if (d.purpose, d.channel) == ("marketing", "email")]
    alert = [d for d in evidence.decided if d.trigger == "alert"]
    for sends, (most, per) in ((email, EMAIL_CAP), (alert, ALERT_CAP)):
        for nth, d in enumerate(sends):
            near = [b for b in sends[:nth] if b.at > d.at - per]
            if len(near) < most:
                continue
            group = who.after(place_of(d, places)).of(d.leaf)
            if d.n is None:  # which record of its entry it followed from is not told
                group = group & who.after((d.entry, 1 << 30)).of(d.leaf)
            counted = sum(b.leaf in group for b in near)
            if counted >= most:
                yield f"{d.trigger}: activation {d.id} is number {counted + 1} of {most} on {d.channel}"


def once_stays_once(evidence: Evidence) -> Iterator[str]:
    """TRIGGERS 8: who was welcomed under one leaf is not welcomed under another."""
    who = growing(evidence)
    places = {s.n: s.place for s in who.heard()}
    welcomes = [d for d in evidence.decided if d.trigger == "welcome"]
    for nth, d in enumerate(welcomes):
        group = who.after(place_of(d, places)).of(d.leaf)
        if any(b.leaf in group for b in welcomes[:nth]):
            yield f"welcome: message {d.n} welcomed {d.leaf}, who had been welcomed"


def withdrawals_are_known(evidence: Evidence) -> Iterator[str]:
    """A denial reaches the workers' set for every leaf that is the person's by then, an erasure every id of theirs."""
    who = growing(evidence)
    said = who.heard()
    right: dict[tuple[str, str, str], int] = {}
    for gone in who.erasures:
        for leaf in gone.leaves:
            right[named(leaf), "*", "*"] = gone.at
    leaves: set[str] = set()
    for s in said:
        leaves.add(s.leaf)
        if s.name in STATEMENTS and s.properties.get("granted") is not True:
            about = (s.properties.get("purpose", "marketing"), s.properties.get("channel", "*"))
            for leaf in who.after(s.place).of(s.leaf) & leaves:
                key = (named(leaf), *about)
                right[key] = max(s.at, right.get(key, 0))
    live = evidence.live
    assert live is not None
    for key in sorted(right.keys() | live.withdrawals.keys()):
        if live.withdrawals.get(key) != right.get(key):
            yield f"withdrawal of {key} should be {right.get(key)}, found {live.withdrawals.get(key)}"


def place_of(d: Decided, places: dict[int, Place]) -> Place:
    """Return the record that a decision followed from: its message, or a tick."""
    place = places.get(d.n or 0, (d.entry, 0))
    return place if place[0] == d.entry else (d.entry, 0)


def activation_id(trigger: str, entry: str, channel: str) -> str:
    """Name the activation of a trigger's first step, as DESIGN section 4 has it."""
    cause = "\x1f".join((trigger, "0", entry, "0", channel))
    return blake2b(cause.encode(), digest_size=16).hexdigest()
