"""offers.yaml: what a workspace may give, to whom, and until when."""

import re
from datetime import date
from typing import Any, NamedTuple

from models.runtime.arms import MOST
from triggers.code import Code
from triggers.loading.conditions import of_anybody
from triggers.loading.context import Context
from triggers.offers import NEXT_BEST, Offer, Wanted
from triggers.schema import OffersFile, WorkspaceFile
from triggers.slots import Asks
from triggers.words import nearest
from triggers.yaml import Document, Path

NOTHING_TO_CHOOSE = (
    "there is nothing to choose from: `offers: offers.yaml` in workspace.yaml names the offers"
)
_NAME = re.compile(r"[A-Za-z_]\w*")


class Made(NamedTuple):
    """An offer, and who may have it."""

    offer: Offer
    code: Code
    asks: Asks


def offers(context: Context, document: Document, workspace: WorkspaceFile) -> list[Made]:
    """Read the file that the workspace names, if it names one."""
    path = workspace.offers
    if path is None:
        return []
    if path not in context.files:
        context.say(document, ("offers",), f"the workspace folder has no {path}")
        return []
    found = context.read(path, OffersFile)
    if found is None:
        return []
    own, file = found
    if NEXT_BEST in context.models and len(file.offers) > MOST:
        message = f"at most {MOST} offers can be drawn from, found {len(file.offers)}"
        context.say(own, ("offers",), message)
    made = [_made(context, own, name, said) for name, said in file.offers.items()]
    context.offers = {one.offer.name for one in made}
    return made


def _made(context: Context, document: Document, name: str, said: dict[str, Any]) -> Made:
    path: Path = ("offers", name)
    if name == NEXT_BEST or not _NAME.fullmatch(name):
        context.say(document, (*path, ""), f"a name such as spring_10 was expected, found {name!r}")
    code, asks, _ = of_anybody(context, document, said.get("if", []), (*path, "if"))
    fields = {}
    for key, value in said.items():
        if key in ("if", "until"):
            continue
        if not isinstance(value, str):
            context.say(document, (*path, key), "a text was expected")
        fields[key] = str(value)
    return Made(Offer(name, fields, _until(context, document, said, path)), code, asks)


def _until(context: Context, document: Document, said: dict[str, Any], path: Path) -> date | None:
    if "until" not in said:
        return None
    try:
        return date.fromisoformat(said["until"])
    except (TypeError, ValueError):
        message = f"a date such as 2026-12-31 was expected, found {said['until']!r}"
        context.say(document, (*path, "until"), message)
        return None


def wanted(context: Context, document: Document, text: str, path: Path) -> Wanted:
    """Read what a send or a step asks for: `next_best`, an offer's name, or a text such as `10%`."""
    if not _NAME.fullmatch(text):
        return Wanted(text=text)
    if text == NEXT_BEST and not context.offers:
        context.say(document, path, NOTHING_TO_CHOOSE)
    elif text != NEXT_BEST and text not in context.offers:
        known = ", ".join(sorted(context.offers)) or "none yet"
        hint = nearest(text, context.offers)
        context.say(document, path, f"unknown offer {text!r}.{hint} Known: {known}")
    return Wanted(name=text)
