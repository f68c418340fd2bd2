"""What is signed is what is taken: nothing else passes, and each of it once."""

import json
from base64 import b64decode, b64encode
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509 import load_pem_x509_certificate

from collector.mail.base import Refused, Replays, Secret, Verified, Wanted
from collector.request import Request
from tests.collector.mail import arithmetic, topics
from tests.collector.mail.stories import FILES, calls, provider, secret, signed_ms

MINUTE = 60_000
NAMES = (
    "Message",
    "MessageId",
    "Subject",
    "SubscribeURL",
    "Timestamp",
    "Token",
    "TopicArn",
    "Type",
)
SIGNED = ("mailgun", "sendgrid", "ses")
SHORT = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - to be refused
UNSIGNED = ("brevo", "postmark")
STAMP = b"x-twilio-email-event-webhook-timestamp"
SIGNATURE = b"x-twilio-email-event-webhook-signature"


def asked(name: str, call: Request, known: Secret | None = None, late: int = 0) -> Any:
    known = secret(name) if known is None else known
    return provider(name).verify(call, known, signed_ms(name, call) + late)


def with_body(call: Request, body: bytes) -> Request:
    return msgspec.structs.replace(call, body=body)


def with_header(call: Request, name: bytes, value: bytes) -> Request:
    return msgspec.structs.replace(call, headers={**call.headers, name: value})


def changed(call: Request, *path: str, to: Any) -> Request:
    """The call with one field of its body changed."""
    body = json.loads(call.body)
    at = body
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = to
    return with_body(call, json.dumps(body).encode())


# The fixtures, computed again without the library


def test_sendgrids_signature_holds_by_the_formulas_alone() -> None:
    (call,) = calls("sendgrid")
    signature = b64decode(call.headers[SIGNATURE])
    key = secret("sendgrid").public_key
    assert arithmetic.ecdsa_holds(key, signature, call.headers[STAMP] + call.body)
    assert not arithmetic.ecdsa_holds(key, signature, call.headers[STAMP] + call.body.strip())


def test_mailguns_signatures_hold_by_the_formulas_alone() -> None:
    for call in calls("mailgun"):
        sent = json.loads(call.body)["signature"]
        key = secret("mailgun").signing_key.encode()
        signed = sent["timestamp"] + sent["token"]
        assert arithmetic.hmac_sha256(key, signed.encode()) == sent["signature"]


@pytest.mark.parametrize("version", ["1", "2"])
def test_sns_signatures_hold_by_the_formulas_alone(version: str) -> None:
    call = topics.posted(topics.envelope(SignatureVersion=version, Subject="Hi"))
    body = json.loads(call.body)
    lines = (
        f"Message\nhello\nMessageId\n{body['MessageId']}\nSubject\nHi\n"
        f"Timestamp\n{body['Timestamp']}\nTopicArn\n{topics.ARN}\nType\nNotification\n"
    )
    public = topics.KEY.public_key().public_numbers()
    signature = b64decode(body["Signature"])
    assert arithmetic.rsa_holds(public.n, public.e, signature, lines.encode(), version)
    assert isinstance(asked("ses", call, topics.trusting()), Verified)


