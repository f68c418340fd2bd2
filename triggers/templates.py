"""Templates: Liquid with a front matter, parsed once, rendered with all limits set.

Marketers write them and traits fill them, so neither is trusted: no file is included, no
filter marks a text as safe, loops, output and intermediate texts are bounded, and what a trait
holds is text that is rendered once and never parsed.
"""

import functools
import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from liquid import BoundTemplate, Environment, Mode, RenderContext
from liquid.ast import Node
from liquid.builtin.expressions.loop import LoopExpression
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.tags.for_tag import ForTag
from liquid.builtin.tags.tablerow_tag import TablerowTag
from liquid.exceptions import LiquidError
from liquid.expression import Expression
from liquid.stream import TokenStream
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from events.names import slug
from triggers.languages import is_language
from triggers.vouchers import HEAD, Codes
from triggers.words import nearest
from triggers.yaml import Yaml, unprintable

LOOP_LIMIT = 10_000  # times around, all loops of a template together
OUTPUT_LIMIT = 1_000_000  # bytes; a mail above this is cut off by every large provider anyway
SOURCE_LIMIT = 256 * 1024  # characters of one template file
FRONT_LIMIT = 4096  # characters between the `---` lines
BRACKET_LIMIT = 200  # a deep nest of them takes YAML seconds
FRONT_KEYS = ("subject", "purpose", "require")
FOLDER, ENDING = "templates/", ".liquid"
CONFIRM = "confirm_url"  # in the question of an `opt_in` alone
LINKS = frozenset({"unsubscribe_url", "preferences_url", CONFIRM})  # variables that no trait fills


class TemplateError(ValueError):
    """A template cannot be used; says where, what was expected and what was found.

    Args:
        path: of the template.
        line: from 1, None where rendering failed as a whole.
        message: what is wrong.
    """

    def __init__(self, path: str, line: int | None, message: str) -> None:
        super().__init__(f"{path}: {message}" if line is None else f"{path}:{line}: {message}")
        self.line = line
        self.message = message


class MissingError(TemplateError):
    """A person lacks what the template requires, so there is no message for them.

    Args:
        path: of the template.
        names: what has no value, as the front matter names it.
    """

    def __init__(self, path: str, names: Sequence[str]) -> None:
        super().__init__(path, None, f"no value for {', '.join(names)}, which it requires")
        self.names = tuple(names)


class Front(NamedTuple):
    """What stands between the `---` lines."""

    subject: str = ""
    purpose: str | None = None
    require: tuple[str, ...] = ()


class Asked(NamedTuple):
    """Where a template asks for a voucher."""

    pool: str  # "" where it names none, such as in `{{ voucher[plan] }}`
    line: int  # from 1
    column: int  # from 1


class _Limited(Environment):
    """Liquid's limits, which are off by default."""

    loop_iteration_limit = LOOP_LIMIT
    output_stream_limit = OUTPUT_LIMIT
    context_depth_limit = 20
    local_namespace_limit = OUTPUT_LIMIT


class _Counted(RangeLiteral):
    """A range in a loop, measured before anybody walks it.

    Liquid counts what a loop goes around, so `(1..10000000000) reversed` is a list in memory by then,
    and with `offset` it walks for minutes to where the loop begins.
    """

    def _make_range(self, start: Any, stop: Any) -> range:
        made: range = super()._make_range(start, stop)
        if made[LOOP_LIMIT:]:
            raise LiquidError(f"a range of more than {LOOP_LIMIT} numbers", token=self.token)
        return made


def _counted(node: Node) -> Node:
    for loop in node.expressions():
        if isinstance(loop, LoopExpression) and isinstance(loop.iterable, RangeLiteral):
            loop.iterable = _Counted(loop.iterable.token, loop.iterable.start, loop.iterable.stop)
    return node


class _For(ForTag):
    def parse(self, stream: TokenStream) -> Node:
        return _counted(super().parse(stream))


class _Tablerow(TablerowTag):
    def parse(self, stream: TokenStream) -> Any:
        return _counted(super().parse(stream))


def _grown(name: str, args: tuple[Any, ...]) -> int:
    """Return a lower bound for the size of what a filter is about to build."""
    if name == "replace" and len(args) >= 2:
        text, what, by = str(args[0]), str(args[1]), str(args[2]) if len(args) > 2 else ""
        return text.count(what) * len(by)
    if name == "join" and len(args) > 1 and hasattr(args[0], "__len__"):
        return len(args[0]) * len(str(args[1]))
    return 0


