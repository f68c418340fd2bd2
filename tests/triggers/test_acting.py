"""Steps that tell systems something, offers, and double opt-in."""

import json

import pytest

from channels.delivery.templates import filled
from collector.door import Door
from collector.handle import handle
from collector.keys import KeyRing, create
from collector.outcome import Accepted
from collector.request import Request
from events.record import VERIFIED, DeadLetter
from tests.shop import ADDRESSES, DAY, HOUR, MINUTE, WORKSPACE, Shop
from triggers.load import load
from triggers.problems import WorkspaceError

PURPOSE = "deliver: {purpose: product}"


def journey(*steps: str, rest: str = "", name: str = "it") -> dict[str, str]:
    lines = "\n  - ".join(("", *steps))
    text = f"trigger: {name}\nwhen: {{event: signed_up}}\n{rest}\ndo:{lines}\n{PURPOSE}\n"
    return {f"triggers/{name}.yaml": text}


CRM = """crm: {system: salesforce, task: "Call {{ first_name | default: 'them' }}, {{ rfm.value }}", due: 2d, fields: [plan, ltv]}"""


def test_a_crm_is_told_a_task_with_the_facts_that_it_names() -> None:
    shop = Shop(journey(CRM, "send: {channels: [webhook]}"))
    shop.know("u1", plan="pro", shoe_size=40)
    shop.score("u1", ltv=120, rfm={"value": 5})
    decided = shop.now
    shop.do("signed_up", user="u1", via="ad")
    told, sent = shop.sent
    assert (told.channel, told.address, told.event) == ("salesforce", None, {"via": "ad"})
    assert told.facts == {"plan": "pro", "ltv": 120, "rfm": {"value": 5}}
    assert filled(told) == {"task": "Call them, 5", "due": decided + 2 * DAY}
    assert sent.channel == "webhook", "the run goes on"


def test_systems_are_told_whatever_consent_and_hour_but_not_of_who_is_held_out() -> None:
    night = WORKSPACE + "quiet_hours: 00:01-23:59\n"
    files = journey("webhook: {fields: [plan], body: {note: hi}}", rest="holdout: 50%")
    shop = Shop(files, workspace=night)
    for n in range(40):
        shop.do("signed_up", user=f"u{n}")
    assert len(shop.sent) == 40 - shop.count("held_out:it")
    assert 8 < len(shop.sent) < 32
    assert shop.refusals("it").count("refused:holdout") == shop.count("held_out:it")
    assert {one.content["note"] for one in shop.sent} == {"hi"}


@pytest.mark.parametrize("status", ["shadow", "paused"])
def test_a_trigger_that_only_decides_tells_nobody(status: str) -> None:
    shop = Shop(journey(CRM))
    shop.edit(triggers__it=journey(CRM, rest=f"status: {status}")["triggers/it.yaml"])
    shop.do("signed_up", user="u1")
    assert not shop.sent
    assert shop.refusals("it") == ["shadow:" if status == "shadow" else "ignored:paused"]


OFFERS = """
offers:
  vip_20: {label: 20% for you, if: [ltv >= 100]}
  spring_10: {label: 10% in spring, until: 2026-03-02}
  always_5: {label: 5%}
"""
WITH_OFFERS = WORKSPACE + "offers: offers.yaml\n"
MAIL = "---\nsubject: Hi\n---\n{{ offer.label }}{{ offer }}"


def with_offers(*steps: str, rest: str = "reentry: always") -> Shop:
    files = {"offers.yaml": OFFERS, "templates/mail.log.liquid": MAIL}
    return Shop(files | journey(*steps, rest=rest), workspace=WITH_OFFERS)


def test_the_next_best_offer_is_what_the_score_names_if_the_person_may_have_it() -> None:
    shop = with_offers("send: {channels: [log], template: mail, offer: next_best}")
    shop.do("signed_up", user="u1")
    shop.score("u1", next_best="always_5")
    shop.do("signed_up", user="u1")
    shop.score("u1", next_best="vip_20")
    shop.do("signed_up", user="u1")
    shop.score("u1", ltv=100)
    shop.do("signed_up", user="u1")
    shop.score("u1", next_best="spring_10")
    shop.wait(DAY)
    shop.do("signed_up", user="u1")
    names = [one.facts["offer"]["name"] for one in shop.sent]
    assert names == ["spring_10", "always_5", "spring_10", "vip_20", "vip_20"]
    assert shop.sent[1].facts["offer"]["label"] == "5%"


def test_an_offer_that_the_person_may_not_have_is_no_message() -> None:
    shop = with_offers(
        "send: {channels: [log], template: mail, offer: vip_20}",
        'send: {channels: [log], template: mail, offer: "7%"}',
    )
    shop.do("signed_up", user="u1")
    assert [one.facts["offer"] for one in shop.sent] == ["7%"]
    assert shop.refusals("it")[0] == "refused:no_offer"


def test_a_chosen_offer_stays_that_of_all_messages_behind_it() -> None:
    shop = with_offers(
        "offer: next_best",
        "send: {channels: [log], template: mail}",
        "wait: 2d",
        "send: {channels: [log], template: mail}",
        "send: {channels: [webhook]}",
    )
    shop.do("signed_up", user="u1", via="ad")
    shop.open()
    shop.score("u1", next_best="always_5")
    shop.wait(3 * DAY)
    first, second, third = shop.sent
    assert (
        first.facts["offer"]
        == second.facts["offer"]
        == {"name": "spring_10", "label": "10% in spring"}
    )
    assert third.event == {"via": "ad"}


