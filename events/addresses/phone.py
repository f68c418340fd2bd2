"""Telephone numbers in E.164; one that says no country is no address."""

from functools import lru_cache

from phonenumbers import (
    NumberParseException,
    PhoneNumberFormat,
    format_number,
    is_possible_number,
    parse,
)

from events.addresses.base import CACHED

_LONGEST = 64  # characters; nothing longer may fill the cache


def normal(text: str) -> str:
    """Return a number in E.164, `""` where it is none or says no country.

    >>> normal("+49 (170) 123-4567"), normal("0170 1234567")
    ('+491701234567', '')
    """
    return _normal(text) if len(text) <= _LONGEST else ""


@lru_cache(maxsize=CACHED)
def _normal(text: str) -> str:
    try:
        number = parse(text, None)
    except NumberParseException:
        return ""
    return format_number(number, PhoneNumberFormat.E164) if is_possible_number(number) else ""