def _bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Bound the texts between two filters: the output limit only sees what is written.

    `replace` and `join` multiply two lengths in one step, so they are asked before; every
    other filter grows a text by a factor at most, so its result is measured.
    """

    @functools.wraps(function)
    def measured(*args: Any, **options: Any) -> Any:
        if _grown(name, args) <= OUTPUT_LIMIT:
            result = function(*args, **options)
            if not isinstance(result, str) or len(result) <= OUTPUT_LIMIT:
                return result
        raise LiquidError(f"{name}: more than {OUTPUT_LIMIT} characters", token=None)

    return measured


def _environment(*, escape: bool) -> Environment:
    made = _Limited(tolerance=Mode.STRICT, strict_filters=True, autoescape=escape)
    for tag in ("include", "render"):  # there is no other file to be had
        del made.tags[tag]
    made.tags["for"], made.tags["tablerow"] = _For(made), _Tablerow(made)
    del made.filters["safe"]  # it would let a trait's text through as mark-up
    made.filters.update({name: _bounded(name, f) for name, f in made.filters.items()})
    return made


_MARKUP = _environment(escape=True)
_PLAIN = _environment(escape=False)


class Template:
    r"""A parsed template file; `render` fills it.

    >>> hello = parse("templates/hello.email.liquid", "---\nsubject: Hi\n---\nDear {{ name }}")
    >>> hello
    Template('templates/hello.email.liquid', subject='Hi')
    >>> sorted(hello.variables())
    ['name']
    """

    def __init__(
        self,
        path: str,
        front: Front,
        subject: BoundTemplate,
        plain: BoundTemplate,
        body: str,
        vouchers: Sequence[Asked] = (),
    ) -> None:
        self.path = path
        self.subject = front.subject
        self.purpose = front.purpose
        self.require = front.require
        self.vouchers = vouchers
        self._subject = subject
        self._plain = plain
        self._markup = _MARKUP.from_string(body)

    def __repr__(self) -> str:
        return f"Template({self.path!r}, subject={self.subject!r})"

    def variables(self) -> set[str]:
        """Return the dotted paths that the template reads or requires, its own words left out.

        A path ends where the template computes it: `{{ event.items[0].sku }}` reads
        `event.items`. Links are not among them, see `links`.
        """
        return set(self._read - LINKS)

    @property
    def links(self) -> frozenset[str]:
        """The links that the template speaks of.

        >>> parse("templates/bye.liquid", "{{ name }}: {{ unsubscribe_url }}").links
        frozenset({'unsubscribe_url'})
        """
        return self._read & LINKS

    @functools.cached_property
    def _read(self) -> frozenset[str]:
        parts = (self._subject, self._plain)
        found = (v.segments for part in parts for vs in part.analyze().globals.values() for v in vs)
        return frozenset(_dotted(segments) for segments in found) | set(self.require)

    def fill(self, names: Mapping[str, Any], *, markup: bool) -> tuple[str, str]:
        """Return subject and body; the body HTML-escapes what it is filled with if `markup`.

        Raises:
            TemplateError: when a limit is hit or a filter gets what it cannot work on.
        """
        body = self._markup if markup else self._plain
        try:
            return self._subject.render(**names).strip(), body.render(**names)
        except Exception as error:
            # Liquid lets Python's own errors through for odd values (a number of 5,000 digits,
            # a list where a text belongs); whatever it is, this template cannot be rendered.
            raise TemplateError(self.path, None, _message(error)) from error


def parse(path: str, text: str) -> Template:
    r"""Read a template file.

    Args:
        path: as errors shall name it, such as `templates/welcome.email.liquid`.
        text: the file's content.

    Raises:
        TemplateError: with file and line, where anything about it is wrong.

    >>> parse("templates/hi.liquid", "---\nsubjet: Hi\n---\n")
    Traceback (most recent call last):
        ...
    triggers.templates.TemplateError: templates/hi.liquid:2: unknown key 'subjet'. Did you mean 'subject'? Known: subject, purpose, require
    """
    if len(text) > SOURCE_LIMIT:
        found = f"at most {SOURCE_LIMIT} characters were expected, found {len(text)}"
        raise TemplateError(path, 1, found)
    head, body, first_line = _split(path, text.replace("\r\n", "\n"))
    front, subject_line = _front(path, head)
    subject = _compiled(path, front.subject, subject_line, fixed=True)
    plain = _compiled(path, body, first_line)
    asked = [
        *_asked(subject, lambda _: (subject_line, 1)),
        *_asked(plain, lambda index: _place(body, index, first_line)),
    ]
    return Template(path, front, subject, plain, body, asked)


def render(
    template: Template,
    facts: Mapping[str, Any],
    event: Mapping[str, Any],
    channel: str,
    links: Mapping[str, str] = {},
    vouchers: Codes | None = None,
) -> tuple[str, str, str]:
    """Fill a template for a channel and return subject, text and HTML.

    Traits stand at the top level, the entering event's properties under `event`, `links` in the
    place of traits of their names, and codes under `voucher`, where there are any. Only an e-mail
    has HTML; its text part is the HTML without its tags.

    >>> hello = parse("templates/hello.liquid", "Dear {{ first_name | default: 'you' }}!")
    >>> render(hello, {"first_name": "Ana & Co"}, {}, "sms")
    ('', 'Dear Ana & Co!', '')
    >>> render(hello, {"first_name": "Ana & Co"}, {}, "email")
    ('', 'Dear Ana & Co!', 'Dear Ana &amp; Co!')

    Raises:
        MissingError: the person lacks what the front matter requires: it is not there, or is null,
            an empty list, or a text of nothing but blanks. Or a link that the template speaks of
            is not there.
        TemplateError: when a limit is hit or a filter gets what it cannot work on.
    """
    names = {**facts, "event": dict(event), **links, HEAD: vouchers}
    missing = [path for path in template.require if path not in LINKS and _blank(names, path)]
    missing += sorted(template.links - links.keys())
    if missing:
        raise MissingError(template.path, missing)
    markup = channel == "email"
    subject, body = template.fill(names, markup=markup)
    return (subject, text_of(body), body) if markup else (subject, body.strip(), "")


def choose(
    name: str, channel: str, paths: Iterable[str], languages: Sequence[str] = ()
) -> str | None:
    """Return the path of a template for a channel: the first of these that is there.

    A file in a language goes before one without, and of one language the channel's own file
    before the common one.

    Args:
        name: of the template.
        channel: that the message goes to.
        paths: of all files.
        languages: tags that the person reads, the most exact first; see `triggers.languages`.

    >>> choose("hi", "email", ["templates/hi.liquid", "templates/hi.email.liquid"])
    'templates/hi.email.liquid'
    >>> choose("hi", "sms", ["templates/hi.liquid", "templates/hi.pt.liquid"], ("pt-br", "pt"))
    'templates/hi.pt.liquid'
    """
    known = set(paths)
    tags = (*(f".{tag}" for tag in languages), "")
    wanted = (f"{FOLDER}{name}{own}{tag}{ENDING}" for tag in tags for own in (f".{channel}", ""))
    return next((path for path in wanted if path in known), None)


def choices(name: str, channel: str, paths: Iterable[str]) -> tuple[str, ...]:
    """Return every path that `choose` may return for a channel, whatever the language.

    >>> choices("hi", "sms", ["templates/hi.de.liquid", "templates/hi.email.de.liquid"])
    ('templates/hi.de.liquid',)
    """
    found = {choose(name, channel, paths)}
    for path in paths:
        tag = path.removesuffix(ENDING).rpartition(".")[2]
        if is_language(tag):
            found.add(choose(name, channel, [path], (tag,)))
    return tuple(sorted(path for path in found if path is not None))


_TAG = re.compile(r"(<[a-zA-Z/!?][^<>]*>)")  # linear: what is not closed ends at the next `<`
_NAME = re.compile(r"</?([a-z0-9]+|!--)", re.IGNORECASE)
_HREF = re.compile(r"""\shref\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)""", re.IGNORECASE)
_SHOWN = re.compile(r"https?://\S+", re.IGNORECASE)
_UNSEEN = {"head", "script", "style", "title"}
_BREAKS = {"br": "\n", "/div": "\n", "/li": "\n", "/tr": "\n"} | dict.fromkeys(
    ("/p", "/ul", "/ol", "/table", "/h1", "/h2", "/h3", "/h4", "/h5", "/h6"), "\n\n"
)


def text_of(markup: str) -> str:
    r"""Return what a reader without HTML sees: behind each link stands where it leads.

    >>> text_of("<style>p {}</style><p>Fish &amp;  chips</p><p>1 &lt; 2</p>")
    'Fish & chips\n\n1 < 2'
    >>> text_of("<a href='https://a.example/?b&amp;c'>Look</a> or <a href='https://d/'>https://d/</a>")
    'Look (https://a.example/?b&c) or https://d/'
    """
    seen: list[str] = []
    unseen = leads = ""
    since = 0  # where the link began that leads there
    for part in _TAG.split(markup):
        found = _NAME.match(part) if part[:1] == "<" else None
        name = found.group(1).lower() if found else ""
        closing = part[:2] == "</"
        if unseen:
            unseen = "" if closing and name == unseen else unseen
        elif name in _UNSEEN and not closing:
            unseen = name
        elif name == "a" and not closing:
            leads, since = _leads(part), len(seen)
        elif name == "a":
            if leads and leads not in "".join(seen[since:]):
                seen.append(f" ({leads})")
            leads = ""
        elif not found:
            seen.append(html.unescape(" ".join(re.split(r"\s+", part))))
        else:
            seen.append(_BREAKS.get(f"/{name}" if closing else name, ""))
    lines = (" ".join(line.split()) for line in "".join(seen).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _leads(tag: str) -> str:
    """Return the URL that a tag links to, "" where that is nothing to be shown."""
    found = _HREF.search(tag)
    url = html.unescape(found.group(1).strip("\"'")).strip() if found else ""
    return url if _SHOWN.fullmatch(url) else ""


def _split(path: str, text: str) -> tuple[str, str, int]:
    """Return front matter, body, and the line that the body begins on."""
    if not text.startswith("---\n"):
        return "", text, 1
    lines = text.split("\n")
    for at, line in enumerate(lines[1:], 1):
        if line.rstrip() == "---":
            return "\n".join(lines[1:at]), "\n".join(lines[at + 1 :]), at + 2
    raise TemplateError(path, 1, "the front matter has no closing line '---'")


def _front(path: str, head: str) -> tuple[Front, int]:
    """Read the front matter; the second value is the line that the subject stands on."""
    if len(head) > FRONT_LIMIT:
        raise TemplateError(path, 2, f"the front matter has more than {FRONT_LIMIT} characters")
    if head.count("[") + head.count("{") > BRACKET_LIMIT:
        raise TemplateError(path, 2, f"more than {BRACKET_LIMIT} brackets in the front matter")
    if re.search(r"(?m)^\s*[\w-]+:\s*[&*!]", head):
        raise TemplateError(path, 2, "tags and anchors are not allowed; put the text in quotes")
    yaml = Yaml(typ="safe", pure=True)
    yaml.version = (1, 2)
    try:
        read = yaml.load(head) if head.strip() else {}
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark else 2
        problem = (error.problem or "not YAML").split("\n")[0] + "; put the text in quotes"
        raise TemplateError(path, line, problem) from error
    except ReaderError as error:
        line = head.count("\n", 0, error.position) + 2
        raise TemplateError(path, line, unprintable(error)) from error
    except ValueError as error:  # of what looks like a date or a number, and is none
        raise TemplateError(path, 2, f"{error}; put the text in quotes") from error
    except RecursionError as error:
        raise TemplateError(path, 2, "the front matter is nested too deeply") from error
    if not isinstance(read, dict):
        raise TemplateError(path, 2, f"'subject: …' was expected, found {type(read).__name__}")
    for key, value in read.items():
        line = _line_of(head, str(key))
        if key not in FRONT_KEYS:
            known = f"Known: {', '.join(FRONT_KEYS)}"
            raise TemplateError(
                path, line, f"unknown key {key!r}.{nearest(str(key), FRONT_KEYS)} {known}"
            )
        if key == "require":
            read[key] = _required(path, line, value)
        elif not isinstance(value, str):
            found = f"a text was expected for '{key}', found {value!r}; put it in quotes"
            raise TemplateError(path, line, found)
    return Front(**read), _line_of(head, "subject")


def _required(path: str, line: int, value: Any) -> tuple[str, ...]:
    """Read `require`; a name in a spelling that no fact has would hold up every message."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        found = f"'require: [first_name, event.order_id]' was expected, found {value!r}"
        raise TemplateError(path, line, found)
    for name in value:
        head, dot, rest = name.partition(".")
        own, dots, deeper = rest.partition(".") if head == "event" else ("", "", rest)
        spelt = slug(head) + dot + (slug(own) + dots + deeper if head == "event" else rest)
        if name != spelt or not all(name.split(".")) or name == "event":
            meant = f" Did you mean {spelt!r}?" if name != spelt else ""
            expected = "the name of a trait, or event.PROPERTY, was expected in 'require'"
            raise TemplateError(path, line, f"{expected}, found {name!r}.{meant}")
    return tuple(value)