ASK = "opt_in: {channel: email, purpose: marketing, template: please, within: 3d, then: [{send: {channels: [email], template: hello, purpose: marketing}}], else: [{send: {channels: [log]}}]}"
PLEASE = {
    "templates/please.liquid": "---\nsubject: Yes?\npurpose: transactional\n---\nReally?",
    "templates/hello.liquid": "---\nsubject: Hi\n---\nHi",
}


def asked(shop: Shop, user: str = "u1") -> str:
    """Somebody claims an address and signs up; returns the question's id."""
    shop.do("identify", user=user, traits={"email": f"{user}@shop.example"})
    shop.do("signed_up", user=user)
    question = shop.sent[-1]
    assert (question.address, question.purpose) == (f"{user}@shop.example", "transactional")
    assert question.content == {"opt_in": "marketing"}
    return question.id


def test_a_claimed_address_is_asked_once_and_gets_mail_only_after_a_yes() -> None:
    shop = Shop(
        journey(ASK) | PLEASE | journey("send: {channels: [email], template: hello}", name="other")
    )
    question = asked(shop)
    assert len(shop.sent) == 1, "nothing else is sent to a claimed address"
    shop.wait(DAY)
    shop.open()
    shop.do("opt_in_confirmed", user="u1", message="another", trust=VERIFIED)
    assert len(shop.sent) == 1
    shop.do("opt_in_confirmed", user="u1", message=question, trust=VERIFIED)
    shop.wait(MINUTE)
    hello = shop.sent[-1]
    assert (hello.template, hello.address, hello.purpose) == (
        "hello",
        "u1@shop.example",
        "marketing",
    )
    person = shop.person("user_id:u1")
    assert person.view.addresses.keys() == {"email:u1@shop.example"}
    shop.do("opt_in_confirmed", user="u1", message=question, trust=VERIFIED)
    shop.wait(4 * DAY)
    assert len(shop.sent) == 2, "once"


def test_who_does_not_answer_in_time_or_claims_no_address_gets_nothing() -> None:
    shop = Shop(journey(ASK) | PLEASE)
    question = asked(shop)
    shop.wait(3 * DAY + HOUR)
    assert shop.sent[-1].channel == "log"
    shop.do("opt_in_confirmed", user="u1", message=question, trust=VERIFIED)
    shop.wait(HOUR)
    assert len(shop.sent) == 2
    assert not shop.person("user_id:u1").view.addresses
    shop.do("signed_up", user="u2")
    assert shop.refusals("it")[-3:] == ["refused:no_address", "went:0.else", "sent:log"]


def test_what_was_confirmed_is_the_address_that_was_asked_whatever_is_claimed_since() -> None:
    shop = Shop(journey(ASK) | PLEASE)
    question = asked(shop)
    shop.do("identify", user="u1", traits={"email": "mallory@evil.example"})
    shop.do("opt_in_confirmed", user="u1", message=question, trust=VERIFIED)
    shop.wait(MINUTE)
    assert shop.sent[-1].address == "u1@shop.example"


def test_who_allows_it_already_at_a_verified_address_is_not_asked() -> None:
    shop = Shop(journey(ASK) | PLEASE)
    shop.know("u1", email="u1@shop.example")
    shop.allow("u1")
    shop.do("signed_up", user="u1")
    [hello] = shop.sent
    assert hello.template == "hello"


def test_a_browser_cannot_confirm() -> None:
    text, key = create("browser", "web", "2026-11-25T00:00:00Z")
    body = {"event": "Opt-in Confirmed", "userId": "u1", "properties": {"message": "m"}}
    auth = {b"authorization": b"Bearer " + text.encode()}
    request = Request("POST", "/v1/track", b"", auth, json.dumps(body).encode())
    done = handle(request, Door(KeyRing([key])), 10**15)
    assert isinstance(done, Accepted)
    assert done.response.status == 403
    assert isinstance(done.records[0], DeadLetter)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("crm: {system: pipedrive, task: x}", "unknown channel 'pipedrive'"),
        ("crm: {system: hubspot}", "what shall the CRM do?"),
        ("crm: {system: hubspot, upsert: contact, due: 2d}", "`due` goes with a `task`"),
        ('crm: {system: hubspot, task: "{{ a", due: 2d}', "is not closed"),
        ('crm: {system: hubspot, task: "{{ unsubscribe_url }}"}', "a system is told none"),
        (
            "send: {channels: [log], offer: spring}",
            "unknown offer 'spring'. Did you mean 'spring_10'?",
        ),
        ("send: {channels: [log], template: mail}", "the template speaks of an {{ offer }}"),
        (
            "opt_in: {channel: webhook, purpose: marketing, template: please}",
            "nobody can claim an address",
        ),
        ("opt_in: {channel: email, purpose: x, template: please}", "unknown purpose 'x'"),
        ("opt_in: {channel: email, purpose: marketing, template: hello}", "go together"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_stands(step: str, message: str) -> None:
    files = {
        "workspace.yaml": WITH_OFFERS,
        "offers.yaml": OFFERS,
        "templates/mail.log.liquid": MAIL,
    }
    with pytest.raises(WorkspaceError) as error:
        load(files | PLEASE | journey(step), ADDRESSES)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("offers", "message"),
    [
        ("offers: {next_best: {label: x}}", "a name such as spring_10 was expected"),
        ("offers: {a: {until: soon}}", "a date such as 2026-12-31 was expected, found 'soon'"),
        ("offers: {a: {if: [event.x = 1]}}", "a segment has no event"),
        ("offers: {a: {label: [x]}}", "a text was expected"),
    ],
)
def test_an_offer_that_makes_no_sense_is_refused(offers: str, message: str) -> None:
    with pytest.raises(WorkspaceError) as error:
        load({"workspace.yaml": WITH_OFFERS, "offers.yaml": offers}, ADDRESSES)
    assert message in str(error.value)
    assert "offers.yaml:1:" in str(error.value)
