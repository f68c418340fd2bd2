"""`tests` of a trigger: read into plain values, every mistake at its place, and nothing that decides."""

import pytest

from tests.shop import ADDRESSES, Shop
from tests.triggers.test_load import GOOD
from triggers.cases import (
    Banded,
    Case,
    Given,
    Line,
    Moment,
    Refusal,
    Sends,
)
from triggers.load import load
from triggers.loading.formers import FOLDER
from triggers.local_time import zone
from triggers.problems import WorkspaceError

WORKSPACE = """\
workspace: shop
bands: {ltv: {high: top 20%}, fit: {good: ">= 0.5"}}
control_group: {marketing: 10%}
"""
TRIGGER = """\
trigger: hello
when: {event: signed_up}
holdout: 5%
do:
  - send: {channels: [email], template: hello}
  - split:
      arms:
        short: {share: 50, do: [exit]}
        long: {share: 50, do: [exit]}
  - opt_in: {channel: whatsapp, purpose: marketing, template: please_confirm}
deliver: {purpose: marketing}
tests:
"""
TEST = """\
  - name: one
    given:
      traits: {plan: pro, seats: 5, address: {zip: 01067, home: true}, timezone: Asia/Tokyo}
      addresses: {whatsapp: +49 170 1234567, email: Ana@Shop.Example}
      consent: {marketing: [email, sms], transactional: denied}
      scores: {ltv: high, fit: 0.7, score.next: later}
      segments: [warm]
      history: [-9d Order Completed, -9d 08:30 email_sent e0]
      held_out: true
      arms: [long]
    events:
      - 14:05 cart_updated
      - "+2d 09:00 cartUpdated {cartId: c1, value: 30, products: [{id: 7}]}"
      - -1d email_opened e0
      - 14:06 email_clicked hello
      - 14:07 opt_in_confirmed please_confirm
      - "15:00 email_opened {message: any}"
    expect:
      - {send: email, at: "14:05", times: 2}
      - {send: whatsapp, template: please_confirm}
      - {refused: consent}
"""


def files(test: str = TEST, trigger: str = TRIGGER) -> dict[str, str]:
    test = test.replace("Order Completed", "order_completed")
    return {
        **GOOD,
        "workspace.yaml": WORKSPACE,
        "triggers/hello.yaml": trigger + test,
        "templates/please_confirm.liquid": "---\npurpose: transactional\n---\nYes?",
    }


def test_a_test_is_read_into_what_it_says() -> None:
    assert load(files(), ADDRESSES).cases == {
        "hello": (
            Case(
                name="one",
                given=Given(
                    traits={
                        "plan": "pro",
                        "seats": 5,
                        "address": {"zip": "01067", "home": True},
                        "timezone": "Asia/Tokyo",
                    },
                    addresses={"phone": "+491701234567", "email": "ana@shop.example"},
                    consent=(
                        ("marketing", "email", True),
                        ("marketing", "sms", True),
                        ("transactional", "", False),
                    ),
                    scores={"ltv": Banded("high"), "fit": 0.7, "score.next": "later"},
                    segments=("warm",),
                    history=(
                        Line(Moment(-9, 510), "email_sent", {"message": "e0"}),
                        Line(Moment(-9, 720), "order_completed", {}),
                    ),
                    held_out=True,
                    arms=frozenset({"long"}),
                ),
                lines=(
                    Line(Moment(-1, 720), "email_opened", {"message": "e0"}),
                    Line(Moment(0, 845), "cart_updated", {}),
                    Line(Moment(0, 846), "email_clicked", {}, "hello"),
                    Line(Moment(0, 847), "opt_in_confirmed", {}, "please_confirm"),
                    Line(Moment(0, 900), "email_opened", {"message": "any"}),
                    Line(
                        Moment(2, 540),
                        "cart_updated",
                        {"cart_id": "c1", "value": 30, "products": [{"id": 7}]},
                    ),
                ),
                sends=(
                    Sends("email", None, Moment(0, 845), 2),
                    Sends("whatsapp", "please_confirm", None, 1),
                ),
                refusals=(Refusal("consent", 1),),
            ),
        )
    }


def test_a_tests_clock_stands_on_monday_2_march_2026_where_the_person_is() -> None:
    berlin, havana = zone("Europe/Berlin"), zone("America/Havana")
    assert berlin is not None
    assert havana is not None
    assert Moment(0, 845).at(berlin) == 1_772_456_700_000
    assert Moment(0, 845).at(havana) - Moment(0, 845).at(berlin) == 6 * 3_600_000
    assert Moment(6, 0).at(havana) == Moment(6, 60).at(havana), (
        "there is no midnight on that Sunday"
    )


