"""Webhooks of other systems, as files of the workspace map them to events. No I/O.

What a path names becomes a field of a call as a server's key would send it, and all rules of
`events.parse` hold for that.
"""

from collections.abc import Mapping
from functools import partial

import msgspec

from collector.hooks.mapping import Hook, calls
from collector.hooks.signatures import verify
from collector.letters import dead_letter
from collector.mail.base import Refused, Replays
from collector.once import repeated, settle
from collector.outcome import Accepted, Outcome
from collector.request import Request
from collector.respond import failure, success
from events.arrival import Arrival
from events.parse import parse
from events.record import VERIFIED, DeadLetter, Event
from events.rejected import Rejected

_REASON = 300  # characters


class Hooks:
    """All webhooks that are mapped, by name."""

    def __init__(self, hooks: Mapping[str, Hook]) -> None:
        self._hooks = hooks
        self._replays = {name: Replays() for name in hooks}

    def answer(self, name: str, request: Request, now_us: int) -> Outcome:
        """Answer a call."""
        hook = self._hooks.get(name)
        if hook is None:
            return failure(404, "not_found", "no webhook of that name is mapped here")
        verified = verify(hook.signature, request, hook.secret, now_us // 1000)
        if isinstance(verified, Refused):
            return failure(403, "webhook_refused", verified.reason)
        replays = self._replays[name]
        known = repeated(replays, verified, now_us // 1000)
        if known is not None:
            return known
        done = _mapped(hook, request, now_us)
        end = partial(settle, replays, verified)
        if isinstance(done, Accepted):
            return msgspec.structs.replace(done, settle=end)
        end(True)
        return done


def _mapped(hook: Hook, request: Request, now_us: int) -> Outcome:
    try:
        body = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        return failure(400, "webhook_unreadable", f"JSON was expected: {str(error)[:_REASON]}")
    mapped = calls(hook, request, body)
    if mapped is None:
        return success(accepted=0, ignored=1)
    arrival = Arrival(f"hook:{hook.name}", VERIFIED, now_us)
    records: list[Event | DeadLetter] = []
    rejected: list[dict[str, str]] = []
    for said in mapped:
        raw = msgspec.json.encode(said)
        result = parse(raw, arrival)
        if isinstance(result, Rejected):
            records.append(dead_letter(result, raw, arrival))
            rejected.append({"code": result.code, "message": result.reason})
        else:
            records.append(result)
    more = {"rejected": rejected} if rejected else {}
    answer = success(accepted=len(records) - len(rejected), **more)
    return Accepted(records, answer, len(request.body), len(rejected))
