"""The styles of an e-mail, put onto its elements: many programs that show mail drop `<style>`.

The filled HTML is what is worked on, not the template: read as HTML, `{% for %}` in a table is text
that has to leave the table, and quotes in `{{ a | default: "x" }}` end an attribute.

The library parses like a browser, so whoever writes the HTML decides what that costs: 20,000
elements in one another overflow its stack, which ends the process, and 600 rules for each of 5,000
elements take it four seconds. Hence it gets only what was counted before. Everything else is sent as it is.
"""

import re
from typing import NamedTuple

from css_inline import CSSInliner

from channels.delivery.markup import RAW, OddError, marks
from triggers.templates import OUTPUT_LIMIT

DEPTH = 600  # elements within elements, at most; tables in tables of real mails come to some 40
PAINTED = 100_000_000  # elements times characters of CSS
MATCHED = 200_000_000  # elements times declarations times different properties

_STYLE = re.compile(r"<style\b", re.IGNORECASE | re.ASCII)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_VOID = _names("area base br col embed hr img input link meta param source track wbr")
# Read by rules of their own, and of no use in a mail.
_ODD = _names(
    "form frameset iframe math nobr noembed noframes noscript plaintext select svg template xmp"
)
_FORMATS = _names("a b big code em font i s small strike strong tt u")
_INLINE = _FORMATS | _names("abbr bdi bdo cite del dfn ins kbd label mark q samp span sub sup var")
_CELLS = _names("caption colgroup tbody td tfoot th thead tr")
_ENDING = _CELLS | _names("button dd dt li table")  # end what they stand in, wherever that began
# May go without an end tag.
_ENDLESS = _names("body dd dt head html li option p tbody td tfoot th thead tr")
# What stands on an element is painted over one by one, so it counts as an element.
_OWN = re.compile(r"""style\s*+=\s*+("[^"]*"|'[^']*'|[^\s"'>]+)""", re.IGNORECASE | re.ASCII)
_NAME = re.compile(r"(?<![\w-])([\w-]++)\s*+:")  # from its first letter, or long words take seconds


class Size(NamedTuple):
    """What working on a mail's styles depends on."""

    elements: int  # that a browser would make of it, at most
    css: int  # characters
    declarations: int
    properties: int  # different ones


def inlined(html: str) -> str:
    """Return the HTML of a mail with the rules of its `<style>` on the elements that they select.

    What cannot stand on an element (`@media`, `:hover`, fonts) stays in `<style>`. Nothing is
    loaded, neither from the network nor from a file. HTML without `<style>` is not touched, and
    neither is what is not well nested, or would cost too much.

    >>> inlined("<style>p {color: red} a:hover {color: blue}</style><p>Hi</p>").split("<body>")[1]
    '<p style="color: red;">Hi</p></body></html>'
    >>> inlined("<p>Hi")
    '<p>Hi'
    """
    if not _STYLE.search(html):
        return html
    size = measured(html)
    if size is None or not affordable(size):
        return html
    try:
        made = _INLINER.inline(html)
    except BaseException as error:
        # The second is how a bug in the library shows; it is no Exception, and would end the worker.
        if type(error).__name__ in ("InlineError", "PanicException"):
            return html
        raise
    return made if len(made) <= OUTPUT_LIMIT else html


def affordable(size: Size) -> bool:
    """Tell whether the library is sure to be done within half a second and 100 MB."""
    return (
        size.elements * size.css <= PAINTED
        and size.elements * size.declarations * size.properties <= MATCHED
    )


def measured(html: str) -> Size | None:
    """Return how large a mail is, or None where its nesting is not plain enough to tell.

    Only what every parser reads alike is plain: tags whose quotes are closed, and whose ends come in
    order. A `<b>` without an end is made anew in each paragraph behind it.

    >>> measured("<style>p {color: red; margin: 0}</style><p>Hi<br>you</p>")
    Size(elements=7, css=25, declarations=2, properties=2)
    >>> measured("<p><b>Hi</p>") is measured('<p title="Hi>') is None
    True
    """
    styles: list[str] = []
    nest = _Nest()
    tags = 0
    try:
        for mark, raw in marks(html):
            start, end = (mark["start"] or "").lower(), (mark["end"] or "").lower()
            tags += bool(start)
            if start in RAW:
                styles += [raw] if start == "style" else []
            elif (start and not nest.opens(start)) or (end and not nest.ends(end)):
                return None
    except OddError:
        return None
    if nest.bold:
        return None
    css = "".join(styles)
    own = "".join(_OWN.findall(html))
    elements = (tags + nest.implied) * (1 + nest.spilt) + 3
    names = set(_NAME.findall(css + own))
    return Size(elements + own.count(":"), len(css), css.count(":"), len(names))


class _Nest:
    """The elements that are open, as far as every parser agrees on them."""

    def __init__(self) -> None:
        self.bold = 0  # formats that are open
        self.spilt = 0  # formats that go on behind what they stood in: each is made anew there
        self.implied = 0  # elements that have no tag
        self._open: list[str] = []
        self._deepest = 0
        self._endless = 0  # elements without an end, each of which may keep all around it open

    def opens(self, name: str) -> bool:
        """Note a start tag; False where the document is not plain any more."""
        if name in _VOID:
            return True
        if name in _ENDING or (name not in _INLINE and "p" in self._open):
            self.spilt = max(self.spilt, self.bold)
        # A cell brings a row and a body along; `</p>` makes a paragraph where none is open any more.
        self.implied += 2 if name in _CELLS else name == "p"
        self._open.append(name)
        self.bold += name in _FORMATS
        self._deepest = max(self._deepest, len(self._open))
        nested = name == "a" and "a" in self._open[:-1]
        return name not in _ODD and not nested and self._shallow()

    def ends(self, name: str) -> bool:
        """Note an end tag; False where the document is not plain any more."""
        while self._open and self._open[-1] != name and self._open[-1] in _ENDLESS:
            self._open.pop()
            self._endless += 1
            if name in _FORMATS:
                return False
        if not self._open or self._open.pop() != name:
            return False
        self.bold -= name in _FORMATS
        return self._shallow()

    def _shallow(self) -> bool:
        return self._deepest * (1 + self._endless) <= DEPTH


_INLINER = CSSInliner(
    load_remote_stylesheets=False,
    keep_style_tags=True,
    remove_inlined_selectors=True,
    keep_link_tags=True,
)
