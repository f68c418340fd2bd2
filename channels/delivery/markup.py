"""The marks of an HTML text, where every parser finds the same ones, in time that grows with its length.

A trait cannot write marks, but a template's author can, and the parser of the standard library takes
seven seconds over 24 KB of `<a `.
"""

import re
from collections.abc import Iterator

RAW = frozenset({"script", "style", "textarea", "title"})  # what is in them is text
# Possessive are single letters alone: before Python 3.11.5 a possessive group matches what it should
# not. None of the groups here can match in two ways, so they need not be.
_MARK = re.compile(
    r"""<(?:
        !--(?!-?>)(?:(?!--!?>).)*-->
        |!(?:doctype\b[^<>]*+|\[[^>]*+)>                        # `<![if !mso]>` is a comment too
        |/(?P<end>[a-z][a-z0-9:_-]*+)[ \t\n\r\f]*+>
        |(?P<start>[a-z][a-z0-9:_-]*+)
         (?:[ \t\n\r\f]++[^ \t\n\r\f"'<>/=]++
            (?:[ \t\n\r\f]*+=[ \t\n\r\f]*+(?:"[^"]*+"|'[^']*+'|[^ \t\n\r\f"'<>=`/]++))?)*
         [ \t\n\r\f]*+/?+>
    )""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE | re.ASCII,
)
_END_OF = {name: re.compile(rf"</{name}[ \t\n\r\f]*+>", re.IGNORECASE | re.ASCII) for name in RAW}


class OddError(ValueError):
    """Parsers may differ over what stands here."""


def marks(html: str) -> Iterator[tuple[re.Match[str], str]]:
    """Find each mark, with groups `start` and `end` for the names of tags, and the text of raw elements.

    Only what every parser reads alike is plain: tags whose quotes are closed, raw elements that end.

    Raises:
        OddError: at the first mark that is not plain.

    >>> [(mark.group(), raw) for mark, raw in marks("1 < 2<br><title>a < b</title>")]
    [('<br>', ''), ('<title>', 'a < b')]
    """
    at = 0
    while (at := html.find("<", at)) >= 0:
        if not html[at + 1 : at + 2].strip("0123456789=<> \t\n.,;"):
            at += 1  # `1 < 2` is text to every parser
            continue
        mark = _MARK.match(html, at)
        if mark is None:
            raise OddError
        at = mark.end()
        name, raw = (mark["start"] or "").lower(), ""
        if name in RAW:
            close = _END_OF[name].search(html, at)
            if close is None or (name == "script" and "<!--" in html[at : close.start()]):
                raise OddError
            raw = html[at : close.start()]
            at = close.end()
        yield mark, raw
