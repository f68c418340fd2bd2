"""Signs before names that are ours beside a marketer's; theirs begin with none of them."""

CALENDAR = "@"  # a trigger whose next instant stands with a person
BESIDE = "@"  # what a run carries beside the properties of its event
RANK = "%"  # a score and a bucket of it: who is in it
CROSSING = "~"  # a trigger: the segment of those who are beyond what it `crosses`


def is_ours(name: str) -> bool:
    """Say whether a name is one that no marketer gave.

    >>> is_ours("~alert"), is_ours("warm")
    (True, False)
    """
    return name[:1] in (CALENDAR, CROSSING, RANK)
