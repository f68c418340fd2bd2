"""A channel's options: read once, checked, and errors that say which one is wrong."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from triggers.words import nearest

T = TypeVar("T", bound=msgspec.Struct)


def read(channel: str, options: Mapping[str, Any], shape: type[T]) -> T:
    """Read a channel's options into their Struct.

    Raises:
        ValueError: naming the channel and the option, never a value: it may be a secret.

    >>> class Options(msgspec.Struct):
    ...     url: str
    >>> read("webhook", {"ulr": "https://crm.example"}, Options)
    Traceback (most recent call last):
        ...
    ValueError: channel webhook: unknown option 'ulr'. Did you mean 'url'? Known: url
    """
    known = shape.__struct_fields__
    for name in options:
        if name not in known:
            raise ValueError(
                f"channel {channel}: unknown option {name!r}.{nearest(str(name), known)} "
                f"Known: {', '.join(known)}"
            )
    try:
        return msgspec.convert(dict(options), shape)
    except msgspec.ValidationError as error:
        raise ValueError(f"channel {channel}: {error}") from error