def test_the_signatures_of_the_sns_fixture_hold_by_the_formulas_alone() -> None:
    key = load_pem_x509_certificate(secret("ses").certificate.encode()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    public = key.public_numbers()
    for call in calls("ses"):
        body = json.loads(call.body)
        lines = "".join(f"{name}\n{body[name]}\n" for name in NAMES if name in body)
        signature = b64decode(body["Signature"])
        assert arithmetic.rsa_holds(public.n, public.e, signature, lines.encode(), "2")


# What is changed is refused


def test_a_changed_body_is_refused_where_the_body_is_signed() -> None:
    (call,) = calls("sendgrid")
    for body in (
        call.body.replace(b"ana", b"eve", 1),
        call.body.rstrip(),  # the last line break is signed too
        call.body + b" ",
        b"",
    ):
        assert isinstance(asked("sendgrid", with_body(call, body)), Refused)


@pytest.mark.parametrize("name", ["Message", "MessageId", "Subject", "Type", "TopicArn"])
def test_a_changed_field_of_an_envelope_is_refused(name: str) -> None:
    known = topics.trusting()
    call = topics.posted(topics.envelope(Subject="Hi"))
    assert isinstance(asked("ses", call, known), Verified)
    assert isinstance(asked("ses", changed(call, name, to="other"), known), Refused)


def test_a_subject_can_be_neither_added_nor_taken_away() -> None:
    known = topics.trusting()
    bare = topics.posted(topics.envelope())
    assert isinstance(asked("ses", changed(bare, "Subject", to=None), known), Verified)
    assert isinstance(asked("ses", changed(bare, "Subject", to="Hi"), known), Refused)
    named = topics.posted(topics.envelope(Subject="Hi"))
    assert isinstance(asked("ses", changed(named, "Subject", to=None), known), Refused)


def test_lines_that_a_message_holds_are_no_lines_of_the_envelope() -> None:
    """Whoever may publish to another topic cannot have signed what passes as ours."""
    inside = f"x\nMessageId\n1\nTimestamp\n2026-11-24T06:00:00.000Z\nTopicArn\n{topics.ARN}\nType\n"
    call = topics.posted(topics.envelope(f"{inside}Notification", TopicArn=topics.ARN + "-theirs"))
    body = json.loads(call.body)
    forged = {**body, "Message": "x", "MessageId": "1", "TopicArn": topics.ARN}
    assert isinstance(
        asked("ses", with_body(call, json.dumps(forged).encode()), topics.trusting()), Refused
    )


@pytest.mark.parametrize("field", ["timestamp", "token", "signature"])
def test_a_changed_field_of_mailguns_signature_is_refused(field: str) -> None:
    for call in calls("mailgun"):
        sent = json.loads(call.body)["signature"][field]
        other = str(int(sent) + 1) if field == "timestamp" else sent[::-1]
        assert isinstance(asked("mailgun", changed(call, "signature", field, to=other)), Refused)


def test_mailguns_signature_carries_another_event_only_once() -> None:
    """The event is not signed, so it is the token that keeps a second one out."""
    call = calls("mailgun")[0]
    forged = changed(call, "event-data", "recipient", to="eve@shop.example")
    first, second = asked("mailgun", call), asked("mailgun", forged)
    assert first == second
    replays = Replays()
    now = signed_ms("mailgun", call)
    assert replays.take(first, now) == "new"
    assert replays.take(second, now) == "busy"
    replays.keep(first)
    assert replays.take(second, now) == "kept"


def test_an_empty_key_signs_nothing() -> None:
    call = calls("mailgun")[0]
    sent = json.loads(call.body)["signature"]
    signed = arithmetic.hmac_sha256(b"", (sent["timestamp"] + sent["token"]).encode())
    forged = changed(call, "signature", "signature", to=signed)
    assert asked("mailgun", forged, Secret()) == Refused("no signing key is set")


def test_a_digit_cannot_move_from_a_token_into_the_time() -> None:
    call = calls("mailgun")[0]
    sent = json.loads(call.body)["signature"]
    whole = sent["timestamp"] + sent["token"]
    for cut in range(len(whole) + 1):
        if cut == len(sent["timestamp"]):
            continue
        moved = changed(call, "signature", "timestamp", to=whole[:cut])
        moved = changed(moved, "signature", "token", to=whole[cut:])
        now = signed_ms("mailgun", call)
        assert isinstance(provider("mailgun").verify(moved, secret("mailgun"), now), Refused)


def test_a_changed_header_is_refused() -> None:
    (call,) = calls("sendgrid")
    now = signed_ms("sendgrid", call)
    stamp = str(now // 1000 + 1).encode()
    for name, value in (
        (STAMP, stamp),
        (STAMP, b""),
        (STAMP, b" " + call.headers[STAMP]),
        (STAMP, "１７９５５０４０００".encode()),
        (SIGNATURE, b""),
        (SIGNATURE, b"!"),
        (SIGNATURE, b"\xff"),
        (SIGNATURE, b64encode(b64decode(call.headers[SIGNATURE])[:-1])),
        (SIGNATURE, b64encode(b"0" * 70)),
    ):
        forged = with_header(call, name, value)
        assert isinstance(provider("sendgrid").verify(forged, secret("sendgrid"), now), Refused)


def test_nothing_passes_with_another_key() -> None:
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    assert isinstance(
        asked("sendgrid", calls("sendgrid")[0], Secret(public_key=der(other))), Refused
    )
    assert isinstance(asked("mailgun", calls("mailgun")[0], Secret(signing_key="no")), Refused)
    theirs = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    wrong = topics.trusting(certificate=topics.certificate(theirs))
    assert isinstance(asked("ses", topics.posted(topics.envelope()), wrong), Refused)


def der(key: Any) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return b64encode(key.public_bytes(serialization.Encoding.DER, form)).decode()


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("nonsense!", "cannot be read"),
        ("AAAA", "cannot be read"),
        (der(ec.generate_private_key(ec.SECP384R1()).public_key()), "none of the curve P-256"),
        (der(ed25519.Ed25519PrivateKey.generate().public_key()), "none of the curve P-256"),
        (der(topics.KEY.public_key()), "none of the curve P-256"),
    ],
    ids=["no base64", "no key", "another curve", "Ed25519", "RSA"],
)
def test_a_key_that_is_none_of_sendgrids_is_said_so(key: str, why: str) -> None:
    assert why in asked("sendgrid", calls("sendgrid")[0], Secret(public_key=key)).reason


