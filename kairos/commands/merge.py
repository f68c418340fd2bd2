"""`kairos merge ONE OTHER`: an operator joins two people."""

from pathlib import Path

from kairos.operators.joining import Asked, merge
from kairos.operators.told import carry_out


def command(
    one: str,
    other: str,
    *,
    simulate: bool = False,
    reason: str = "",
    by: str | None = None,
    data: Path | None = None,
    json: bool = False,
) -> int:
    """Join two people who are one, where no event says so or a limit keeps them apart.

    Each keeps their own facts below it, so `kairos unmerge` takes it back. What it sends is
    sent, though: a joined person may enter a segment. Try it with --simulate first.

    Parameters
    ----------
    one
        A user id, anonymous id, e-mail address or phone number; with its type, such as
        user_id:u-1, where it could be several; or a person's own id (p_...).
    other
        The other person, likewise.
    simulate
        Change nothing; show what would come of it.
    reason
        Why; it stays in the log.
    by
        Who says so; else your login name.
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object.
    """
    asked = Asked(simulate, reason, by)
    return carry_out(
        "merge", data, lambda engine: merge(engine, one, other, asked), simulate=simulate, json=json
    )
