"""The workspace of the simulation: some triggers, in two versions, and what the oracle is told.

Some triggers are *anchors*: nothing but their event decides, so the oracle knows without our code
exactly what they must send.
"""

from typing import Any

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000  # ms
ADDRESSES: dict[str, str | None] = {"email": "email", "webhook": None, "log": None}
ZONE = "Europe/Berlin"
QUIET = (21 * 60, 8 * 60)  # minutes after midnight
LIMITS = {"user_id": 2, "email": 3, "anonymous_id": 200, "phone": 3}
TRIAL = 30 * MINUTE  # how long an anchor waits for `trial_used`
CART = 45 * MINUTE
EMAIL_CAP = (2, DAY)  # marketing, for the workspace
ALERT_CAP = (2, 6 * HOUR)  # of the trigger `alert`
OLDEST = 30 * DAY  # an older event counts nowhere

WORKSPACE = """
workspace: simulated
timezone: Europe/Berlin
purposes:
  marketing: {default: denied}
  product: {default: allowed}
  transactional: {default: allowed, caps: off, quiet_hours: off}
channels: {email: {caps: {marketing: 2 per 1d}}}
quiet_hours: 21:00-08:00
identity: {user_id: {max: 2}, email: {max: 3}}
"""

_TRIGGERS = {
    "receipt": """
when: {event: order_completed}
if: [event.total >= 50]
reentry: always
do: [{send: {channels: [webhook], purpose: transactional}}]
""",
    "trial_over": """
when: {event: trial_started, then_no: trial_used, within: 30m}
key: trial_id
reentry: always
do: [{send: {channels: [webhook], purpose: transactional}}]
""",
    "cart": """
when: {event: cart_updated, then_no: order_completed, within: 45m}
key: cart_id
while_active: restart
reentry: always
exit_when: [cart_emptied]
do: [{send: {channels: [email], template: hello}}]
deliver: {purpose: marketing, priority: 60, on_cap: skip}
""",
    "viewed": """
when: {event: product_viewed}
if: ['count(product_viewed where product_id = event.product_id, last 6h) >= 2']
key: product_id
reentry: max 2 per 1d
do: [{send: {channels: [email, webhook], template: hello}}]
deliver: {purpose: marketing, priority: 10}
""",
    "warmed": """
when: {segment: entered warm}
reentry: cooldown 2h
do: [{send: {channels: [log]}}]
deliver: {purpose: product, quiet_hours: off}
""",
    "cooled": """
when: {segment: exited warm}
reentry: always
do: [{send: {channels: [log]}}]
deliver: {purpose: product, quiet_hours: off}
""",
    "spender": """
when: {segment: entered spender}
reentry: always
do: [{send: {channels: [email], template: hello, require: [first_name]}}]
deliver: {purpose: marketing, on_quiet: skip, on_cap: skip}
""",
    "welcome": """
when: {event: signed_up}
reentry: once
do: [{send: {channels: [log]}}]
deliver: {purpose: product, quiet_hours: off}
""",
    "alert": """
when: {event: price_asked}
reentry: always
do: [{send: {channels: [log]}}]
deliver: {purpose: product, quiet_hours: off, caps: {log: 2 per 6h}, on_cap: skip}
""",
    "newsletter": """
when: {event: price_asked}
reentry: cooldown 3h
do: [{send: {channels: [email], template: hello}}]
deliver: {purpose: marketing, priority: 80, valid_for: 20h}
""",
    "undecided": """
when: {sequence: [product_viewed, cart_updated, product_viewed same product_id], without: order_completed, within: 4h}
key: product_id
reentry: always
do: [{send: {channels: [log]}}]
deliver: {purpose: product, quiet_hours: off}
""",
    "followed": """
when: {event: signed_up}
reentry: cooldown 1h
exit_when: [cart_emptied, tier = gold]
do:
  - wait: 25m
  - increment: {follows: 1}
  - tag: followed
  - wait_for: {event: order_completed, timeout: 3h, then: [{send: {channels: [log]}}], else: [{wait: until 09:00}]}
  - if: count(product_viewed, since entry) >= 1
    then: [{send: {channels: [email], template: hello, purpose: marketing}}]
  - send: {channels: [log]}
deliver: {purpose: product}
""",
    "promoted": """
when: {changed: tier}
key: to
reentry: cooldown 2h
do: [{wait: 10m}, {send: {channels: [log]}}]
deliver: {purpose: product, quiet_hours: off}
""",
    "digest": """
when: {every: day 12:00}
if: ['count(product_viewed, last 1d) >= 2']
do: [{send: {channels: [log]}}]
deliver: {purpose: product, quiet_hours: off}
""",
}
_LATER = {  # of the second version: two triggers more, two changed, two gone
    "twice": """
when: {event: order_completed}
if: ['count(order_completed, last 5h) >= 2']
reentry: cooldown 1h
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
""",
    "viewed": _TRIGGERS["viewed"].replace("priority: 10", "priority: 90"),
    "rich": """
when: {event: order_completed}
if: ['sum(order_completed.total, last 30h) >= 200', 'count(product_viewed, last 2d) >= 4']
reentry: cooldown 1h
do: [{send: {channels: [log]}}]
deliver: {purpose: product, quiet_hours: off}
""",
    "followed": _TRIGGERS["followed"].replace("wait: 25m", "wait: 5m").replace("3h", "1h"),
}
_SEGMENTS = {
    "warm": "if: ['count(product_viewed, last 6h) >= 3']",
    "spender": "if: ['sum(order_completed.total, last 12h) > 150', 'never(cart_emptied, last 5h)']",
    "chosen": "if: ['in_segment(warm)', 'tier = gold']",
}


def _files(triggers: dict[str, str]) -> dict[str, str]:
    return {
        "workspace.yaml": WORKSPACE,
        "templates/hello.email.liquid": "---\nsubject: Hello\n---\nHello {{ first_name }}, {{ event.n }}",
        **{
            f"segments/{name}.yaml": f"segment: {name}\n{text}\n"
            for name, text in _SEGMENTS.items()
        },
        **{f"triggers/{name}.yaml": f"trigger: {name}{text}" for name, text in triggers.items()},
    }


FIRST = _files(_TRIGGERS)
_GONE = ("undecided", "digest")
SECOND_VERSION = _files({k: v for k, v in (_TRIGGERS | _LATER).items() if k not in _GONE})

Fields = dict[str, Any]
