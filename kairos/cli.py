"""The command line: one command a file in `kairos/commands`, found by its name.

Exit codes: 0 done, 1 found problems, 2 wrong usage or settings, 3 replaced by another engine.
"""

from collections.abc import Callable
from types import ModuleType

from cyclopts import App

from kairos import __version__
from kairos.discovery import found_in


def commands() -> dict[str, Callable[..., int]]:
    """Return what each command calls, by its words.

    A file has a `command`, or `COMMANDS`, several by name, which follow the file's own.

    >>> {"demo", "keys create"} <= commands().keys()
    True
    """
    found: dict[str, Callable[..., int]] = {}
    for name, module in found_in("kairos.commands").items():
        if hasattr(module, "COMMANDS"):
            found |= {f"{name} {word}": call for word, call in module.COMMANDS.items()}
        else:
            found[name] = module.command
    return found


def _built() -> App:
    built = App(
        name="kairos",
        help="Kairos, the right moment: a real-time customer data platform engine.",
        version=__version__,
    )
    for name, module in found_in("kairos.commands").items():
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
    return several


app = _built()
