"""Read an expression into its syntax tree, or say where it stops making sense."""

from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from lark import Lark, Token, Transformer, Tree, UnexpectedInput
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedToken, VisitError

from events.values import SAFE_INTEGER
from kairos.durations import duration
from triggers import ast

LONGEST = 4_000  # characters of a condition
DEEPEST = 50  # levels of one; what is deeper, neither lark nor Python compiles


class ExpressionError(Exception):
    """An expression that cannot be read.

    Attributes:
        column: where in the expression, from 0.
        message: what was expected, what was found.
    """

    def __init__(self, message: str, column: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.column = column


def parse(text: str, first: int = 0) -> ast.Node:
    """Parse one condition.

    Args:
        text: of it.
        first: the column at which it begins.

    Raises:
        ExpressionError: with the column and what was expected.

    >>> parse("plan = pro").op
    '='
    """
    if len(text) > LONGEST:
        raise ExpressionError(
            f"at most {LONGEST} characters fit a condition, found {len(text)}; "
            "give parts of it lines of their own",
            first,
        )
    try:
        tree = _parser().parse(text)
        _refuse_depth(tree, first)
        node: ast.Node = _Builder(first).transform(tree)
    except UnexpectedInput as error:
        _explain(text, first, error)
    except VisitError as error:
        if isinstance(error.orig_exc, ExpressionError):
            raise error.orig_exc from None
        raise
    return node


def _refuse_depth(tree: Tree[Token], first: int) -> None:
    level, depth = [tree], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise ExpressionError(f"a condition of more than {DEEPEST} levels", first)
        level = [one for tree in level for one in tree.children if isinstance(one, Tree)]


@cache
def _parser() -> Lark:
    grammar = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", maybe_placeholders=False)


_WORDS = {
    "OPERATOR": "a comparison (= != < <= > >=)",
    "LPAR": "(",
    "RPAR": ")",
    "COMMA": "a comma",
    "DURATION": "a duration such as 7d",
    "NAME": "a name",
    "PATH": "a name",
    "NUMBER": "a number",
    "STRING": "quoted text",
    "PERCENT": "a share such as 10%",
    "LSQB": "[",
    "PLUS": "+",
    "MINUS": "-",
    "STAR": "*",
    "SLASH": "/",
    "RSQB": "]",
    "$END": "the end",
}


def _explain(text: str, first: int, error: UnexpectedInput) -> NoReturn:
    at_end = isinstance(error, UnexpectedEOF) or (
        isinstance(error, UnexpectedToken) and error.token.type == "$END"
    )
    column = len(text) if at_end else min(max((error.column or 1) - 1, 0), len(text))
    if text.count("(") != text.count(")") or text.count("[") != text.count("]"):
        message = (
            f"brackets do not balance in {text!r}; if a comma inside [ ] split this condition, "
            "give it its own `- ` line, or quotes"
        )
        raise ExpressionError(message, first + column) from None
    if isinstance(error, UnexpectedCharacters):
        raise ExpressionError(f"{text[column]!r} has no meaning here", first + column) from None
    expected: set[str] = set()
    found = "the end"
    if isinstance(error, UnexpectedToken):
        expected = {_WORDS.get(name, name.lower()) for name in error.accepts or error.expected}
        found = found if at_end else repr(str(error.token))
    options = ", ".join(sorted(expected)) or "more"
    raise ExpressionError(f"{options} was expected, found {found}", first + column) from None


class _Builder(Transformer[Token, ast.Node]):
    """Turns lark's tree into ours, bottom up."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self._first = first

    def _column(self, token: Token) -> int:
        return self._first + (token.column or 1) - 1

    def _ms(self, token: Token) -> int:
        try:
            return duration(str(token))
        except ValueError as error:
            raise ExpressionError(str(error), self._column(token)) from None

    def either(self, parts: list[ast.Node]) -> ast.Node:
        return ast.Some(tuple(parts))

    def both(self, parts: list[ast.Node]) -> ast.Node:
        return ast.All(tuple(parts))

    def negated(self, parts: list[ast.Node]) -> ast.Node:
        return ast.Not(parts[0])

    def compare(self, parts: list[Any]) -> ast.Node:
        left, op, right = parts
        return ast.Compare("=" if op == "==" else str(op), left, right, self._column(op))

    def band(self, parts: list[Any]) -> ast.Node:
        return ast.Band(parts[0], str(parts[1]), self._column(parts[1]))

    def exists(self, parts: list[ast.Node]) -> ast.Node:
        return ast.Exists(parts[0])

    def within_list(self, parts: list[ast.Node]) -> ast.Node:
        return ast.Compare("in", parts[0], parts[1])

    def contains(self, parts: list[ast.Node]) -> ast.Node:
        return ast.Compare("contains", parts[0], parts[1])

    def starts_with(self, parts: list[ast.Node]) -> ast.Node:
        return ast.Compare("starts_with", parts[0], parts[1])

    def add(self, parts: list[ast.Node]) -> ast.Node:
        return ast.Arithmetic("+", parts[0], parts[1])

    def subtract(self, parts: list[ast.Node]) -> ast.Node:
        return ast.Arithmetic("-", parts[0], parts[1])

    def multiply(self, parts: list[ast.Node]) -> ast.Node:
        return ast.Arithmetic("*", parts[0], parts[1])

    def divide(self, parts: list[ast.Node]) -> ast.Node:
        return ast.Arithmetic("/", parts[0], parts[1])

    def duration(self, parts: list[Token]) -> ast.Node:
        return ast.Duration(self._ms(parts[0]), self._column(parts[0]))

    def percent(self, parts: list[Token]) -> ast.Node:
        return ast.Literal(float(parts[0][:-1]) / 100, self._column(parts[0]))

    def number(self, parts: list[Token]) -> ast.Node:
        text, column = str(parts[0]), self._column(parts[0])
        if abs(float(text)) > SAFE_INTEGER:  # no event has one, and sums beyond it are not exact
            raise ExpressionError("a number beyond ±(2^53-1)", column)
        return ast.Literal(float(text) if "." in text else int(text), column)

    def text(self, parts: list[Token]) -> ast.Node:
        return ast.Literal(str(parts[0])[1:-1], self._column(parts[0]))

    def yes(self, _parts: list[Token]) -> ast.Node:
        return ast.Literal(True)

    def no(self, _parts: list[Token]) -> ast.Node:
        return ast.Literal(False)

    def path(self, parts: list[Token]) -> ast.Node:
        return ast.Name(str(parts[0]), self._column(parts[0]))

    def name(self, parts: list[Token]) -> ast.Node:
        return ast.Name(str(parts[0]), self._column(parts[0]))

    def many(self, parts: list[Any]) -> ast.Node:
        values = tuple(
            p.value
            if isinstance(p, ast.Literal)
            else p.ms
            if isinstance(p, ast.Duration)
            else p.path
            for p in parts
        )
        return ast.Many(values)

    def window(self, parts: list[Token]) -> Any:
        return ast.Window(self._ms(parts[0]))

    def since_entry(self, _parts: list[Token]) -> Any:
        return ast.Window(None)

    def between(self, parts: list[Token]) -> Any:
        start, end = (self._ms(part) for part in parts)
        if start <= end:
            message = (
                f"`between 30d and 7d ago` was expected, the longer one first, found {parts[0]}"
            )
            raise ExpressionError(message, self._column(parts[0]))
        return ast.Window(start, end)

    def within(self, parts: list[Token]) -> Any:
        return ("within", self._ms(parts[0]))

    def filtered(self, parts: list[Any]) -> Any:
        return ("filtered", parts[0], parts[1])

    def call(self, parts: list[Any]) -> ast.Node:
        function, *arguments = parts
        found: dict[str, Any] = {}
        sources: list[ast.Source] = []
        for argument in arguments:
            match argument:
                case ast.Window() if "window" not in found:
                    found["window"] = argument
                case ("within", int(ms)) if "within" not in found:
                    found["within"] = ms
                case ("filtered", ast.Name(path, column), condition) if not sources:
                    sources.append(ast.Source(path, column))
                    found["where"] = condition
                case ast.Name(path, column):
                    sources.append(ast.Source(path, column))
                case ast.Literal(value) if "number" not in found:
                    found["number"] = value
                case _:
                    raise ExpressionError(
                        f"{function}(...) takes an event, a filter and a window, "
                        "such as count(product_viewed where price > 5, last 7d)",
                        self._column(function),
                    )
        return ast.Call(str(function), tuple(sources), column=self._column(function), **found)
