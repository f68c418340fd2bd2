"""What steps put into the log: traits, tags and events, each a fact like any other, and once."""

from typing import Any

import pytest

from events import record
from events.record import OWN, Event
from profile_state.stores.memory import Shelf
from tests.shop import ADDRESSES, HOUR, MINUTE, SECOND, Shop
from triggers.emitting import DEPTH
from triggers.load import load
from triggers.problems import WorkspaceError


def trigger(name: str, when: str, do: str, rest: str = "reentry: always") -> dict[str, str]:
    return {
        f"triggers/{name}.yaml": f"""
trigger: {name}
when: {{{when}}}
{rest}
do:
{do}
deliver: {{purpose: product}}
"""
    }


SEND = "  - send: {channels: [webhook]}"
CUSTOMERS = {"segments/customers.yaml": "segment: customers\nif: [status = customer]\n"}


def traits(shop: Shop, who: str = "user_id:ana") -> dict[str, Any]:
    return {name: stated[2] for name, stated in shop.person(who).view.traits.items()}


def own(shop: Shop) -> list[Event]:
    """What steps have put into the log, every copy."""
    found = []
    for entry in shop.log.read(0, -1, 10_000, 0):
        found += [one for one in record.decode(entry.payload) if isinstance(one, Event)]
    return [one for one in found if one.source == OWN]


def test_c5_a_trait_that_a_journey_sets_makes_its_person_a_member_at_once() -> None:
    shop = Shop(
        {
            **CUSTOMERS,
            **trigger("buys", "event: order_completed", "  - set: {status: customer, tier: event.tier}\n"
                      "  - if: in_segment(customers)\n    then: [{send: {channels: [webhook]}}]"),
            **trigger("greets", "segment: entered customers", SEND),
        }
    )  # fmt: skip
    shop.wait(SECOND)
    shop.do("order_completed", user="ana", tier="gold")
    assert traits(shop) == {"status": "customer", "tier": "gold"}
    assert "customers" in shop.person("user_id:ana").member
    assert len(shop.sent_by("greets")) == 1
    assert len(shop.sent_by("buys")) == 1, "the step behind it sees what it changed"
    assert not shop.person("user_id:ana").waits


