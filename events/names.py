"""One spelling for each name: how people write it must not split what they count."""

import re
import unicodedata
from functools import lru_cache

PAGES = {
    "page": "page_viewed",
    "screen": "screen_viewed",
}  # kinds of calls that have no name of their own

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_OTHER = re.compile(r"[^a-z0-9]+")
_BETWEEN = re.compile(r"[\W_]")
_PASSES = 4  # lower-casing rare letters can yield new ones to fold; ordinary names need one


@lru_cache(maxsize=8192)
def slug(name: str) -> str:
    """Return the one spelling of `name`, `""` where it holds no letter and no digit.

    A slug is its own slug.

    >>> {slug(n) for n in ("Product Viewed", "product_viewed", "productViewed", "product-viewed")}
    {'product_viewed'}
    >>> slug("HTTPRequest 2xx"), slug("Товар куплен"), slug("का"), slug("!")
    ('http_request_2xx', 'товар_куплен', 'का', '')
    """
    if name.isascii():
        return _OTHER.sub("_", _CAMEL.sub("_", name).lower()).strip("_")
    for _ in range(_PASSES):
        again = _fold(name)
        if again == name:
            break
        name = again
    return name


def _fold(name: str) -> str:
    plain = _CAMEL.sub("_", unicodedata.normalize("NFKC", name)).casefold()
    return "_".join(_BETWEEN.sub(_blank_unless_mark, plain).split())


def _blank_unless_mark(found: re.Match[str]) -> str:
    """Keep what belongs to the letter before it, such as a vowel in Hindi or Thai."""
    return found[0] if unicodedata.category(found[0]).startswith("M") else " "
