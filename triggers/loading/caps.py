"""Frequency caps, as triggers and channels write them."""

from collections.abc import Collection, Mapping

from triggers import rules
from triggers.definitions import Cap
from triggers.loading.context import Context
from triggers.schema import CALENDAR
from triggers.yaml import Document, Path


def caps(
    context: Context,
    document: Document,
    path: Path,
    written: Mapping[str, str],
    what: str,
    known: Collection[str],
) -> dict[str, Cap]:
    """Read caps, and whether they count by the calendar.

    Args:
        context: of the workspace.
        document: in which they stand.
        path: at which they do.
        written: by channel or purpose, and `calendar` beside them.
        what: "channel" or "purpose".
        known: those there are.
    """
    said = context.rule(rules.truth, written.get(CALENDAR), document, (*path, CALENDAR))
    calendar = said is True
    words = [word for word in written if word != CALENDAR]
    if CALENDAR in written and not words:
        message = f"no cap stands beside it that it could concern, such as `{what}: 1 per 1d`"
        context.say(document, (*path, CALENDAR, ""), message)
    found: dict[str, Cap] = {}
    for word in words:
        context.known(document, (*path, word, ""), what, word, (*known, CALENDAR))
        cap = context.rule(
            lambda text: rules.cap(text, calendar=calendar), written[word], document, (*path, word)
        )
        if cap is not None:
            found[word] = cap
    return found
