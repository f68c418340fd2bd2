"""Steps of `do`: from lists in lists to a program, in which each step knows what follows it."""

from collections.abc import Iterable
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

import msgspec

from kairos.discovery import found_in
from triggers import ast
from triggers.code import Scope, compiled
from triggers.convert import convert
from triggers.definitions import SendStep
from triggers.expressions import ExpressionError, parse
from triggers.loading.awaiting import Key
from triggers.loading.conditions import all_of
from triggers.loading.context import Context
from triggers.problems import Problem
from triggers.schema import Conditions, Deliver, Steps
from triggers.steps.base import Step
from triggers.words import nearest
from triggers.yaml import Document, Path

PACKAGE = "triggers.steps"
S = TypeVar("S", bound=msgspec.Struct)


class Place(NamedTuple):
    """Where a step, or a list of them, stands.

    >>> Place("2", "3", ("do", 2)).within("then")
    Place(at='2.then', next='3', path=('do', 2, 'then'))
    """

    at: str  # its name for ever, such as `2.then.0`
    next: str  # the place of what follows it, "" for nothing
    path: Path  # in the document

    def within(self, key: str) -> "Place":
        """Return the place of a part of it."""
        return Place(f"{self.at}.{key}", self.next, (*self.path, key))


class Building:
    """A trigger's program while it is built.

    Args:
        context: of the workspace.
        document: the trigger's file.
        nth: of the trigger.
        deliver: what its sends have in common.
        scope: of its conditions.
        key: what its runs are told apart by.
        events: slugs of those that enter it.
        has_goal: whether it has a goal.
    """

    def __init__(
        self,
        context: Context,
        document: Document,
        nth: int,
        deliver: Deliver,
        scope: Scope,
        key: Key,
        events: Iterable[str],
        *,
        has_goal: bool,
    ) -> None:
        self.context = context
        self.document = document
        self.deliver = deliver
        self.scope = scope
        self.key = key
        self.moving = set(events)  # events that may have brought a run to where it stands
        self.has_goal = has_goal
        self.program: dict[str, Step] = {}
        self.tests: dict[str, str] = {}  # name -> condition, as source
        self.sends: list[SendStep] = []
        self.told: list[SendStep] = []  # what systems are told
        self.offered = False  # whether a step before has chosen an offer
        self.calls: list[tuple[str, Path]] = []  # triggers that steps start
        self._nth = nth
        self._behind: dict[str, str] = {}  # place -> the one behind it in its list

    def say(self, path: Path, message: str, shift: int = 0) -> None:
        """Note a problem."""
        self.context.say(self.document, path, message, shift)

    def reads(self, values: Iterable[str]) -> None:
        """Take note of the properties of the entering event that values name."""
        for text in values:
            head, dot, rest = text.partition(".")
            if head == "event" and dot:
                self.scope.uses.properties.add(rest)

    def options(self, written: Any, shape: type[S], path: Path) -> S | None:
        """Convert what stands under a step's word; None after a problem."""
        found = convert(self.document, shape, written, path)
        if isinstance(found, Problem):
            self.context.problems.append(found)
            return None
        return found

    def block(self, written: Steps, place: Place) -> str:
        """Build a list of steps; return the place of its first, or of what follows if it is empty."""
        if isinstance(written, str):
            written = [written]
        places = [f"{place.at}.{n}" if place.at else str(n) for n in range(len(written))]
        for n, one in enumerate(written):
            last = n + 1 == len(written)
            at = Place(places[n], place.next if last else places[n + 1], (*place.path, n))
            if not last:
                self._behind[places[n]] = places[n + 1]
            step = self._step(one, at)
            if step is not None:
                self.program[at.at] = step
        return places[0] if places else place.next

    def nothing_behind(self, place: Place) -> None:
        """Refuse steps in the same list that are never reached."""
        if place.at in self._behind:
            *block, n = place.path
            self.say(
                (*block, int(n) + 1), "this step is never reached: the one before ends the run"
            )

    def test(self, conditions: Conditions, place: Place) -> str:
        """Compile conditions; return the name under which a step asks for them."""
        code = all_of(self.context, self.document, conditions, place.path, self.scope)
        return self._named(code.value)

    def equals(self, value: str, text: str, place: Place) -> str:
        """Compile the comparison of a value, such as `event.category`, with a text."""
        try:
            code = compiled(ast.Compare("=", parse(value), ast.Literal(text)), self.scope)
        except ExpressionError as error:
            self.say(place.path, error.message, error.column)
            return ""
        return self._named(code.value)

    def _named(self, source: str) -> str:
        name = f"at_{self._nth}_{len(self.tests)}"
        self.tests[name] = source
        return name

    def _step(self, written: Any, place: Place) -> Step | None:
        if isinstance(written, str):
            written = {written: ""}
        if not isinstance(written, dict):
            self.say(place.path, "a step such as `- send: {channels: [email]}` was expected")
            return None
        module = self._module(written, place)
        if module is None:
            return None
        shape = self.options(written, module.Shape, place.path)
        if shape is None:
            return None
        built: Step = module.build(self, place, shape)
        return built

    def _module(self, written: dict[str, Any], place: Place) -> ModuleType | None:
        known = steps()
        words = [word for word in written if word in known]
        if len(words) == 1:
            return known[words[0]]
        if words:
            self.say(
                place.path,
                f"one step was expected, found {' and '.join(words)}; give each its own `- ` line",
            )
            return None
        word = next(iter(written), "")
        path = (*place.path, word, "") if word else place.path
        hint = nearest(word, known)
        self.say(path, f"unknown step {word!r}.{hint} Known: {', '.join(sorted(known))}")
        return None


@cache
def steps() -> dict[str, ModuleType]:
    """Find the steps once, by the words that they are written with."""
    return {name.rstrip("_"): module for name, module in found_in(PACKAGE).items()}
