"""Erasure: what is gone stays gone, whatever is still under way."""

from collections.abc import Iterator

from tests.simulation.oracle.evidence import Evidence
from tests.simulation.oracle.who import growing


def nothing_of_them_remains(evidence: Evidence) -> Iterator[str]:
    """I11: no identifier of the erased is left in the ledger, and nothing follows from them."""
    who, live = growing(evidence), evidence.live
    assert live is not None
    for identifier in sorted(who.gone):
        if identifier in live.leads:
            yield f"{identifier} was erased, and leads to {live.leads[identifier]}"
        for person, words in live.people.items():
            if repr(identifier) in words:
                yield f"{identifier} was erased, and {person} knows it"
    for d in evidence.decided:
        if who.dropped((d.entry, 0), d.leaf):
            yield f"{d.trigger}: activation {d.id} was decided after {d.leaf} was erased"
