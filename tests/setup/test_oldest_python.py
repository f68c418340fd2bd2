"""Python before 3.11.5 is in use, as Debian 12's own 3.11.2: what it does otherwise is not in our code."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PARSER: Any = vars(re)["_parser"]  # says what an expression consists of
OPS: Any = vars(re)["_constants"]
LETTERS = (OPS.IN, OPS.LITERAL, OPS.NOT_LITERAL, OPS.ANY)


@cache
def code() -> list[tuple[Path, ast.AST]]:
    return [
        (path, node)
        for package in sorted(ROOT.glob("*/__init__.py"))
        for path in sorted(package.parent.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call | ast.TryStar)
    ]


def expressions() -> Iterator[tuple[str, Any]]:
    """Yield what is compiled, parsed; what an f-string puts in stands as a letter."""
    for path, node in code():
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="re"), attr="compile"), args=[text, *flags]
            ):
                parts = text.values if isinstance(text, ast.JoinedStr) else [text]
                written = "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "x" for part in parts
                )
                verbose = (
                    re.VERBOSE if any("re.VERBOSE" in ast.unparse(one) for one in flags) else 0
                )
                yield f"{path.relative_to(ROOT)}:{node.lineno}", PARSER.parse(written, verbose)


def is_letter(what: Any) -> bool:
    return len(what) == 1 and what[0][0] in LETTERS


def groups(part: Any) -> Iterator[Any]:
    """Yield what lets go of nothing and is more than one letter."""
    if isinstance(part, PARSER.SubPattern | list | tuple):
        match list(part):
            case [OPS.ATOMIC_GROUP, _]:
                yield part
            case [OPS.POSSESSIVE_REPEAT, (_, _, what)] if not is_letter(what):
                yield part
        for inner in part:
            yield from groups(inner)


@pytest.mark.parametrize(
    "lets_go_of_nothing", ["(?:ab)*+", "x(?>a|b)", "(?:(?:ab)?+c)*", "a|(?:ab)++"]
)
def test_a_group_is_found(lets_go_of_nothing: str) -> None:
    assert list(groups(PARSER.parse(lets_go_of_nothing)))


def test_no_possessive_group() -> None:
    """There it matches what it should not: https://github.com/python/cpython/issues/106052, 100061."""
    found = dict(expressions())
    assert len(found) > 20
    assert [at for at, text in found.items() if any(groups(text))] == []


def test_nothing_is_raised_out_of_an_except_star() -> None:
    """There it comes as a group of one."""
    assert [f"{path}:{node.lineno}" for path, node in code() if isinstance(node, ast.TryStar)] == []
