"""What providers tell beside the story: every word they have, and their oddities."""

import json
from typing import Any

import pytest

from collector.mail import brevo, mailgun, postmark, sendgrid, ses
from collector.mail.base import Confirmation, Meaning, Reading, Refused, Told
from kairos.discovery import found_in
from tests.collector.mail import topics

AT = "2026-11-24T06:00:00Z"
AT_MS = 1_795_500_000_000


def read(module: Any, body: Any) -> Reading:
    reading = module.read(json.dumps(body).encode())
    assert isinstance(reading, Reading), reading
    return reading


def one(module: Any, body: Any) -> Told:
    (told,) = read(module, body).told
    return told


def sendgrid_event(event: str, **fields: Any) -> dict[str, Any]:
    return {"event": event, "timestamp": AT_MS // 1000, "email": "ana@shop.example", **fields}


def mailgun_body(event: str, signature: Any = None, **fields: Any) -> Any:
    signed = signature or {"timestamp": "1", "token": "t", "signature": "s"}
    data = {"event": event, "timestamp": AT_MS / 1000, "recipient": "ana@shop.example", **fields}
    return {"signature": signed, "event-data": data}


def postmark_body(kind: str, **fields: Any) -> dict[str, Any]:
    times = dict.fromkeys(("DeliveredAt", "ReceivedAt", "BouncedAt", "ChangedAt"), AT)
    return {"RecordType": kind, "Recipient": "ana@shop.example", **times, **fields}


def brevo_body(event: str, **fields: Any) -> dict[str, Any]:
    return {"event": event, "email": "ana@shop.example", "ts_epoch": AT_MS, **fields}


def ses_body(kind: str, **fields: Any) -> dict[str, Any]:
    return topics.envelope(topics.event(kind, **fields), Signature="s")


def topic(name: str, *, out: bool) -> dict[str, str]:
    return {"topicName": name, "subscriptionStatus": "OptOut" if out else "OptIn"}


def preferences(which: str, *, everything: bool, **out: bool) -> dict[str, Any]:
    listed = [topic(name, out=is_out) for name, is_out in out.items()]
    said = {"unsubscribeAll": everything, "topicSubscriptionStatus": listed}
    return {f"{which}TopicPreferences": said}


def saying(name: str, what: str) -> Any:
    """The smallest body that says a word of a provider's EVENTS."""
    event, _, more = what.partition(" ")
    match name:
        case "sendgrid":
            return [sendgrid_event(event, type=more or None)]
        case "brevo":
            return brevo_body(event)
        case "mailgun":
            reason = {"suppressed": "suppress-bounce", "soft": "old"}.get(more, "bounce")
            lasting = "temporary" if more == "temporary" else "permanent"
            return mailgun_body(event, severity=lasting, reason=reason)
        case "postmark":
            lifted = more == "lifted"
            return postmark_body(
                event, Type=more, SuppressSending=not lifted, SuppressionReason=more
            )
    if what == "Rendering Failure":
        return ses_body(what, failure={"errorMessage": "no name"})
    if event == "Subscription":
        leaves = more == "out"
        both = preferences("new", everything=leaves) | preferences("old", everything=not leaves)
        return ses_body(event, subscription=both)
    kind = {"subBounceType": "", "bounceType": more, "bounceSubType": "General"}
    if more == "suppressed":
        kind = {"bounceSubType": "Suppressed", "complaintSubType": "OnAccountSuppressionList"}
    own = {"Delivery": "delivery", "DeliveryDelay": "deliveryDelay"}.get(event, event.lower())
    return ses_body(event, **({} if event == "Send" else {own: kind}))


@pytest.mark.parametrize(
    ("name", "what", "meaning"),
    [
        (name, what, meaning)
        for name, module in found_in("collector.mail").items()
        for what, meaning in module.EVENTS.items()
    ],
)
def test_every_word_becomes_what_the_table_says(name: str, what: str, meaning: Meaning) -> None:
    told = one(found_in("collector.mail")[name], saying(name, what))
    assert (told.kind, told.permanent, told.machine) == (
        meaning.kind,
        meaning.permanent,
        meaning.machine,
    )
    assert (told.time_ms, told.address) == (AT_MS, "ana@shop.example")


@pytest.mark.parametrize("name", found_in("collector.mail"))
def test_a_word_that_nobody_knows_is_counted_and_no_fault(name: str) -> None:
    if name == "sendgrid":
        body: Any = [sendgrid_event("teleported"), sendgrid_event("open")]
    else:
        body = saying(name, "teleported")
    reading = read(found_in("collector.mail")[name], body)
    assert reading.ignored == ("teleported",)
    assert reading.malformed == ()
    assert len(reading.told) == (name == "sendgrid")


# SendGrid


def test_one_malformed_event_takes_none_with_it() -> None:
    good = json.dumps(sendgrid_event("open"))
    bad = [
        "7",
        "{}",
        '{"event":7,"timestamp":1}',
        '{"event":"open","timestamp":"soon"}',
        '{"event":"open"}',
        '{"event":"open","timestamp":1e300}',
    ]
    body = f"[{good},{','.join(bad)},{good}]".encode()
    reading = sendgrid.read(body)
    assert isinstance(reading, Reading)
    assert len(reading.told) == 2
    assert [why.partition(":")[0] for why in reading.malformed] == [
        f"event {n}" for n in range(1, len(bad) + 1)
    ]


def test_half_an_emoji_costs_a_character_and_no_event() -> None:
    good = json.dumps(sendgrid_event("open"))
    cut = '{"event":"bounce","timestamp":1795500000,"email":"a@b","reason":"no \\ud83d"}'
    reading = sendgrid.read(f"[{good},{cut}]".encode())
    assert isinstance(reading, Reading)
    assert [t.detail for t in reading.told] == ["", "no ?"]
    single = brevo.read(cut.replace("bounce", "spam").replace("timestamp", "ts_epoch").encode())
    assert isinstance(single, Reading)
    assert len(single.told) == 1
    assert isinstance(sendgrid.read(f"[{good},{cut},NaN]".encode()), Refused)


def test_of_two_equal_keys_the_last_counts_for_all_readers() -> None:
    body = b'{"event":"spam","event":"opened","ts_epoch":1795500000000}'
    reading = brevo.read(body)
    assert isinstance(reading, Reading)
    assert [t.kind for t in reading.told] == ["opened"]


def test_a_call_of_too_many_events_is_refused() -> None:
    assert isinstance(sendgrid.read(b"[" + b"1," * 10_000 + b"1]"), Refused)


def test_an_event_without_an_id_is_told_again_under_the_same_name() -> None:
    event = sendgrid_event("click", url="https://shop.example/a")
    other = sendgrid_event("click", url="https://shop.example/b")
    first, again = one(sendgrid, [event]), one(sendgrid, [dict(reversed(event.items()))])
    assert first.id == again.id != one(sendgrid, [other]).id


@pytest.mark.parametrize(
    ("flag", "machine"), [(True, True), (False, False), (None, None), ("true", None), (1, None)]
)
def test_sendgrids_flag_is_taken_for_what_it_is(flag: Any, machine: bool | None) -> None:
    assert one(sendgrid, [sendgrid_event("open", sg_machine_open=flag)]).machine is machine
    assert one(sendgrid, [sendgrid_event("click", sg_machine_open=flag)]).machine is None


def test_leaving_a_group_says_which() -> None:
    told = one(sendgrid, [sendgrid_event("group_unsubscribe", asm_group_id=12)])
    assert told.detail == "group 12"


# Mailgun


def test_a_call_that_is_signed_anew_tells_the_same() -> None:
    signed = {"timestamp": "2", "token": "u", "signature": "r"}
    first = mailgun_body("opened", id="abc")
    assert one(mailgun, first).id == one(mailgun, mailgun_body("opened", signed, id="abc")).id


def test_mailguns_ids_are_those_of_a_day() -> None:
    today = mailgun_body("opened", id="abc")
    later = mailgun_body("opened", id="abc", timestamp=AT_MS / 1000 + 86_400)
    assert one(mailgun, today).id != one(mailgun, later).id


def test_a_soft_bounce_for_good_leaves_the_address_good() -> None:
    status = {"bounce-type": "soft", "message": "mailbox full", "code": 552}
    body = mailgun_body(
        "failed", severity="permanent", reason="bounce", **{"delivery-status": status}
    )
    told = one(mailgun, body)
    assert (told.kind, told.permanent, told.detail) == ("bounced", False, "bounce, mailbox full")


@pytest.mark.parametrize("info", [None, 7, [], {}, {"bot": None}, {"bot": 1}])
def test_without_mailguns_word_nobody_knows_who_it_was(info: Any) -> None:
    told = one(mailgun, mailgun_body("clicked", **{"client-info": info}))
    assert (told.machine, told.reason) == (None, "")


# Postmark


@pytest.mark.parametrize(
    "sent",
    ["2026-11-24T06:00:00.0000001Z", "2026-11-24T01:00:00-05:00", "2026-11-24T06:00:00"],
)
def test_postmarks_times_are_read_in_all_their_forms(sent: str) -> None:
    assert one(postmark, postmark_body("Open", ReceivedAt=sent)).time_ms == AT_MS


@pytest.mark.parametrize("reason", ["HardBounce", "SpamComplaint"])
def test_a_suppression_that_has_a_record_of_its_own_is_told_once(reason: str) -> None:
    body = postmark_body("SubscriptionChange", SuppressSending=True, SuppressionReason=reason)
    assert read(postmark, body).ignored == (f"SubscriptionChange {reason}",)


@pytest.mark.parametrize("kind", ["AutoResponder", "AddressChange", "ChallengeVerification"])
def test_other_peoples_machines_are_no_bounce(kind: str) -> None:
    assert read(postmark, postmark_body("Bounce", Type=kind)).told == ()


def test_a_record_takes_the_time_that_is_its_own() -> None:
    body = postmark_body("Delivery", DeliveredAt="2026-11-24T06:00:40Z")
    assert one(postmark, body).time_ms == AT_MS + 40_000
    assert read(postmark, {**body, "DeliveredAt": None}).malformed


# SES


def test_each_recipient_of_a_bounce_is_told() -> None:
    bounced = [
        {"emailAddress": "a@shop.example", "status": "5.1.1", "diagnosticCode": "smtp; 550"},
        {"emailAddress": "b@shop.example"},
    ]
    own = {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": bounced}
    told = read(ses, ses_body("Bounce", bounce=own)).told
    assert [(t.address, t.detail) for t in told] == [
        ("a@shop.example", "5.1.1, smtp; 550"),
        ("b@shop.example", "General"),
    ]
    assert len({t.id for t in told}) == 2


def test_of_several_recipients_ses_cannot_tell_who_opened() -> None:
    mail = {"destination": ["a@shop.example", "b@shop.example"]}
    (told,) = read(ses, ses_body("Open", open={"timestamp": AT}, mail=mail)).told
    assert told.address == ""
    assert [t.address for t in read(ses, ses_body("Send", mail=mail)).told] == mail["destination"]


def test_the_older_notifications_are_read_too() -> None:
    event = topics.event("x", delivery={"timestamp": AT, "recipients": ["a@shop.example"]})
    del event["eventType"]
    event["notificationType"] = "Delivery"
    told = one(ses, topics.envelope(event, Signature="s"))
    assert (told.kind, told.address) == ("delivered", "a@shop.example")


def test_who_takes_a_message_out_of_spam_does_not_complain() -> None:
    body = ses_body("Complaint", complaint={"timestamp": AT, "complaintFeedbackType": "not-spam"})
    assert read(ses, body).ignored == ("Complaint not-spam",)


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ({"everything": False}, {"everything": True}, "unsubscribed"),
        ({"everything": True}, {"everything": False}, "resubscribed"),
        ({"everything": False, "a": False}, {"everything": False, "a": True}, "unsubscribed"),
        ({"everything": False, "a": True}, {"everything": False, "a": False}, "resubscribed"),
        (
            {"everything": False, "a": True, "b": False},
            {"everything": False, "a": False, "b": True},
            "unsubscribed",  # of both at once, the one that asks for less
        ),
        ({"everything": False, "a": True}, {"everything": False, "a": True}, None),
    ],
)
def test_a_change_of_preferences_is_leaving_or_coming_back(
    old: dict[str, bool], new: dict[str, bool], kind: str | None
) -> None:
    own = preferences("old", **old) | preferences("new", **new) | {"timestamp": AT}
    told = read(ses, ses_body("Subscription", subscription=own)).told
    assert [t.kind for t in told] == ([kind] if kind else [])


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.example/?Action=ConfirmSubscription",
        "http://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription",
        "https://sns.eu-central-1.amazonaws.com/?Action=DeleteTopic",
        "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Action=DeleteTopic",
        "https://sns.eu-central-1.amazonaws.com/other?Action=ConfirmSubscription",
        "https://sns.eu-central-1.amazonaws.com/",
        "",
        None,
    ],
)
def test_only_sns_is_asked_to_confirm_and_only_that(place: str | None) -> None:
    asking = topics.envelope(Type="SubscriptionConfirmation", Token="t", Signature="s")
    refused = ses.read(json.dumps(asking | {"SubscribeURL": place}).encode())
    assert isinstance(refused, Refused)


