"""E-mail addresses: both halves in lower case, since no provider tells them apart and people type both."""

from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from events.addresses.base import CACHED

_LONGEST = 320  # characters; nothing longer may fill the cache


def normal(text: str) -> str:
    """Return the one spelling of an e-mail address, `""` where it is none.

    >>> normal(" Ana@Shop.Example "), normal("ana@"), normal("n/a")
    ('ana@shop.example', '', '')
    """
    return _normal(text) if len(text) <= _LONGEST else ""


@lru_cache(maxsize=CACHED)
def _normal(text: str) -> str:
    try:
        found = validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return ""
    return found.normalized.lower()