@pytest.mark.parametrize(
    "loop",
    [
        trigger("loop", "event: pinged", "  - emit: pinged"),
        {
            **trigger("loop", "event: pinged", "  - emit: ponged"),
            **trigger("back", "event: ponged", "  - emit: pinged"),
        },
        trigger("loop", "event: pinged", "  - call: loop"),
        trigger("loop", "event: pinged", "  - wait: 1s\n  - emit: pinged"),
        {
            **trigger("loop", "event: pinged", "  - set: {mood: event.mood}\n  - call: back"),
            **trigger("back", "changed: mood", "  - emit: {event: pinged, properties: {mood: event.to}}"),
        },
    ],
)  # fmt: skip
def test_c5_triggers_that_start_each_other_end_and_the_chain_is_named(
    loop: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    shop = Shop(loop)
    shop.wait(SECOND)
    shop.do("pinged", user="ana", mood="fine")
    shop.wait(HOUR)
    entered = sum(shop.count(f"entered:{name}") for name in ("loop", "back"))
    assert DEPTH <= entered <= 2 * DEPTH + 1
    assert "ended:too_deep" in shop.refusals("loop") + shop.refusals("back")
    said = capsys.readouterr().out
    assert "triggers start each other without end" in said
    assert "loop > " in said
    shop.do("pinged", user="bob")
    assert shop.count("entered:loop") > entered // 2, "the trigger goes on for everybody else"


def test_numbers_and_tags_add_up_whatever_runs_at_once() -> None:
    shop = Shop(
        {
            **trigger("one", "event: played", "  - increment: {points: 10, spent: event.price}"),
            **trigger("other", "event: played", "  - increment: {points: 2.5}\n  - tag: [player, fan]"),
            **trigger("third", "event: won", "  - tag: winner\n  - tag: player"),
        }
    )  # fmt: skip
    shop.wait(SECOND)
    shop.know("ana", points="100", tags="none")
    for _ in range(3):
        shop.do("played", user="ana", price=0.1)
    shop.do("won", user="ana")
    assert traits(shop) == {"points": 137.5, "spent": 0.3, "tags": ["fan", "winner", "player"]}


def test_an_event_of_a_journey_counts_and_starts_others() -> None:
    shop = Shop(
        {
            **trigger("one", "event: offered",
                      "  - emit: {event: offer_accepted, properties: {offer: event.offer, n: 3, by: journey}}"),
            **trigger("other", "event: offer_accepted, where: [event.by = journey]", SEND),
            "segments/happy.yaml": "segment: happy\nif: ['count(offer_accepted) = 1']\n",
        }
    )  # fmt: skip
    shop.wait(SECOND)
    shop.do("offered", user="ana", offer="o1")
    assert [one.event for one in shop.sent_by("other")] == [
        {"offer": "o1", "n": 3, "by": "journey"}
    ]
    assert "happy" in shop.person("user_id:ana").member
    assert len(own(shop)) == 1


def test_a_call_starts_another_trigger_as_its_own_rules_allow() -> None:
    shop = Shop(
        {
            **trigger("one", "event: offered", "  - call: other\n" + SEND),
            **trigger("other", "event: never_sent", SEND, "if: [event.offer = o1]\nreentry: once"),
        }
    )
    for offer in ("o2", "o1", "o1"):
        shop.do("offered", user="ana", offer=offer)
    assert len(shop.sent_by("one")) == 3
    assert [one.event for one in shop.sent_by("other")] == [{"offer": "o1"}]
    assert shop.refusals("other") == ["ignored:condition", "sent:webhook", "ignored:reentry"]


def test_a_trigger_in_shadow_changes_nothing() -> None:
    files = {
        **trigger("one", "event: offered", "  - set: {status: customer}\n  - emit: pinged\n  - call: other\n"
                  + SEND, "reentry: always\nstatus: shadow"),
        **trigger("other", "event: pinged", SEND),
    }  # fmt: skip
    shop = Shop(files)
    shop.wait(SECOND)
    shop.do("offered", user="ana")
    assert own(shop) == []
    assert shop.sent == []
    assert shop.refusals("one") == ["shadow:"] * 4


SETS = trigger("sets", "event: visited", "  - set: {seen: true}\n" + SEND)


def test_what_a_crash_kept_from_the_log_is_put_out_again_and_counts_once() -> None:
    shop = Shop(SETS)
    shop.wait(SECOND)
    shop.engine._vouched, shop.engine._end = False, 1 << 60  # so it holds back what it puts out
    shop.do("visited", user="ana")
    assert own(shop) == []
    assert shop.person("user_id:ana").waits
    shop.engine.drain()
    shop.open()
    shop.wait(30 * SECOND)
    assert own(shop) == [], "who knows whether it is on its way"
    shop.wait(MINUTE)
    assert len(own(shop)) == 1
    assert traits(shop) == {"seen": True}
    assert len(shop.sent_by("sets")) == 1


def test_reading_the_log_again_puts_nothing_into_it_anew() -> None:
    shop = Shop(SETS)
    shop.wait(SECOND)
    for user in ("ana", "bob", "cyd"):
        shop.do("visited", user=user)
    last = shop.log.last(0)
    before, facts = shop.person("user_id:ana"), shop.facts
    shop.shelf = Shelf()  # the ledger is gone
    shop.open()
    shop.run()
    assert shop.log.last(0) == last
    assert shop.facts == facts
    assert shop.person("user_id:ana").offset == before.offset
    assert len(own(shop)) == 3


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ("set: {}", "`set: {status: customer}` was expected, found nothing"),
        ("increment: {points: many}", "a number, or `event.PROPERTY`, was expected, found 'many'"),
        ("tag: ''", "a word was expected, found nothing"),
        ("emit: consent_updated", "'consent_updated': only people state their consent"),
        ("emit: {properties: {a: b}}", "the key 'event' is missing"),
        ("emit: {event: a, propertys: {}}", "unknown key 'propertys'. Did you mean 'properties'?"),
        ("call: otter", "unknown trigger 'otter'. Did you mean 'other'?"),
    ],
)
def test_what_is_wrong_is_said(step: str, problem: str) -> None:
    files = {
        "workspace.yaml": "workspace: w\npurposes: {product: {}}",
        **trigger("one", "event: a", f"  - {step}"),
        **trigger("other", "event: a", SEND),
    }
    with pytest.raises(WorkspaceError) as error:
        load(files, ADDRESSES)
    assert problem in str(error.value)


@pytest.mark.parametrize("text", ["99999999999999999999", "1e300", "nan", "inf", "007"])
def test_what_no_number_gives_back_as_it_was_stays_a_text(text: str) -> None:
    shop = Shop(trigger("marks", "event: visited", f"  - set: {{mark: {text}}}\n{SEND}"))
    shop.do("visited", user="ana")
    assert traits(shop) == {"mark": text}
    assert len(shop.sent) == 1, "the run went on"
