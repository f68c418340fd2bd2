"""Every check by its name: evidence in, what is wrong out, in words."""

from collections.abc import Callable, Iterator

from tests.simulation.oracle import decisions, deliveries, door, erased, facts
from tests.simulation.oracle.evidence import Evidence
from tests.simulation.oracle.who import growing
from tests.simulation.shop import HOUR

PLACES = 4096  # into which people fall by their ids
SOON = 3 * HOUR  # engines are away for a while
LEAST_RECORDS, LEAST_PEOPLE, LEAST_FAULTS = 2_000, 20, 5


def facts_are_those_of_the_records(evidence: Evidence) -> Iterator[str]:
    """I1, I2, I3, I4, I5, I6: people, leaves and counters follow from the set of records alone."""
    for people in evidence.prefixes:
        yield from facts.wrong(people, evidence)


def everybody_follows_the_last_version(evidence: Evidence) -> Iterator[str]:
    """Sweeps reach whom no record touches, and soon: the round that comes by daily is no excuse."""
    for person in evidence.prefixes[-1].people:
        if not person.fresh:
            yield f"{person.id} follows a former version of the workspace"
    for at in evidence.versions[1:]:  # the first one finds nobody
        soon = [(first, last) for when, first, last in evidence.sweeps if at <= when <= at + SOON]
        left = set(range(PLACES)).difference(*(range(first, last + 1) for first, last in soon))
        if left:
            yield f"{len(left)} places were not swept soon after the version of {at}"


def fenced_writers_change_nothing(evidence: Evidence) -> Iterator[str]:
    """I10: what an engine sends after another has taken over has no effect."""
    for call in evidence.fenced:
        yield f"`{call}` of a writer that was replaced changed the ledger"


def the_seed_is_large_enough(evidence: Evidence) -> Iterator[str]:
    """A seed has 2,000 records, 20 people and five faults."""
    assert evidence.live is not None
    sizes = {
        "records": (evidence.records, LEAST_RECORDS),
        "people": (evidence.live.counts["people"] + len(growing(evidence).erasures), LEAST_PEOPLE),
        "faults": (sum(evidence.faults.values()), LEAST_FAULTS),
    }
    for what, (found, least) in sizes.items():
        if found < least:
            yield f"{found} {what}, {least} were expected"


Check = Callable[[Evidence], Iterator[str]]
CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        door.accepted_is_durable,
        door.nothing_is_invented,
        door.every_id_is_in_one_place,
        facts_are_those_of_the_records,
        everybody_follows_the_last_version,
        fenced_writers_change_nothing,
        erased.nothing_of_them_remains,
        decisions.a_remade_activation_is_the_same,
        decisions.orders_get_their_receipt,
        decisions.timers_fire_once_and_in_time,
        decisions.carts_wait,
        decisions.marketing_is_allowed,
        decisions.nights_are_quiet,
        decisions.caps_hold,
        decisions.once_stays_once,
        decisions.withdrawals_are_known,
        decisions.the_same_again,
        deliveries.nothing_is_sent_twice,
        deliveries.nothing_is_lost,
        deliveries.withdrawals_go_first,
        the_seed_is_large_enough,
    )
}


def judge(evidence: Evidence) -> list[str]:
    """Return what is wrong, each with the name of the check that says so; at most three a check."""
    wrong = []
    for name, check in CHECKS.items():
        for message, _ in zip(check(evidence), range(3), strict=False):
            wrong.append(f"{name}: {message}")
    return wrong
