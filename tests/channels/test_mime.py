"""Mails as bytes, beside the library that would write them, which reads them here."""

import email
import re
from email.message import EmailMessage
from email.policy import SMTP

from hypothesis import given, settings
from hypothesis import strategies as st

from channels.base import Message
from channels.delivery import mail
from channels.delivery.mime import LINE, body

_TEXT = st.one_of(
    st.text(max_size=300),
    st.text(st.sampled_from("aä \t.=-_\r\n\0\x85\u2028€😀"), max_size=200),
    st.builds(lambda line, n: line * n, st.sampled_from(["x", "ä", "x ", "From \n", ".\n", "=20"]), st.integers(0, 3000)),
)  # fmt: skip
SENDER = mail.sender("Bücher & Shop <hello@shop.example>")


def written(text: str, html: str, subject: str = "Hi", to: str = "ana@shop.example") -> bytes:
    said = Message(id="a" * 32, channel="email", to=to, subject=subject, text=text, html=html)
    return mail.compose(said, to, SENDER, 1_772_452_800.0, {"X-Token": "t" * 800})


def read(raw: bytes) -> EmailMessage:
    found = email.message_from_bytes(raw, policy=SMTP)
    assert isinstance(found, EmailMessage)
    assert not found.defects
    return found


def as_said(text: str) -> str:
    """A mail has lines, each of which ends."""
    return re.sub(r"\r\n|\r|\n", "\n", text).removesuffix("\n") + "\n"


def content(part: EmailMessage) -> str:
    assert not part.defects
    raw = part.get_payload(decode=True)
    assert isinstance(raw, bytes)
    return raw.decode(str(part.get_content_charset())).replace("\r\n", "\n")


@given(_TEXT, _TEXT)
@settings(deadline=None)
def test_whatever_is_said_is_read_as_it_was_said(text: str, html: str) -> None:
    raw = written(text, html)
    assert raw.isascii()
    assert all(len(line) <= LINE for line in raw.split(b"\r\n"))
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", raw)
    found = read(raw)
    parts = list(found.iter_parts()) if html else [found]
    assert [p.get_content_type() for p in parts] == ["text/plain", "text/html"][: len(parts)]
    assert [content(p) for p in parts if isinstance(p, EmailMessage)] == [
        as_said(said) for said in ((text, html) if html else (text,))
    ]


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=250))
@settings(deadline=None)
def test_a_subject_is_read_as_it_was_said(subject: str) -> None:
    raw = written("", "", subject)
    assert all(len(line) <= 100 or line.startswith(b"X-Token") for line in raw.split(b"\r\n"))
    assert " ".join(str(read(raw)["Subject"]).split()) == " ".join(subject.split())


@given(st.from_regex(r"[a-z!#$%&'*+/=?^_`{|}~.-]{1,64}@[a-z0-9.-]{1,60}", fullmatch=True))
@settings(deadline=None)
def test_what_counts_as_a_mailbox_is_read_as_it_is(to: str) -> None:
    try:
        known = mail.mailbox(to)
    except mail.AddressError:
        return
    assert str(read(written("", "", to=known))["To"]) == to


def test_the_headers_stand_once_and_whole() -> None:
    found = read(written("Hi", "<p>Hi"))
    assert str(found["From"]) == "Bücher & Shop <hello@shop.example>"
    assert found["X-Token"] == "t" * 800
    assert found["Message-ID"] == f"<{'a' * 32}@shop.example>"
    assert len(found.keys()) == len(set(found.keys())) == 8


def test_no_part_ends_another() -> None:
    first = body("Hi", "<p>Hi")
    name = re.search(rb'boundary="(.*)"', first)
    assert name is not None
    line = "--" + name.group(1).decode()
    raw = b"To: a@x.example\r\n" + body(f"Hi\n{line}\n{line}--\n", f"{line}\n")
    assert [content(p) for p in read(raw).iter_parts() if isinstance(p, EmailMessage)] == [
        f"Hi\n{line}\n{line}--\n",
        f"{line}\n",
    ]