PLACES = [
    ("  - name: one", "  - ^nmae: one", "unknown key 'nmae'. Did you mean 'name'?"),
    ("expect:", "^expcet:", "unknown key 'expcet'. Did you mean 'expect'?"),
    ("traits:", "^trait:", "unknown key 'trait'. Did you mean 'traits'?"),
    ("{send: email,", "{^sent: email,", "unknown key 'sent'. Did you mean 'send'?"),
    ("14:05 cart_updated", "^cart_updated", "a line such as `14:05 product_viewed`"),
    ("14:05 cart_updated", "^14:05", "a line such as `14:05 product_viewed`"),
    ("14:05 cart_updated", "14:05 ^!!", "an event was expected, found '!!'"),
    ("14:05 cart_updated", "^24:05 cart_updated", "a time of day such as 09:00 was expected"),
    ("14:05 cart_updated", "^14:5 cart_updated", "a time of day such as 09:00 was expected"),
    ("-1d email_opened", "^-1w email_opened", "a time such as `14:05`, `-3d` or `+2d 09:00` was expected, found '-1w'"),
    ("-1d email_opened", "^-1.5d email_opened", "a time such as `14:05`, `-3d` or `+2d 09:00`"),
    ("-9d 08:30", "^-401d 08:30", "at most 400 days from Monday were expected, found '-401d 08:30'"),
    ('"+2d 09:00', '"^+401d 09:00', "at most 400 days from Monday were expected"),
    ("14:05 cart_updated", "14:05 Cart ^Updated", "'Updated' stands behind an event that is no receipt; properties are written {cart_id: c1}, and an event of several words with _: cart_updated"),
    ("14:05 cart_updated", "^14:05 cart_updated {cart_id: c1}", "text was expected, found a mapping (key: value); a text in which `: ` stands needs quotes"),
    ("14:05 cart_updated", "14:05 cart_updated {a: 1, b^: 2}", "this is no YAML: mapping values are not allowed here; a text in which `: ` stands needs quotes"),
    (" {cartId: c1, value: 30, products: [{id: 7}]}", " ^{cartId: c1, value: 30, products: [{id: 7]}", "properties such as {cart_id: c1, value: 30} were expected: this is no YAML"),
    (" {cartId: c1, value: 30,", " ^{cartId: c1, value: 30, value: 31,", "properties such as {cart_id: c1, value: 30} were expected: 'value' stands here a second time"),
    ("14:05 cart_updated", '"14:05 scores_updated ^{ltv: [[1]]}"', "properties such as {cart_id: c1, value: 30} were expected: scores.ltv"),
    ("14:05 cart_updated", '"14:05 catalog ^{price: 5}"', "properties such as {cart_id: c1, value: 30} were expected: items[0].id: a text of 1 to 255 bytes"),
    ("timezone: Asia/Tokyo", "timezone: ^[Asia/Tokyo]", "unknown time zone ['Asia/Tokyo']"),
    ("email_opened e0", "email_opened ^e7", "unknown message 'e7': no line before says `email_sent e7`, and this trigger sends no template of that name."),
    ("email_opened e0", "sms_opened ^e0", "unknown message 'e0': no line before says `sms_sent e0`"),
    ("-1d email_opened e0", "-10d email_opened ^e0", "unknown message 'e0'"),
    ("email_clicked hello", "email_clicked ^helo", "unknown message 'helo': no line before says `email_sent helo`, and this trigger sends no template of that name. Did you mean 'hello'?"),
    ("08:30 email_sent e0", "08:30 email_opened ^hello", "unknown message 'hello'"),
    ("14:06 email_clicked hello", "^14:06 email_clicked", "of which message? `email_clicked NAME` says so"),
    ("14:07 opt_in_confirmed please_confirm", "^14:07 opt_in_confirmed", "of which message? `opt_in_confirmed NAME` says so"),
    ("Asia/Tokyo", "^Asia/Tokio", "unknown time zone 'Asia/Tokio'. Did you mean 'Asia/Tokyo'?"),
    ("{whatsapp:", "{^whatsap:", "unknown channel 'whatsap'. Did you mean 'whatsapp'?"),
    ("{whatsapp: +49 170 1234567", "{^push: token", "no server can vouch for a push_token yet, so push has none"),
    ("{whatsapp: +49 170 1234567", "{^webhook: here", "webhook needs no address"),
    ("+49 170 1234567", "^170 1234567", "an address of the kind phone was expected, found '170 1234567'"),
    ("email: Ana@Shop.Example", "sms: ^+49 170 9999999", "the person has one phone, and another channel says +491701234567"),
    ("{marketing: [email", "{^markting: [email", "unknown purpose 'markting'. Did you mean 'marketing'?"),
    ("[email, sms]", "[^emial, sms]", "unknown channel 'emial'. Did you mean 'email'?"),
    ("transactional: denied", "transactional: ^deneid", "`allowed`, `denied` or a list of channels was expected, found 'deneid'. Did you mean 'denied'?"),
    ("ltv: high", "ltv: ^hihg", "a number or a band was expected, found 'hihg'. Did you mean 'high'? Known: high"),
    ("score.next: later", "^next: later", "'next' is no score; one without bands is written score.next"),
    ("[warm]", "[^worm]", "unknown segment 'worm'. Did you mean 'warm'?"),
    ("arms: [long]", "arms: [^lang]", "unknown arm 'lang'. Did you mean 'long'? Known: long, short"),
    ("held_out: true", "held_out: ^maybe", "true or false was expected, found text"),
    ("{send: email,", "{send: ^emial,", "unknown channel 'emial'. Did you mean 'email'?"),
    ("{send: email,", "{send: ^sms,", "this trigger sends nothing on sms. Its channels: email, whatsapp"),
    ("template: please_confirm", "template: ^pleas_confirm", "unknown template 'pleas_confirm'. Did you mean 'please_confirm'?"),
    ('at: "14:05"', 'at: "^2 pm"', "a time such as `14:05`, `-3d` or `+2d 09:00` was expected, found '2 pm'"),
    ("times: 2", "times: ^0", "`times: 1` or more was expected, found 0"),
    ("times: 2", "times: ^twice", "a whole number was expected, found text"),
    ("{refused: consent}", "{refused: ^concent}", "unknown refusal 'concent'. Did you mean 'consent'?"),
    ("{refused: consent}", "{refused: consent, ^at: 14:05}", "`at` goes with `send`, not with refused"),
    ("{refused: consent}", "^{refused: consent, send: email}", "`send: CHANNEL`, `refused: REASON` or `nothing: true` was expected, found send and refused"),
    ("{refused: consent}", "^{times: 1}", "`send: CHANNEL`, `refused: REASON` or `nothing: true` was expected, found none of them"),
    ('- {send: email, at: "14:05", times: 2}\n      - {send: whatsapp, template: please_confirm}\n      - {refused: consent}', '^- {send: email, at: "14:05", times: 2}\n      - {send: whatsapp, template: please_confirm}\n      - {nothing: true}', "`nothing: true` stands beside a send; take one of them out"),
]  # fmt: skip


