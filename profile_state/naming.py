"""What a property's value is called where it is a key: of a split counter, a run, a set of values."""

from collections.abc import Iterator
from typing import Any


def name_of(value: Any) -> str:
    """Name a value, so that what is equal has one name, however a sender's language wrote it.

    >>> name_of("p1"), name_of(7), name_of(7.0), name_of(7.5), name_of(True)
    ('p1', '7', '7', '7.5', 'true')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def names_of(value: Any) -> Iterator[str]:
    """Name the values of a property, which may be a list of them.

    >>> list(names_of([7, "p1", None])), list(names_of("p1"))
    (['7', 'p1'], ['p1'])
    """
    for one in value if isinstance(value, list | tuple) else (value,):
        if one is not None:
            yield name_of(one)