def _blank(names: Mapping[str, Any], path: str) -> bool:
    """Tell whether there is nothing to show at a dotted path; 0 and false are something."""
    value: Any = names
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value is None or value in ([], {}) or (isinstance(value, str) and not value.strip())


def _line_of(head: str, key: str) -> int:
    """Return the file's line of a front matter key; the opening `---` is line 1."""
    lines = head.split("\n")
    return next((at for at, line in enumerate(lines, 2) if line.startswith(key)), 2)


def _compiled(path: str, source: str, first_line: int, *, fixed: bool = False) -> BoundTemplate:
    """Compile one part and refuse what would only fail at the first send.

    Args:
        path: as errors name it.
        source: the part.
        first_line: the file's line that the part begins on.
        fixed: whether every error is reported on that line.
    """

    def at(index: int) -> int:
        return first_line if fixed else first_line + source.count("\n", 0, max(index, 0))

    raw = _RAW.search(source)
    if raw is not None:
        raise TemplateError(path, at(raw.start()), "unexpected tag 'raw'")
    unclosed = _unclosed(source)
    if unclosed is not None:
        opening = source[unclosed : unclosed + 2]
        raise TemplateError(
            path, at(unclosed), f"'{opening}' is not closed, '{_CLOSING[opening]}' was expected"
        )
    try:
        made = _PLAIN.from_string(source)
        filters = made.analyze().filters
    except (LiquidError, RecursionError) as error:
        token = error.token if isinstance(error, LiquidError) else None
        known = token is not None and token.start_index >= 0
        line = at(token.start_index if token and known else len(source.rstrip()))
        raise TemplateError(path, line, _message(error)) from error
    for name, spans in filters.items():
        if name not in _PLAIN.filters:
            hint = nearest(name, _PLAIN.filters)
            raise TemplateError(path, at(spans[0].index), f"unknown filter {name!r}.{hint}")
    for index in _loose_ranges(made):
        found = "a range (a..b) may only stand in a 'for', where its length is bounded"
        raise TemplateError(path, at(index), found)
    return made


