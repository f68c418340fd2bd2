"""The links of a message, found in its HTML and in its text."""

import re
from collections.abc import Callable
from html import escape
from html.parser import HTMLParser

from channels.delivery.markup import OddError, marks

LINKING = ("a", "area")
_LONGEST = 8_192  # characters of a tag that is looked into
_NAME = re.compile(r"[a-z_:][a-z0-9_:.-]*", re.ASCII)
_IN_TEXT = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_AROUND = "'.,;:!?)]}*_”’»"  # ends a sentence, or stands around a link
Change = Callable[[str], str | None]


def relinked(html: str, change: Change) -> str:
    """Return HTML in which each `href` of `<a>` and `<area>` leads where `change` says.

    Everything else stays, letter by letter, and so does all of it where parsers may differ over
    what it is.

    Args:
        html: of a mail.
        change: takes a URL and returns another, or None for one that stays.

    >>> relinked("<p>Hi</p><A class=b href='/a?b&amp;c'>x</A>", lambda url: f"https://y{url}")
    '<p>Hi</p><a class="b" href="https://y/a?b&amp;c">x</A>'
    """
    if "href" not in html.lower():
        return html
    made: list[str] = []
    at = 0
    try:
        for mark, _ in marks(html):
            if (mark["start"] or "").lower() in LINKING:
                tag = _changed(mark.group(), change)
                if tag is not None:
                    made += (html[at : mark.start()], tag)
                    at = mark.end()
    except OddError:
        return html
    return "".join((*made, html[at:]))


def relinked_text(text: str, change: Change) -> str:
    """Return a text in which each URL is what `change` makes of it.

    >>> relinked_text("See https://a.example/b_(c), or this (https://d.example)!", lambda url: url + "?e")
    'See https://a.example/b_(c)?e, or this (https://d.example?e)!'
    """

    def written(found: re.Match[str]) -> str:
        url = _alone(found.group())
        return (change(url) or url) + found.group()[len(url) :]

    return _IN_TEXT.sub(written, text)


def _alone(found: str) -> str:
    """Return a URL without what stands around it: a bracket belongs to it that it opens itself."""
    open_ = 0
    for nth, letter in enumerate(found):
        open_ += (letter == "(") - (letter == ")")
        if open_ < 0:
            return found[:nth]
    bare = found.rstrip(_AROUND)
    return bare + found[len(bare) : len(bare) + bare.count("(") - bare.count(")")]


class _Tag(HTMLParser):
    """Reads the attributes of one start tag."""

    def __init__(self) -> None:
        super().__init__()
        self.name = ""
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.name, self.attributes = tag, attrs


def _changed(tag: str, change: Change) -> str | None:
    """Return a start tag with another `href`, None where it stays."""
    if len(tag) > _LONGEST:
        return None
    read = _Tag()
    read.feed(tag)
    names = [name for name, _ in read.attributes]
    if "href" not in names or not all(map(_NAME.fullmatch, names)):
        return None
    nth = names.index("href")  # of several the first counts
    there = read.attributes[nth][1]
    url = change(there) if there else None
    if url is None:
        return None
    written = (
        f" {name}" if value is None else f' {name}="{escape(url if n == nth else value)}"'
        for n, (name, value) in enumerate(read.attributes)
    )
    return f"<{read.name}{''.join(written)}{' /' if tag.endswith('/>') else ''}>"