def test_a_subscription_is_confirmed_and_its_end_ignored() -> None:
    place = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"
    asking = topics.envelope(Token="t", SubscribeURL=place)
    names = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
    for kind in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        call = topics.posted({**asking, "Type": kind}, *names)
        done = ses.verify(call, topics.trusting(), topics.NOW_MS)
        assert not isinstance(done, Refused)
        if kind == "SubscriptionConfirmation":
            assert ses.read(call.body) == Confirmation(place)
        else:
            assert ses.read(call.body) == Reading(ignored=(kind,))


# Brevo


def test_brevos_time_is_read_in_seconds_and_milliseconds() -> None:
    for sent in (AT_MS, AT_MS // 1000, str(AT_MS)):
        assert one(brevo, brevo_body("opened", ts_epoch=sent)).time_ms == AT_MS


def test_brevos_date_is_not_trusted() -> None:
    local = {"date": "2026-11-24 07:00:00", "ts_epoch": None}
    assert read(brevo, brevo_body("opened", **local)).malformed
    assert one(brevo, brevo_body("opened", **local, ts_event=AT_MS // 1000)).time_ms == AT_MS


@pytest.mark.parametrize(
    ("custom", "token"),
    [
        ('{"send_id": "s-77"}', "s-77"),
        ('{"kairos_token": "k-1", "send_id": "s-77"}', "k-1"),
        ('{"kairos_token": 7, "send_id": "s-77"}', "s-77"),
        ("s-77", ""),
        ("[" * 100_000, ""),
        ("\u2028", ""),
        ({"send_id": "s-77"}, ""),
        (None, ""),
    ],
)
def test_our_token_is_found_in_brevos_header(custom: Any, token: str) -> None:
    assert one(brevo, brevo_body("opened", **{"X-Mailin-custom": custom})).token == token