# Time


@pytest.mark.parametrize("name", ["mailgun", "sendgrid"])
def test_a_call_is_taken_within_five_minutes_either_way(name: str) -> None:
    call = calls(name)[0]
    for late in (-5 * MINUTE, 5 * MINUTE):
        assert isinstance(asked(name, call, late=late), Verified)
    assert "s ahead of now" in asked(name, call, late=-5 * MINUTE - 1).reason
    assert "s ago" in asked(name, call, late=5 * MINUTE + 1).reason


def test_sns_may_be_late_by_the_hour_for_which_it_tries_again() -> None:
    call, known = topics.posted(topics.envelope()), topics.trusting()
    assert isinstance(asked("ses", call, known, late=65 * MINUTE), Verified)
    assert "s ago" in asked("ses", call, known, late=65 * MINUTE + 1).reason
    assert "s ahead of now" in asked("ses", call, known, late=-5 * MINUTE - 1).reason


@pytest.mark.parametrize("name", SIGNED)
def test_an_operator_may_take_what_is_later_and_not_what_is_earlier(name: str) -> None:
    call = calls(name)[0]
    patient = msgspec.structs.replace(secret(name), tolerance_ms=120 * MINUTE)
    assert isinstance(asked(name, call, patient, late=120 * MINUTE), Verified)
    assert isinstance(asked(name, call, patient, late=120 * MINUTE + 1), Refused)
    assert isinstance(asked(name, call, patient, late=-5 * MINUTE - 1), Refused)


# Replays


@pytest.mark.parametrize("name", SIGNED)
def test_a_call_is_taken_once_for_as_long_as_it_would_pass(name: str) -> None:
    replays = Replays()
    for call in calls(name):
        now = signed_ms(name, call)
        done = asked(name, call)
        assert replays.take(done, now) == "new"
        replays.keep(done)
        last = done.expires_ms - 1
        assert isinstance(provider(name).verify(call, secret(name), last), Verified)
        assert replays.take(done, last) == "kept"
        assert isinstance(provider(name).verify(call, secret(name), last + 1), Refused)


def test_a_signature_that_was_turned_into_its_twin_is_the_same_call() -> None:
    """ECDSA takes (r, N - s) wherever it takes (r, s), and anybody can compute it."""
    (call,) = calls("sendgrid")
    r, s = arithmetic.two_integers(b64decode(call.headers[SIGNATURE]))
    twin = with_header(call, SIGNATURE, b64encode(arithmetic.as_der(r, arithmetic.N - s)))
    assert twin != call
    assert asked("sendgrid", twin) == asked("sendgrid", call)


@pytest.mark.parametrize("name", UNSIGNED)
def test_who_signs_nothing_has_no_nonce(name: str) -> None:
    assert asked(name, calls(name)[0]) == Verified()


# Passwords


def basic(user: str, password: str) -> bytes:
    return b"Basic " + b64encode(f"{user}:{password}".encode())


@pytest.mark.parametrize("name", UNSIGNED)
@pytest.mark.parametrize(
    ("known", "headers"),
    [
        (Secret(user="hook", password="p:w"), {b"authorization": basic("hook", "p:w")}),
        (Secret(password="ü"), {b"authorization": basic("", "ü")}),
        (Secret(bearer="t1"), {b"authorization": b"bearer  t1"}),
        (Secret(header="h1"), {b"x-kairos-secret": b"h1"}),
        (Secret(bearer="t", header="h"), {b"authorization": b"Bearer t", b"x-kairos-secret": b"h"}),
    ],
)
def test_all_that_is_set_must_be_there(
    name: str, known: Secret, headers: dict[bytes, bytes]
) -> None:
    assert asked(name, Request("POST", "/", b"", headers, b"{}"), known) == Verified()
    for left_out, value in headers.items():
        rest = {key: other for key, other in headers.items() if key != left_out}
        for wrong in (rest, {**headers, left_out: value + b"x"}):
            assert isinstance(asked(name, Request("POST", "/", b"", wrong, b"{}"), known), Refused)


