"""What a kind of address is.

A module named after the trait that holds such an address, with

    normal(text) -> str
        the one spelling of it, `""` where the text is none. It runs before the log, so its result
        is in the record, and another release of a library changes nothing that was decided.
"""

from collections.abc import Callable, Mapping

from kairos.discovery import found_in

CACHED = 32_768  # addresses that cost nothing the second time


def kinds() -> Mapping[str, Callable[[str], str]]:
    """Return the rules by kind.

    >>> kinds()["email"]("Ana@Shop.Example")
    'ana@shop.example'
    """
    return {name: module.normal for name, module in found_in("events.addresses").items()}
