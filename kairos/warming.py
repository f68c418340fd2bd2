"""What is warming, in words."""

from channels.base import addresses
from kairos.say import moment
from profile_state.identity import PLACES
from profile_state.leaf import NEVER
from profile_state.stores.base import Mark
from triggers import failing
from triggers.load import load


def told(mark: Mark) -> dict[str, str]:
    """Say of each trigger that is warming how far what it looks back at is known.

    Args:
        mark: of the ledger.
    """
    workspace = load(
        mark.files, addresses(), failing.versions(mark.paused), mark.history, new=False
    )
    left = [gap.next for gap in mark.history.gaps if not gap.filled]
    read = f"{min(left) / PLACES:.0%} of the past is read" if left else "the past is not there"
    until = ""
    if workspace.warms_at < NEVER:
        until = f"; otherwise more is known on {moment(workspace.warms_at)}"
    return {one.name: read + until for one in workspace.triggers if one.since == NEVER}
