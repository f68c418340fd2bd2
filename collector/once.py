"""Take each verified call once: what its copy is told, and when its turn ends."""

from collector.mail.base import Replays, Verified
from collector.request import Response
from collector.respond import failure, success


def repeated(replays: Replays, call: Verified, now_ms: int) -> Response | None:
    """Answer a copy of a call that was taken, None where this is the first."""
    match replays.take(call, now_ms):
        case "busy":
            return failure(503, "webhook_busy", "the same call is being kept at this moment")
        case "kept":
            return success(accepted=0, repeated=True)
        case "new":
            return None


def settle(replays: Replays, call: Verified, kept: bool) -> None:
    """End a call's turn: it was kept, or may come again."""
    (replays.keep if kept else replays.give_back)(call)
