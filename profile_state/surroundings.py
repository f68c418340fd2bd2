"""Where a person was last: their device and place, as the context of their latest event tells.

It is remembered like a trait, under a name that no SDK can say, and only where a workspace asks.
"""

from collections.abc import Mapping
from typing import Any

SIGN = "&"  # before such a name among the traits; no slug begins with it


def device(context: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what is told of a device, with its system and app; None where nothing is.

    >>> device({"device": {"type": "phone"}, "os": {"name": "iOS", "version": "18"}})
    {'type': 'phone', 'os': 'iOS', 'os_version': '18'}
    """
    found = dict(context.get("device") or {})
    for part in ("os", "app"):
        told = context.get(part) or {}
        if "name" in told:
            found[part] = told["name"]
        if "version" in told:
            found[f"{part}_version"] = told["version"]
    return found or None


def geo(context: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the place that is told; None where none is."""
    return context.get("location")


KINDS = {"device": device, "geo": geo}


def remembered(kind: str) -> str:
    """Return the name under which one is remembered.

    >>> remembered("geo")
    '&geo'
    """
    return SIGN + kind
