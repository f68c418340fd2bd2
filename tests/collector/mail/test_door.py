"""Mail providers at the door: what they post becomes events of whose message it is."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from collector.application import Application
from collector.door import Door
from collector.fetching import Fetcher
from collector.handle import handle
from collector.keys import KeyRing
from collector.mailing import Mail, Mailbox
from collector.outcome import Accepted, Fetch, Outcome, Pause
from collector.request import Request, Response
from events.record import Event
from events.sealed import Seal, Sealed
from tests.collector.doubles import BROWSER_KEY, MemoryLog
from tests.collector.mail import topics
from tests.collector.mail.providers import SECRETS, WORDS, Happened, posts
from tests.collector.mail.stories import provider

NOW_MS = topics.NOW_MS
SEAL = Seal(bytes(range(32)))
OURS = Sealed("0b60e56f61c32cf0576db310533ef66b", "email", "news", "user_id:u1")
TOKEN = SEAL.close(OURS)
LINKS = [f"https://shop.example/{n}" for n in range(4)]


def door(*names: str) -> Door:
    boxes = {name: Mailbox(name, provider(name), SECRETS[name]) for name in names or SECRETS}
    return Door(KeyRing([BROWSER_KEY]), mail=Mail(boxes, SEAL))


def finished(
    answer: Outcome, now_ms: int = NOW_MS, found: bytes | None = None
) -> Accepted | Response:
    """Do what an answer takes: time passes, and `found` is at every address."""
    while True:
        match answer:
            case Pause(seconds=seconds, then=then):
                now_ms += int(seconds * 1000)
                answer = then(now_ms * 1000)
            case Fetch(then=then_with):
                answer = then_with(found, now_ms * 1000)
            case Response() | Accepted():
                return answer
            case _:
                raise AssertionError(answer)


def told(at: Door, calls: Sequence[Request], now_ms: int = NOW_MS) -> list[Event]:
    """Return the events that come of calls which are all there before the first one is judged."""
    answers = []
    for call in calls:
        answer = handle(call, at, now_ms * 1000)
        answers.append(answer.then(topics.PEM.encode(), now_ms * 1000)
                       if isinstance(answer, Fetch) else answer)  # fmt: skip
    events: list[Event] = []
    for answer in answers:
        done = finished(answer, now_ms, topics.PEM.encode())
        if isinstance(done, Response):
            assert done.status == 200, done
            continue
        done.settle(True)
        events += [one for one in done.records if isinstance(one, Event)]
    return events


@pytest.mark.parametrize("name", WORDS)
def test_a_providers_words_become_events_of_whom_the_message_went_to(name: str) -> None:
    happened = [Happened(kind, NOW_MS - 60_000, LINKS[0] if kind == "clicked" else "")
                for kind in ("delivered", "opened", "clicked")]  # fmt: skip
    spread = [one._replace(ms=one.ms + 10_000 * n) for n, one in enumerate(happened)]
    events = told(door(name), posts(name, spread, TOKEN, NOW_MS))
    assert [one.name for one in events] == ["email_delivered", "email_opened", "email_clicked"]
    assert {one.leaf for one in events} == {OURS.leaf}
    assert {one.properties["message"] for one in events} == {OURS.activation}
    assert {one.properties["purpose"] for one in events} == {"news"}
    assert not any(one.flags for one in events)
    assert events[2].properties["url"] == LINKS[0]
    assert [one.time - events[0].time for one in events] == [0, 10_000, 20_000]


@pytest.mark.parametrize("name", WORDS)
def test_all_links_fetched_within_two_seconds_of_delivery_are_a_machines(name: str) -> None:
    """The first as well as the last, and also where the delivery is told last."""
    delivered = Happened("delivered", NOW_MS - 60_000)
    clicks = [
        Happened("clicked", delivered.ms + 1_000 + 300 * n, url) for n, url in enumerate(LINKS)
    ]
    for story in ([delivered, *clicks], [*clicks, delivered]):
        events = told(door(name), posts(name, story, TOKEN, NOW_MS))
        clicked = [one for one in events if one.name == "email_clicked"]
        assert len(clicked) == len(LINKS)
        assert all(one.properties["machine"] is True for one in clicked)
        assert all(one.flags == ("machine",) for one in clicked)
        assert all(one.properties["machine_reason"] for one in clicked)


@pytest.mark.parametrize("name", WORDS)
def test_links_clicked_within_a_second_are_a_machines_also_where_nobody_knows_the_delivery(
    name: str,
) -> None:
    clicks = [Happened("clicked", NOW_MS - 30_000 + 200 * n, url) for n, url in enumerate(LINKS)]
    events = told(door(name), posts(name, clicks, TOKEN, NOW_MS))
    assert [one.properties.get("machine") for one in events] == [True] * len(LINKS)


@pytest.mark.parametrize("name", WORDS)
def test_a_person_who_takes_their_time_is_none(name: str) -> None:
    story = [
        Happened("delivered", NOW_MS - 600_000),
        Happened("clicked", NOW_MS - 300_000, LINKS[0]),
        Happened("clicked", NOW_MS - 299_500, LINKS[0]),  # a double click
        Happened("clicked", NOW_MS - 280_000, LINKS[1]),
    ]
    events = told(door(name), posts(name, story, TOKEN, NOW_MS))
    assert [one.flags for one in events if one.name == "email_clicked"] == [(), (), ()]


@pytest.mark.parametrize("name", WORDS)
def test_what_is_told_again_has_the_same_key(name: str) -> None:
    at, calls = door(name), posts(name, [Happened("delivered", NOW_MS - 5_000)], TOKEN, NOW_MS)
    first = told(at, calls)
    again = told(door(name), calls)
    assert [one.key for one in first] == [one.key for one in again]
    if name not in ("brevo", "postmark"):  # which sign nothing, so that nothing tells a replay
        assert told(at, calls) == []


def test_what_could_not_be_kept_is_taken_when_it_comes_again() -> None:
    at = door("mailgun")
    (call,) = posts("mailgun", [Happened("delivered", NOW_MS)], TOKEN, NOW_MS)
    first = handle(call, at, NOW_MS * 1000)
    assert isinstance(first, Accepted)
    busy = handle(call, at, NOW_MS * 1000)
    assert isinstance(busy, Response)
    assert busy.status == 503
    first.settle(False)
    assert isinstance(handle(call, at, NOW_MS * 1000), Accepted)


@pytest.mark.parametrize("name", WORDS)
def test_a_call_of_somebody_else_says_nothing(name: str) -> None:
    (call,) = posts(name, [Happened("delivered", NOW_MS)], TOKEN, NOW_MS)[:1]
    elsewhere = {
        "brevo": msgspec.structs.replace(call, headers={b"authorization": b"Bearer guess"}),
        "postmark": msgspec.structs.replace(call, headers={b"authorization": b"Basic dTpw0="}),
    }.get(name) or msgspec.structs.replace(call, body=call.body.replace(b"shop", b"sh0p"))
    if name == "mailgun":  # which signs no body
        elsewhere = msgspec.structs.replace(call, body=call.body.replace(b'"n', b'"m'))
    refused = finished(handle(elsewhere, door(name), NOW_MS * 1000), NOW_MS, topics.PEM.encode())
    assert isinstance(refused, Response)
    assert (refused.status, msgspec.json.decode(refused.body)["code"]) == (403, "webhook_refused")


def test_a_complaint_takes_consent_away_and_so_does_leaving() -> None:
    at = door("sendgrid")
    story = [Happened("complained", NOW_MS - 9_000), Happened("unsubscribed", NOW_MS - 5_000)]
    events = told(at, posts("sendgrid", story, TOKEN, NOW_MS))
    names = ["email_complained", "unsubscribed", "address_lost", "unsubscribed"]
    assert [one.name for one in events] == names
    for one in (events[1], events[3]):
        assert (one.properties["channel"], one.properties["purpose"]) == ("email", "news")
    lost = {"kind": "email", "address": "ana@shop.example", "reason": "complained"}
    assert events[2].properties == lost, "and nothing else is sent there"
    assert len({one.key for one in events}) == 4


def test_leaving_a_message_that_needs_no_consent_takes_that_for_marketing() -> None:
    token = SEAL.close(msgspec.structs.replace(OURS, purpose="transactional"))
    story = [Happened("unsubscribed", NOW_MS)]
    (left,) = told(door("mailgun"), posts("mailgun", story, token, NOW_MS))
    assert left.properties["purpose"] == "marketing"


def test_of_a_message_from_elsewhere_it_is_whoever_has_the_address() -> None:
    for token in ("", "s-77", Seal(bytes(32)).close(OURS)):
        story = [Happened("unsubscribed", NOW_MS)]
        (left,) = told(door("mailgun"), posts("mailgun", story, token, NOW_MS, "Ana@Shop.example"))
        assert left.leaf == "email:ana@shop.example"
        assert "message" not in left.properties


def test_what_nobody_can_be_named_for_is_counted() -> None:
    (call,) = posts("mailgun", [Happened("delivered", NOW_MS)], "", NOW_MS, "nobody")
    answer = handle(call, door("mailgun"), NOW_MS * 1000)
    assert isinstance(answer, Response)
    assert msgspec.json.decode(answer.body)["unknown"] == 1


def test_that_it_was_sent_is_one_event_whoever_says_so() -> None:
    (sent,) = told(door(), posts("sendgrid", [Happened("sent", NOW_MS)], TOKEN, NOW_MS))
    assert (sent.name, sent.source) == ("email_sent", "kairos:worker")
    assert sent.message_id == f"{OURS.activation}/sent"


def test_a_time_to_come_is_now() -> None:
    (opened,) = told(
        door("brevo"), posts("brevo", [Happened("opened", NOW_MS + 10**9)], TOKEN, NOW_MS)
    )
    assert opened.time <= NOW_MS + 2_000


def test_a_provider_that_is_not_set_up_is_not_there() -> None:
    (call,) = posts("brevo", [Happened("opened", NOW_MS)], TOKEN, NOW_MS)
    for path in ("/v1/mail/brevo", "/v1/mail/", "/v1/mail/../keys", "/v1/mail/base"):
        answer = handle(msgspec.structs.replace(call, path=path), door("ses"), NOW_MS * 1000)
        assert isinstance(answer, Response)
        assert answer.status == 404


def test_a_get_never_unsubscribes() -> None:
    """Whoever scans a mail or a page fetches every address in it, and means nothing by that."""
    at = door()
    auth = {b"authorization": b"Bearer BROWSER_KEY"}
    paths = ["/pixel/v1/track", "/pixel/v1/page", "/v1/track", "/v1/batch", "/v1/t"]
    paths += [f"/v1/mail/{name}" for name in SECRETS]
    for path in paths:
        for name in ("unsubscribed", "Unsubscribed", "consent_updated", "Consent Updated"):
            query = f"writeKey=BROWSER_KEY&userId=u1&anonymousId=a1&event={name}".replace(" ", "+")
            for method in ("GET", "HEAD", "OPTIONS"):
                asked = Request(method, path, query.encode(), auth)
                done = handle(asked, at, NOW_MS * 1000)
                records = done.records if isinstance(done, Accepted) else ()
                assert not any(getattr(r, "name", "") in ("unsubscribed", "consent_updated")
                               for r in records)  # fmt: skip
                if path == "/pixel/v1/track" and method == "GET":
                    assert isinstance(done, Response)
                    assert done.status == 400


def test_the_certificate_is_fetched_once_and_the_subscription_confirmed(
    httpserver: HTTPServer,
) -> None:
    pem = httpserver.expect_request("/SimpleNotificationService-0123abcd.pem")
    pem.respond_with_data(topics.PEM)
    asking = topics.envelope(
        "You have chosen",
        Type="SubscriptionConfirmation",
        Token="t",
        SubscribeURL="https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=t",
    )
    names = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
    confirming = topics.posted(asking, *names).body
    yes = httpserver.expect_request("/", query_string="Action=ConfirmSubscription&Token=t")
    yes.respond_with_data("<ok/>")
    bodies = [call.body for n in range(3)
              for call in posts("ses", [Happened("delivered", NOW_MS + n)], TOKEN, NOW_MS)]  # fmt: skip

    async def go() -> list[int]:
        log = MemoryLog()
        fetcher = Fetcher(httpserver.url_for("").rstrip("/"))
        app = Application(door("ses"), log, fetcher=fetcher, now_us=lambda: NOW_MS * 1000)
        asked = [Request("POST", "/v1/mail/ses", body=body) for body in (*bodies, confirming)]
        said = [await app.answer(one) for one in asked]
        await app.close()
        assert [r.name for r in log.records if isinstance(r, Event)] == ["email_delivered"] * 3
        return [answer.status for answer in said]

    assert asyncio.run(go()) == [200, 200, 200, 200]
    asked = [request.path for request, _ in httpserver.log]
    assert asked == ["/SimpleNotificationService-0123abcd.pem", "/"]


@given(st.binary(max_size=400), st.sampled_from(sorted(SECRETS)))
def test_whatever_is_posted_is_answered(body: bytes, name: str) -> None:
    headers = {b"authorization": b"Bearer b-secret"}
    asked = Request("POST", f"/v1/mail/{name}", b"", headers, body)
    done = finished(handle(asked, door(name), NOW_MS * 1000))
    assert isinstance(done, Response)
    assert done.status in (200, 400, 403)


@pytest.mark.parametrize(("word", "lost"), [("hard_bounce", True), ("soft_bounce", False)])
def test_an_address_that_bounced_for_good_is_lost(word: str, lost: bool) -> None:
    (call,) = posts("brevo", [Happened("delivered", NOW_MS)], TOKEN, NOW_MS)
    bounced = msgspec.structs.replace(call, body=call.body.replace(b"delivered", word.encode()))
    events = told(door("brevo"), [bounced])
    assert [one.name for one in events] == ["email_bounced", *(["address_lost"] if lost else [])]
    assert {one.leaf for one in events} == {OURS.leaf}
