"""The folder is the registry: an extension is one file, and its name is the word in the YAML."""

from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from types import ModuleType


def names_in(package: str) -> list[str]:
    """List the extensions of `package` without importing them.

    Every file but `base.py` is an extension; sub-folders are machinery.

    Args:
        package: a package's import name, such as `"channels"`.

    >>> "email" in names_in("channels")
    True
    """
    spec = find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"{package!r} is not a package of this installation")
    found = iter_modules(spec.submodule_search_locations)
    return sorted(m.name for m in found if not m.ispkg and m.name != "base")


def one_in(package: str, name: str) -> ModuleType:
    """Import one extension of `package`; the others may be large.

    >>> one_in("triggers.conditions", "count").__name__
    'triggers.conditions.count'
    """
    return import_module(f"{package}.{name}")


def found_in(package: str) -> dict[str, ModuleType]:
    """Import the extensions of `package` and return them by name.

    >>> sorted(found_in("triggers.conditions"))[:2]
    ['avg', 'bucket']
    """
    return {name: one_in(package, name) for name in names_in(package)}