@pytest.mark.parametrize(
    "sent", [b"", b"Basic", b"Basic !", b"Basic \xff", b"Bearer", b"\xff \xff"]
)
def test_a_header_that_is_none_is_refused(sent: bytes) -> None:
    call = Request("POST", "/", b"", {b"authorization": sent}, b"{}")
    for known in (Secret(password="p"), Secret(bearer="b")):
        assert isinstance(asked("postmark", call, known), Refused)


def test_a_user_without_a_password_is_no_secret() -> None:
    call = Request("POST", "/", b"", {b"authorization": basic("hook", "")}, b"{}")
    assert asked("postmark", call, Secret(user="hook")).reason.startswith("nothing is set")


def test_a_password_beside_a_token_can_never_be_met() -> None:
    both = Secret(password="p", bearer="b")
    assert "room for one" in asked("brevo", calls("brevo")[0], both).reason


def test_a_secret_prints_nothing_of_itself() -> None:
    for name in FILES:
        known = secret(name)
        for field in msgspec.structs.asdict(known).values():
            assert not field or type(field) is int or field not in repr(known)


# Certificates


@pytest.mark.parametrize(
    "place",
    [
        "http://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com.evil.example/SimpleNotificationService-1.pem",
        "https://evil.example/sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com@evil.example/SimpleNotificationService-1.pem",
        "https://evil@sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com:443/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com./SimpleNotificationService-1.pem",
        "https://evil.example\\@sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://s3.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.s3.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.evil.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com.cn.evil/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com/?x=SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem?x=1",
        "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem#x",
        "https://sns.eu-central-1.amazonaws.com/a/../SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com/other.pem",
        "https://sns.eu-\tcentral-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem\n",
        "https://[sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-central-１.amazonaws.com/SimpleNotificationService-1.pem",
        "//sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https:sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "",
    ],
)
def test_a_certificate_comes_from_sns_and_from_nowhere_else(place: str) -> None:
    call = topics.posted(topics.envelope(SigningCertURL=place))
    for known in (topics.trusting(certificate_url=place), topics.trusting(certificate="")):
        refused = asked("ses", call, known)
        assert "SigningCertURL" in refused.reason
        assert not isinstance(refused, Wanted)


@pytest.mark.parametrize(
    "region",
    ["eu-central-1.amazonaws.com", "us-gov-west-1.amazonaws.com", "cn-north-1.amazonaws.com.cn"],
)
def test_every_region_has_its_certificates(region: str) -> None:
    place = f"https://sns.{region}/SimpleNotificationService-1.pem"
    call = topics.posted(topics.envelope(SigningCertURL=place))
    wanted = asked("ses", call, topics.trusting(certificate=""))
    assert isinstance(wanted, Wanted)
    assert wanted.url == place
    assert isinstance(asked("ses", call, topics.trusting(certificate_url=place)), Verified)


def test_a_certificate_of_another_url_is_not_used() -> None:
    elsewhere = topics.PLACE.replace("0123abcd", "9999")
    call = topics.posted(topics.envelope())
    assert "not given" in asked("ses", call, topics.trusting(certificate_url=elsewhere)).reason
    assert "not given" in asked("ses", call, topics.trusting(certificate="")).reason


@pytest.mark.parametrize(
    ("pem", "why"),
    [
        ("nonsense", "cannot be read"),
        (topics.certificate(ec.generate_private_key(ec.SECP256R1())), "no RSA key"),
        (
            topics.certificate(SHORT),
            "2048",
        ),
        (topics.certificate(begins=2024, ends=2026), "not valid now"),
        (topics.certificate(begins=2027, ends=2028), "not valid now"),
    ],
)
def test_a_certificate_that_proves_nothing_is_refused(pem: str, why: str) -> None:
    call = topics.posted(topics.envelope())
    assert why in asked("ses", call, topics.trusting(certificate=pem)).reason


def test_only_the_topic_that_is_set_may_post() -> None:
    call = topics.posted(topics.envelope(TopicArn=topics.ARN + "x"))
    assert "TopicArn" in asked("ses", call, topics.trusting()).reason


@pytest.mark.parametrize("version", ["", "0", "3", "1 "])
def test_only_known_versions_of_the_signature_are_taken(version: str) -> None:
    call = topics.posted(topics.envelope(SignatureVersion=version))
    assert "SignatureVersion" in asked("ses", call, topics.trusting()).reason


def test_the_hash_of_one_version_is_none_of_the_other() -> None:
    call = topics.posted(topics.envelope(SignatureVersion="2"))
    assert isinstance(
        asked("ses", changed(call, "SignatureVersion", to="1"), topics.trusting()), Refused
    )
