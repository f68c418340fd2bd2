"""What the worker owes: each message once, none that was withdrawn, none lost."""

from collections import Counter
from collections.abc import Iterator

from tests.simulation.oracle.evidence import Evidence

SLOTS = 64
MOMENT = 1_000_000  # us between the last look at the withdrawals and the call


def _served(evidence: Evidence) -> dict[str, str]:
    """Return id -> channel of what the worker's slots hold."""
    return {
        d.id: d.channel for d in evidence.decided if int(d.id[:2], 16) % SLOTS in evidence.slots
    }


def nothing_is_sent_twice(evidence: Evidence) -> Iterator[str]:
    """I7: at most one acceptance for each activation."""
    for provider in evidence.providers:
        times = Counter(one for _, one in provider.accepted)
        for one in sorted(one for one, n in times.items() if n > 1):
            yield f"{provider.name} accepted activation {one} {times[one]} times"


def nothing_is_lost(evidence: Evidence) -> Iterator[str]:
    """Every activation ends as something, and that is what became of it."""
    accepted = {one for p in evidence.providers for _, one in p.accepted}
    called = {call.id for p in evidence.providers for call in p.calls}
    keyed = {p.name for p in evidence.providers if p.keyed}
    for one, channel in sorted(_served(evidence).items()):
        state, detail = evidence.rows.get(one, ("missing", ""))
        if state == "delivered" and one not in accepted:
            yield f"activation {one} is `delivered`, and {channel} never accepted it"
        elif state in ("refused", "dead", "expired") and one in accepted and channel not in keyed:
            yield f"activation {one} is `{state}` ({detail}), and {channel} accepted it"
        elif state == "unknown" and channel in keyed:
            yield f"activation {one} is `unknown`, although {channel} drops copies"
        elif state not in ("delivered", "refused", "dead", "expired", "unknown"):
            yield f"activation {one} on {channel} ends as `{state}`"
    for one in sorted((accepted | called | evidence.rows.keys()) - _served(evidence).keys()):
        yield f"activation {one} was served, and nobody decided it"


def withdrawals_go_first(evidence: Evidence) -> Iterator[str]:
    """Nothing is handed over that the workers could know to be withdrawn."""
    for provider in evidence.providers:
        for call in provider.calls:
            known = call.withdrawn_us
            if known is not None and max(known, call.thawed_us) < call.us - MOMENT:
                yield f"{provider.name} was handed activation {call.id} after its withdrawal"
