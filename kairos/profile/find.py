"""The one person whom an id means."""

from collections.abc import Mapping


class AmbiguousError(LookupError):
    """The id means several people."""


def the_one(leads: Mapping[str, str | None]) -> str | None:
    """Return the person whom all that was found leads to, None where nothing does.

    Raises:
        AmbiguousError: naming what to ask for instead.
    """
    people = {lead: identifier for identifier, lead in leads.items() if lead is not None}
    if len(people) > 1:
        ways = " or ".join(sorted(people.values()))
        raise AmbiguousError(f"that is {len(people)} people; ask for {ways}")
    return next(iter(people), None)
