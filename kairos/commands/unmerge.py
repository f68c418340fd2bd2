"""`kairos unmerge ID MERGE`: an operator cuts what joins a person's identifiers."""

from pathlib import Path

from kairos.operators.joining import Asked, unmerge
from kairos.operators.told import carry_out


def command(
    id: str,  # noqa: A002 - the word on the command line
    merge: str,
    *,
    simulate: bool = False,
    reason: str = "",
    by: str | None = None,
    data: Path | None = None,
    json: bool = False,
) -> int:
    """Cut two identifiers that are not one person's; each side takes its own facts along.

    The cut holds whatever is said about the two later, until `kairos merge` joins them again.
    `kairos profile ID` lists what joins a person, with the merge ids.

    Parameters
    ----------
    id
        The person: a user id, anonymous id, e-mail address or phone number, with its type where
        it could be several; or a person's own id (p_...).
    merge
        What to cut: a merge id (m_...), or the identifier at the other end of an edge.
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
        "unmerge",
        data,
        lambda engine: unmerge(engine, id, merge, asked),
        simulate=simulate,
        json=json,
    )