_BRACES = re.compile(r"\{\{|\{%|\}\}|%\}")
_RAW = re.compile(r"\{%-?\s*raw\b")  # nobody needs it, and unclosed ones take the lexer seconds
_CLOSING = {"{{": "}}", "{%": "%}"}


def _unclosed(source: str) -> int | None:
    """Find an opening that is not closed before the next one.

    Liquid's own lexer looks for the end of each anew: 32 KB of `{{` took it 40 seconds.
    """
    opened: int | None = None
    for brace in _BRACES.finditer(source):
        if brace.group() not in _CLOSING:
            opened = None
        elif opened is not None:
            return opened
        else:
            opened = brace.start()
    return opened


def _loose_ranges(template: BoundTemplate) -> Iterator[int]:
    """Find ranges outside loops: `(1..1000000000) | join` is built before any limit looks."""
    for node in _nodes(template, template.nodes):
        for expression in node.expressions():
            yield from _ranges(expression, in_loop=False)


def _nodes(template: BoundTemplate, nodes: Iterable[Node]) -> Iterator[Node]:
    context = RenderContext(template)
    stack = list(nodes)
    while stack:
        node = stack.pop()
        yield node
        stack.extend(node.children(context, include_partials=False))


def _ranges(expression: Expression, *, in_loop: bool) -> Iterator[int]:
    if isinstance(expression, RangeLiteral) and not in_loop:
        yield expression.token.start_index
    for child in expression.children():
        yield from _ranges(child, in_loop=isinstance(expression, LoopExpression))


def _asked(part: BoundTemplate, place: Callable[[int], tuple[int, int]]) -> Iterator[Asked]:
    """Find where a part asks for vouchers."""
    for variable in part.analyze().globals.get(HEAD, ()):
        rest = variable.segments[1:]
        pool = rest[0] if len(rest) == 1 and isinstance(rest[0], str) else ""
        yield Asked(pool, *place(variable.span.index))


def _place(source: str, index: int, first_line: int) -> tuple[int, int]:
    """Return line and column in the file of a place in a part of it."""
    return first_line + source.count("\n", 0, index), index - source.rfind("\n", 0, index)


def _dotted(segments: list[Any]) -> str:
    names: list[str] = []
    for segment in segments:
        if not isinstance(segment, str):
            break
        names.append(segment)
    return ".".join(names)


def _message(error: BaseException) -> str:
    """Return the error in one line, without a value that it was given."""
    if isinstance(error, LiquidError):
        return str(error.message or "cannot be rendered").split("\n")[0]
    return f"cannot be rendered ({type(error).__name__})"
