"""The channels of this installation: those with options, and always the log."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from channels.base import Channel, addresses
from kairos.discovery import found_in


def connect(options: Mapping[str, Mapping[str, Any]]) -> dict[str, Channel]:
    """Connect every configured channel.

    Args:
        options: by channel name, such as `{"email": {"url": …, "sender": …}}`.

    Raises:
        ValueError: when there is no such channel, or an option is wrong.

    >>> sorted(connect({}))
    ['log']
    """
    found = found_in("channels")
    _check(options, found)
    wanted: dict[str, Mapping[str, Any]] = {"log": {}, **options}
    return {name: found[name].connect(given) for name, given in wanted.items()}


def keyed(names: Mapping[str, object]) -> Callable[[str], bool]:
    """Return whether a channel's receiver drops a second message with the same id.

    A channel that is not configured is the log, which drops nothing.

    >>> known = keyed({"webhook": {}})
    >>> known("webhook"), known("email"), known("sms")
    (True, False, False)
    """
    found = found_in("channels")
    dropping = {name for name in names if name in found and found[name].KEYED}
    return dropping.__contains__


def known(names: Iterable[str]) -> None:
    """Check that these are channels, those to come too.

    Raises:
        ValueError: one is none.

    >>> known(["email", "sms"])
    """
    _check(names, addresses())


def _check(names: Iterable[str], channels: Collection[str]) -> None:
    for name in names:
        if name not in channels:
            raise ValueError(f"no channel {name!r}; known: {', '.join(sorted(channels))}")
