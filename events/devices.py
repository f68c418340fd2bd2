"""Where a device gets messages: `context.device.token`, an app's push token or a browser's subscription.

A browser's is what `JSON.stringify(subscription)` makes of a `PushSubscription` (Push API, W3C).
"""

import re
from typing import Any

import msgspec

PUSH_TOKEN, WEB_PUSH = "push_token", "web_push"
_TOKEN = re.compile(r"[\x21-\x7e]{8,4096}")  # FCM's have some 160 characters, APNs' 64
_KEY = re.compile(r"[A-Za-z0-9_-]{16,128}=*")


class _Keys(msgspec.Struct, frozen=True):
    p256dh: str
    auth: str


class _Subscription(msgspec.Struct, frozen=True):
    endpoint: str
    keys: _Keys


_subscription = msgspec.json.Decoder(_Subscription).decode


def device_addresses(token: Any) -> dict[str, str]:
    """Return the address that a token is, by its kind; nothing where it is none.

    >>> device_addresses("fGz3-a_token"), device_addresses("two words")
    ({'push_token': 'fGz3-a_token'}, {})
    >>> keys = '{"p256dh":"BNcRdreALRFXTkOOUHK1","auth":"tBHItJI5svbpez7K"}'
    >>> list(device_addresses('{"endpoint":"https://push.example/1","keys":' + keys + "}"))
    ['web_push']
    """
    if type(token) is not str or not _TOKEN.fullmatch(token):
        return {}
    if token[0] != "{":
        return {PUSH_TOKEN: token}
    try:
        said = _subscription(token)
    except msgspec.MsgspecError:
        return {}
    https = said.endpoint.startswith("https://")
    if not https or not _KEY.fullmatch(said.keys.p256dh) or not _KEY.fullmatch(said.keys.auth):
        return {}
    return {WEB_PUSH: msgspec.json.encode(said).decode()}  # the one spelling of it
