"""Mails as a server and readers of other makers understand them: smtp-server, mailparser, mailauth."""

import asyncio
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from channels import email
from channels.base import Delivered, Message
from channels.delivery.inlining import inlined
from flows.workspace_folder import read_folder
from tests import clients
from tests.channels.signing import key, pem, record
from triggers.templates import FOLDER, Template, parse, render

EXAMPLES = Path(__file__).parents[2] / "examples"
LINKS = {
    "unsubscribe_url": "https://go.shop.example/u/token",
    "preferences_url": "https://go.shop.example/p/token",
    "confirm_url": "https://go.shop.example/o/token",
}
FACTS = {
    "first_name": "Zoë 🎂",
    "offer": {"label": "zehn Prozent für Sie"},
    "item": {"name": "Körbchen", "price": 19.9, "was": {"price": 24}},
}
EVENT = {"items": 3, "value": 59.9, "name": "Sessel", "category": "Möbel", "to": "gold"}
HARD = """\
---
subject: '{{ first_name }}, Ihr Körbchen wartet: ein Sessel, drei Kissen, zwei Vorhänge und noch mehr 🛋️'
---
<style>p.big { font-size: 20px; color: #333 } a { color: green }</style>
<p class="big">Grüße an {{ first_name }} &amp; alle</p>
.
..
.hidden behind a dot
<p>LONG</p>
<p><a href="https://shop.example/?a=1&amp;b=2">Zurück</a>   </p>
""".replace("LONG", "Ein sehr langer Absatz ohne Ende, äöü 🎂. " * 60 + "x" * 3000)


class Catcher:
    def __init__(self, process: "subprocess.Popen[str]", said: IO[str]) -> None:
        self._process = process
        self._said = said
        self.port: int = self.caught()["port"]

    def caught(self) -> dict[str, Any]:
        line = self._said.readline()
        assert line, "the server ended"
        found: dict[str, Any] = json.loads(line)
        assert "error" not in found, found
        return found


@contextmanager
def catcher(records: dict[str, str]) -> Iterator[Catcher]:
    command = ["node", str(clients.MAILS / "catcher.mjs"), json.dumps(records)]
    folder = clients.packages(clients.MAILS)
    with subprocess.Popen(
        command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdin
        try:
            yield Catcher(process, process.stdout)
        finally:
            process.stdin.close()
            process.wait(5)


def messages() -> list[Message]:
    """Every mail of the examples, and one that has all that is hard."""
    files = {
        f"{folder.name}/{path}": text
        for folder in sorted(EXAMPLES.iterdir())
        for path, text in read_folder(folder).items()
        if path.startswith(FOLDER)
    }
    templates: dict[str, Template] = {path: parse(path, text) for path, text in files.items()}
    templates["hard"] = parse("hard", HARD)
    made = []
    for number, template in enumerate(templates.values()):
        subject, text, html = render(template, FACTS, EVENT, "email", LINKS)
        one = Message(
            id=f"{number:032x}",
            channel="email",
            to=f"ana{number}@x.example",
            subject=subject,
            text=text,
            html=inlined(html),
            unsubscribe=f"https://shop.example/u/{number}" + "aB3_-" * 60,
        )
        made.append(one)
    return made


def lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").rstrip("\n").split("\n")


def caught(sent: list[Message], records: dict[str, str]) -> list[dict[str, Any]]:
    """Send messages through the channel, signed; return what was read of each."""
    with catcher(records) as server:

        async def deliver() -> None:
            channel = email.connect(
                {
                    "url": f"smtp://127.0.0.1:{server.port}",
                    "sender": "Shöp <hello@shop.example>",
                    "dkim_key": pem(key()),
                    "dkim_selector": "k1",
                }
            )
            for message in sent:
                assert isinstance(await channel.deliver(message), Delivered)
            await channel.close()

        asyncio.run(deliver())
        return [server.caught() for _ in sent]


def test_a_server_and_readers_that_know_nothing_of_us_see_what_was_meant() -> None:
    sent = messages()
    assert len(sent) > 30
    mails = caught(sent, {"k1._domainkey.shop.example": record(key())})
    for message, mail in zip(sent, mails, strict=True):
        assert mail["envelope"] == message.to
        assert mail["to"] == [{"address": message.to, "name": ""}]
        assert mail["from"] == [{"address": "hello@shop.example", "name": "Shöp"}]
        assert mail["subject"] == message.subject
        assert lines(mail["text"]) == lines(message.text)
        assert lines(mail["html"] or "") == lines(message.html)
        assert mail["messageId"] == f"<{message.id}@shop.example>"
        assert mail["list"]["unsubscribe"] == {"url": message.unsubscribe}
        headers = {one["key"]: one["line"] for one in mail["headers"]}
        assert headers["list-unsubscribe"] == f"List-Unsubscribe: <{message.unsubscribe}>"
        assert (
            headers["list-unsubscribe-post"] == "List-Unsubscribe-Post: List-Unsubscribe=One-Click"
        )
        assert mail["dkim"] == [{"result": "pass", "domain": "shop.example"}]
        raw = mail["raw"]
        assert raw.isascii()
        assert max(map(len, raw.split("\r\n"))) <= 998
        assert not re.search("(?<!\r)\n|\r(?!\n)", raw), "a line ends otherwise"


def test_the_reader_of_signatures_bites() -> None:
    """Under another key none holds."""
    [mail] = caught(messages()[:1], {"k1._domainkey.shop.example": record(key(3072))})
    assert mail["dkim"] == [{"result": "fail", "domain": "shop.example"}]
