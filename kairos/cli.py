"""The command line: one command a file in `kairos/commands`, found by its name.

Exit codes: 0 done, 1 found problems, 2 wrong usage or settings, 3 replaced by another engine.
"""

from collections.abc import Callable, Sequence
from types import ModuleType

from cyclopts import App

from kairos import __version__
from kairos.discovery import found_in, names_in, one_in


def commands() -> dict[str, Callable[..., int]]:
    """Return what each command calls, by its words.

    A file has a `command`, or `COMMANDS`, several by name, which follow the file's own, or both.

    >>> {"demo", "keys create", "archive", "archive accept"} <= commands().keys()
    True
    """
    found: dict[str, Callable[..., int]] = {}
    for name, module in found_in("kairos.commands").items():
        if hasattr(module, "COMMANDS"):
            found |= {f"{name} {word}": call for word, call in module.COMMANDS.items()}
        if hasattr(module, "command"):
            found[name] = module.command
    return found


def app(words: Sequence[str]) -> App:
    """Build the command line for what was said.

    Where that begins with a command, no other one is loaded: a part starts in half the time, and
    without the memory of all that it never runs. Where only the version is asked for, none is.

    Args:
        words: those behind `kairos`.
    """
    names = [] if "--version" in words[:1] else names_in("kairos.commands")
    said = [name for name in names if name in words[:1]]
    built = App(
        name="kairos",
        help="Kairos, the right moment: a real-time customer data platform engine.",
        version=__version__,
    )
    for name in said or names:
        module = one_in("kairos.commands", name)
        if hasattr(module, "COMMANDS"):
            built.command(_several(name, module))
        else:
            built.command(module.command, name=name)
    return built


def _several(name: str, module: ModuleType) -> App:
    _, _, purpose = (module.__doc__ or "").partition("\n")[0].partition(": ")
    several = App(name=name, help=purpose.capitalize())
    for word, call in module.COMMANDS.items():
        several.command(call, name=word)
    if hasattr(module, "command"):
        several.default(module.command)
    return several
