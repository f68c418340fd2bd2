"""I7: one entry takes a step of a trigger once at most, whatever crashes and is read again."""

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.invariants.histories import Account, Said, entries, joins
from tests.shop import HOUR, WORKSPACE, Shop
from triggers import activation

DELIVER = "deliver: {purpose: product, quiet_hours: off}\n"
FILES = {
    "triggers/greeted.yaml": f"""
trigger: greeted
when: {{event: viewed}}
reentry: always
do: [{{send: {{channels: [webhook]}}}}, {{send: {{channels: [log]}}}}]
{DELIVER}""",
    "triggers/held.yaml": """
trigger: held
when: {event: viewed}
reentry: always
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product}
""",
    "triggers/cart.yaml": f"""
trigger: cart
when: {{event: cart, then_no: ordered, within: 30m}}
while_active: restart
reentry: always
do: [{{send: {{channels: [webhook]}}}}]
{DELIVER}""",
}
QUIET = "quiet_hours: 09:00-10:30\n"  # held, what comes in the first half hour
PAUSES = (0, 1000, 3000, 21 * 60_000)  # ms


@settings(max_examples=50, deadline=None)
@given(
    entries(joins, joins),
    st.lists(st.tuples(st.sampled_from(PAUSES), st.booleans()), min_size=1, max_size=8),
)
def test_i7_each_trigger_step_and_entry_has_one_activation_at_most(
    log: list[list[Said]], paces: list[tuple[int, bool]]
) -> None:
    shop, account = Shop(FILES, workspace=WORKSPACE + QUIET), Account()
    for nth, entry in enumerate(log):
        account.live(shop, entry, paces[nth % len(paces)])
    shop.wait(2 * HOUR)

    ids: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for payload in shop.shelf.activations:  # what was put out again after a crash included
        for one in activation.decode(payload):
            ids[one.trigger, one.step, one.event["by"]].add(one.id)
    assert [entry for entry, found in ids.items() if len(found) > 1] == []
    assert len({one.id for one in shop.sent}) == len(ids), "and no two entries share one"

    entered = {by: event.name for by, event in account.applied.items()}
    names = {"greeted": "viewed", "held": "viewed", "cart": "cart"}
    assert [key for key in ids if entered.get(key[2]) != names[key[0]]] == []
    greeted = {(step, by) for trigger, step, by in ids if trigger == "greeted"}
    assert greeted == {(s, by) for by, name in entered.items() if name == "viewed" for s in "01"}