def problems(found: dict[str, str]) -> list[str]:
    with pytest.raises(WorkspaceError) as error:
        load(found, ADDRESSES)
    return [str(problem) for problem in error.value.problems]


@pytest.mark.parametrize(("old", "marked", "expected"), PLACES)
def test_a_mistake_is_named_at_its_place(old: str, marked: str, expected: str) -> None:
    """`^` marks the place."""
    assert old in TEST
    found = files(TEST.replace(old, marked, 1))
    lines = found["triggers/hello.yaml"].partition("^")[0].split("\n")
    found["triggers/hello.yaml"] = found["triggers/hello.yaml"].replace("^", "")
    said = [one.partition(" ")[::2] for one in problems(found)]
    place = f"triggers/hello.yaml:{len(lines)}:{len(lines[-1]) + 1}:"
    assert any(at == place and text.startswith(expected) for at, text in said), (place, said)


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (f"{TEST}  - {{name: one, expect: {{nothing: true}}}}\n", "34:12: a test of this trigger is called 'one' already"),
        ("  - {name: one, expect: []}\n", "13:25: what must come of it? `nothing: true` says"),
        ("  - {name: one}\n", "13:5: the key 'expect' is missing"),
        ("  - {expect: {nothing: true}}\n", "13:5: the key 'name' is missing"),
    ],
)  # fmt: skip
def test_a_test_says_its_name_and_what_must_come_of_it(test: str, expected: str) -> None:
    assert problems(files(test))[0].startswith(f"triggers/hello.yaml:{expected}")


def test_nobody_is_held_out_where_there_is_no_hold_out() -> None:
    [problem] = problems(files(trigger=TRIGGER.replace("holdout: 5%\n", "\n")))
    assert problem.endswith("this trigger has no `holdout`, so nobody is held out of it")


def test_a_changed_test_is_no_new_version_and_runs_go_on() -> None:
    shop = Shop(files(trigger=TRIGGER.replace("do:\n", "do:\n  - wait: 1d\n", 1)))
    shop.do("signed_up", user="ana")
    before = shop.engine.state.workspace
    shop.edit(triggers__hello=shop.files["triggers/hello.yaml"].replace("times: 2", "times: 3"))
    after = shop.engine.state.workspace
    assert before is not None
    assert after is not None
    assert before.cases != after.cases
    assert before.named == after.named
    assert not any(path.startswith(FOLDER) for path in shop.engine.state.files)


def test_a_former_trigger_outlives_what_its_tests_speak_of() -> None:
    shop = Shop(files(trigger=TRIGGER.replace("do:\n", "do:\n  - wait: 1d\n", 1)))
    shop.do("signed_up", user="ana")
    without = {path: text for path, text in GOOD.items() if not path.startswith("segments/")}
    now = without["triggers/hello.yaml"].replace("if:\n  - in_segment(warm)\n", "")
    shop.engine.adopt(without | {"triggers/hello.yaml": now})
    shop.run()
    [(_, run)] = shop.person("user_id:ana").runs()
    workspace = shop.engine.state.workspace
    assert workspace is not None
    assert workspace.trigger_of(run) is not None
    assert workspace.trigger_of(run) != workspace.named["hello"]
