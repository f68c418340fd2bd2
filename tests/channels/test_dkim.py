"""DKIM: what arrives carries a signature that holds, and whoever changes it breaks that."""

import asyncio
import base64
import re
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from channels import email
from channels.base import Delivered, Message
from channels.delivery import mail
from channels.delivery.dkim import Signer
from tests.channels.doubles import Mails, smtp_server
from tests.channels.signing import holds, key, pem, record, tags

SENDER = "Shop <hello@shop.example>"
DKIM = {"dkim_key": pem(key()), "dkim_selector": "k1"}
RECORDS = {"k1._domainkey.shop.example": record(key())}
LINK = "https://shop.example/u/" + "aB3_-" * 60
MESSAGE = Message(
    id="0b60e56f61c32cf0576db310533ef66b",
    channel="email",
    to="ana@x.example",
    subject="Ihr Körbchen 🎂 wartet",
    text="Grüße\n.\n.hidden\n" + "x" * 2000 + "  \n\n\n",
    html="<p>Grüße \t</p>",
    unsubscribe=LINK,
)

# The RSA half of the example in RFC 8463, appendix A.
EXAMPLE = b"""\
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace(b"\n", b"\r\n")
EXAMPLE_RECORD = (
    "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3"
    "idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHv"
    "qMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
)


def received(message: Message, **options: Any) -> bytes:
    """The bytes of a mail as a real server got them."""
    mails = Mails()

    async def once(port: int) -> None:
        url = f"smtp://127.0.0.1:{port}"
        channel = email.connect({"url": url, "sender": SENDER, **options})
        assert isinstance(await channel.deliver(message), Delivered)
        await channel.close()

    with smtp_server(mails) as port:
        asyncio.run(once(port))
    [(_, content)] = mails.accepted
    return content


def test_our_reader_of_signatures_reads_the_example_of_the_rfc() -> None:
    records = {"test._domainkey.football.example.com": EXAMPLE_RECORD}
    assert holds(EXAMPLE, records)
    assert not holds(EXAMPLE.replace(b"hungry", b"angry"), records)
    assert not holds(EXAMPLE.replace(b"Is dinner", b"is dinner"), records)


def test_the_signature_holds_over_what_arrived() -> None:
    mail_ = received(MESSAGE, **DKIM)
    assert mail_.startswith(b"DKIM-Signature: ")
    assert holds(mail_, RECORDS)
    [said] = re.findall(rb"\ADKIM-Signature:(.*?)\r\n(?! )", mail_, re.DOTALL)
    found = tags(said.decode())
    assert (found["d"], found["s"]) == ("shop.example", "k1")
    assert found["h"].split(":") == [
        "from", "from", "to", "subject", "date", "message-id", "mime-version", "content-type",
        "list-unsubscribe", "list-unsubscribe-post",
    ]  # fmt: skip
    assert len(base64.b64decode(found["b"])) == 256


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (b"List-Unsubscribe: <https://shop", b"List-Unsubscribe: <https://evil"),
        (b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", b""),
        (b"To: ana@", b"To: eve@"),
        (b"Subject: ", b"Subject: Re: "),
        (b"Message-ID: <0", b"Message-ID: <1"),
        (b"MIME-Version: 1.0\r\nContent-Type: m", b"MIME-Version: 1.1\r\nContent-Type: m"),
        (b"\r\nFrom: Shop", b"\r\nFrom: evil@x.example\r\nFrom: Shop"),
        (b"\r\nTo: ", b"\r\nFrom: evil@x.example\r\nTo: "),
        (b"hidden", b"hodden"),
    ],
)
def test_a_change_on_the_way_breaks_it(was: bytes, becomes: bytes) -> None:
    mail_ = received(MESSAGE, **DKIM)
    assert mail_.count(was) == 1
    assert not holds(mail_.replace(was, becomes), RECORDS)


def test_lines_that_a_server_folds_anew_do_not_break_it() -> None:
    mail_ = received(MESSAGE, **DKIM)
    assert holds(mail_.replace(b"Date: Mon, ", b"Date:\r\n  Mon,\t ", 1), RECORDS)
    assert holds(mail_ + b"\r\n\r\n", RECORDS)


def test_what_a_message_does_not_have_is_not_signed_and_nothing_is_without_a_key() -> None:
    plain = Message(id="a" * 32, channel="email", to="ana@x.example", subject="", text="")
    mail_ = received(plain, **DKIM)
    assert b"list-unsubscribe" not in mail_
    assert holds(mail_, RECORDS)
    assert b"DKIM" not in received(MESSAGE)


SAID = st.text(max_size=400) | st.text(st.sampled_from(" \t\r\n.ab"), max_size=100)


@given(text=SAID, html=SAID, subject=st.text(max_size=200))
@settings(deadline=None, max_examples=50)
def test_whatever_is_said_is_signed(text: str, html: str, subject: str) -> None:
    try:
        said = Message(
            id="a" * 32, channel="email", to="a@x.example", subject=subject, text=text, html=html
        )
        written = mail.compose(said, "a@x.example", mail.sender(SENDER), 0.0, {})
    except ValueError:  # a lone surrogate, or a line break in a subject
        return
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", written), "a line ends otherwise"
    signer = Signer(DKIM["dkim_key"], "k1", "shop.example")
    assert holds(signer.signature(written, 0.0) + written, RECORDS)


PEM = Encoding.PEM, PrivateFormat.PKCS8
LOCKED = key().private_bytes(*PEM, BestAvailableEncryption(b"secret")).decode()
OTHER = Ed25519PrivateKey.generate().private_bytes(*PEM, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"dkim_key": DKIM["dkim_key"]}, "dkim_selector: the name before"),
        ({"dkim_key": DKIM["dkim_key"], "dkim_selector": "k1; d=evil"}, "dkim_selector"),
        ({"dkim_selector": "k1"}, "dkim_key: the PEM of an RSA key"),
        ({"dkim_key": "no PEM", "dkim_selector": "k1"}, "dkim_key: the PEM of an RSA key"),
        ({"dkim_key": LOCKED, "dkim_selector": "k1"}, "without a password"),
        ({"dkim_key": OTHER, "dkim_selector": "k1"}, "dkim_key: the PEM of an RSA key"),
        ({"dkim_key": pem(key(1024)), "dkim_selector": "k1"}, "of 2048 bits or more"),
    ],
)
def test_wrong_options_are_named(options: dict[str, str], error: str) -> None:
    with pytest.raises(ValueError, match=error) as raised:
        email.connect({"url": "smtp://127.0.0.1:1", "sender": SENDER, **options})
    assert "PRIVATE" not in str(raised.value)


def test_a_key_is_not_shown() -> None:
    channel = email.connect({"url": "smtp://127.0.0.1:1", "sender": SENDER, **DKIM})
    shown = repr(channel) + repr(Signer(DKIM["dkim_key"], "k1", "shop.example"))
    assert not any(line in shown for line in DKIM["dkim_key"].splitlines())
