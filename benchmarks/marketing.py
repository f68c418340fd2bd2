"""The workspace of the load: fifty triggers, written as a marketer writes them.

30 with windows, 5 sequences, 10 absences, 5 plain. They differ in numbers and names, not in form,
so the text is made from tables; `python -m benchmarks.workload` shows it with `--triggers`.
"""

from collections.abc import Iterator
from itertools import product

FREQUENT = ("product_viewed", "page_viewed", "cart_updated", "search_performed")

WORKSPACE = """\
workspace: bench
timezone: Europe/Berlin
purposes: {product: {default: allowed, quiet_hours: off}}
channels: {log: {caps: {product: 50 per 1d}}}
"""

ALL_MODELS = """\
models:
  ltv: {value: value}
  rfm: {value: value}
  churn:
  propensity:
  send_time:
  recommended: {bought: order_completed.product_id}
  next_best:
offers: offers.yaml
"""

_PAIRS = (
    ("product_viewed", "page_viewed"),
    ("cart_updated", "search_performed"),
    ("product_viewed", "cart_updated"),
    ("page_viewed", "search_performed"),
    ("product_viewed", "search_performed"),
    ("page_viewed", "cart_updated"),
)

# What is asked about a pair of events; {a} and {b} are their names.
_WINDOWS = {
    "often": ["count({a}, last 7d) >= 25", "never(order_completed, last 7d)"],
    "dear": ["sum({a}.value, last 30d) >= 15000", "count({b}, last 1d) >= 5"],
    "wide": ["distinct({a}.category, last 2h) >= 7", "event.value >= 495"],
    "same": ["count({a} where product_id = event.product_id, last 7d) >= 4", "event.value >= 493"],
    "back": ["since({b}) < 10m", "sum({b}.value, last 1d) >= 2000", "event.value >= 497"],
}
_REENTRY = {
    "often": "cooldown 30d",
    "dear": "cooldown 30d",
    "wide": "cooldown 7d",
    "same": "max 2 per 30d",
    "back": "cooldown 1h",
}

SEQUENCES = {
    "pondering": "{sequence: [product_viewed, pricing_viewed, cart_updated], without: order_completed, within: 30m}",
    "comparing": "{sequence: [product_viewed, review_read, product_viewed same product_id], within: 1h}",
    "searching": "{sequence: [search_performed, product_viewed, search_performed], without: cart_updated, within: 10m}",
    "hesitating": "{sequence: [cart_updated, pricing_viewed, page_viewed], without: checkout_started, within: 20m}",
    "returning": "{sequence: [email_opened, page_viewed, cart_updated same product_id], within: 2h}",
}

# The entering event, what must not follow, and how long it is waited for.
ABSENCES = {
    "cart_left": ("cart_updated", "order_completed", "30m"),
    "cart_cold": ("cart_updated", "checkout_started", "20s"),
    "checkout_left": ("checkout_started", "order_completed", "30s"),
    "price_left": ("pricing_viewed", "cart_updated", "1m"),
    "search_failed": ("search_performed", "product_viewed", "15s"),
    "mail_unread": ("email_opened", "page_viewed", "2m"),
    "new_and_lost": ("signed_up", "product_viewed", "1m"),
    "wish_forgotten": ("wishlist_updated", "order_completed", "5m"),
    "review_then_gone": ("review_read", "cart_updated", "45s"),
    "coupon_unused": ("coupon_applied", "order_completed", "2m"),
}

_PLAIN = {
    "order_thanks": ("[order_completed]", ["event.value >= 450"]),
    "big_cart": ("[cart_updated]", ["event.value >= 490", "event.currency = EUR"]),
    "sale_shopper": ("[product_viewed, page_viewed]", ["event.category = sale and event.value > 490"]),
    "new_member": ("[search_performed, signed_up]", ["event.member_days <= 2", "event.value >= 490"]),
    "loyal": ("[page_viewed, email_opened]", ["event.member_days > 365", "plan = pro", "event.value >= 480"]),
}  # fmt: skip


def files() -> dict[str, str]:
    """Return the workspace: path below its folder -> text.

    >>> len([path for path in files() if path.startswith("triggers/")])
    50
    """
    written = {"workspace.yaml": WORKSPACE}
    for name, text in (*_windowed(), *_in_order(), *_absent(), *_simple()):
        written[f"triggers/{name}.yaml"] = text
    return written


def with_models() -> dict[str, str]:
    """Return the workspace with all models, which learn from the load's events."""
    found = files() | {"offers.yaml": "offers: {spring_10: {}, vip_20: {}}\n"}
    found["workspace.yaml"] += ALL_MODELS
    return found


def _windowed() -> Iterator[tuple[str, str]]:
    for (kind, conditions), (a, b) in product(_WINDOWS.items(), _PAIRS):
        name = f"{kind}_{a.partition('_')[0]}_{b.partition('_')[0]}"
        asked = [condition.format(a=a, b=b) for condition in conditions]
        yield name, _trigger(name, f"{{event: [{a}, {b}]}}", asked, _REENTRY[kind])


def _in_order() -> Iterator[tuple[str, str]]:
    for name, when in SEQUENCES.items():
        yield name, _trigger(name, when, ["event.value >= 488"], "cooldown 1d")


def _absent() -> Iterator[tuple[str, str]]:
    for name, (event, missing, within) in ABSENCES.items():
        when = (
            f"{{event: {event}, where: [event.value >= 425], then_no: {missing}, within: {within}}}"
        )
        text = _trigger(name, when, ["event.value >= 490"], "max 1 per 30d")
        yield name, text + "while_active: restart\n"


def _simple() -> Iterator[tuple[str, str]]:
    for name, (events, conditions) in _PLAIN.items():
        yield name, _trigger(name, f"{{event: {events}}}", conditions, "always")


def _trigger(name: str, when: str, conditions: list[str], reentry: str) -> str:
    asked = "".join(f"  - {condition}\n" for condition in conditions)
    return (
        f"trigger: {name}\n"
        f"when: {when}\n"
        f"if:\n{asked}"
        f"reentry: {reentry}\n"
        "do:\n  - send: {channels: [log]}\n"
        "deliver: {purpose: product}\n"
    )
