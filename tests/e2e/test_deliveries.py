"""`kairos deliveries` beside a whole stack: what failed is found, mended and sent, once."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kairos.commands.deliveries import drop, list_, resend, show
from kairos.embedded.stack import Stack
from kairos.profile.read import read
from tests.e2e.stacks import eventually, post, server_key, watched, workspace

SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
FILES = {
    "workspace.yaml": "workspace: shop\npurposes: {news: {default: allowed}}\n",
    "triggers/joined.yaml": (
        "trigger: joined\nwhen: {event: signed_up}\n"
        "do: [{send: {channels: [webhook]}}]\ndeliver: {purpose: news}\n"
    ),
}


class Receiver:
    """A webhook's receiver whose key is wrong at first."""

    def __init__(self) -> None:
        self.status = 401
        self.ids: list[str] = []
        self.url = ""

    @contextmanager
    def served(self) -> Iterator[None]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                if receiver.status == 200:
                    receiver.ids.append(str(self.headers["webhook-id"]))
                self.send_response(receiver.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            self.url = f"http://127.0.0.1:{server.server_port}/"
            try:
                yield
            finally:
                server.shutdown()
                thread.join()


def test_what_a_wrong_key_left_is_listed_shown_sent_once_and_known_to_the_profile(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, receiver = tmp_path / "data", Receiver()
    key = server_key(data)

    def said(code: int, expected: int = 0) -> Any:
        assert code == expected
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    with receiver.served():
        hook = {"webhook": {"url": receiver.url, "secret": SECRET}}
        with (
            Stack(data, workspace(tmp_path / "shop", FILES), channels=hook) as stack,
            watched(stack),
        ):
            calls = [
                {"type": "track", "event": "Signed Up", "userId": f"u{n}", "messageId": f"m{n}"}
                for n in range(3)
            ]
            assert post(stack, key, calls).json()["accepted"] == 3

            def dead() -> list[dict[str, Any]]:
                found = said(list_(data=data, json=True))["messages"]
                return [row for row in found if row["state"] == "dead"]

            assert eventually(lambda: len(dead()) == 3)
            listing = said(list_(data=data, reason="http 401", json=True))
            assert listing["counts"] == [
                {"state": "dead", "channel": "webhook", "reason": "http 401", "count": 3}
            ]
            shown = {said(show(row["id"], data=data, json=True))["body"]["leaf"]: row["id"] for row in dead()}  # fmt: skip
            assert shown.keys() == {"user_id:u0", "user_id:u1", "user_id:u2"}

            def messages(user: str) -> list[tuple[str, str]]:
                profile = read(stack.settings, user, 5)
                assert profile is not None
                names = {event["name"] for event in profile.recent}
                assert profile.events <= len(names), "what is told twice counts once"
                return [(one.outcome, one.detail) for one in profile.messages] + [
                    ("told", name) for name in sorted(names) if name != "signed_up"
                ]

            assert eventually(lambda: len(messages("u0")) == 2)
            assert messages("u0") == [("dead", "http 401"), ("told", "delivery_failed")]
            profile = read(stack.settings, "u0", 5)
            assert profile is not None
            assert [list(one.receipts) for one in profile.messages] == [["failed"]]

            assert said(drop([shown["user_id:u2"]], data=data, json=True))["counts"] == {
                "dropped": 1
            }
            receiver.status = 200
            both = {"would be resent": 2}
            assert said(resend(reason="http 401", simulate=True, data=data, json=True))["counts"] == both  # fmt: skip
            assert receiver.ids == []
            assert said(resend(reason="http 401", data=data, json=True))["counts"] == {"resent": 2}
            assert eventually(lambda: len(receiver.ids) == 2)
            assert sorted(receiver.ids) == sorted(shown[f"user_id:u{n}"] for n in range(2))
            assert said(resend(reason="http 401", data=data, json=True), 1)["counts"] == {}
            assert eventually(lambda: messages("u0")[0] == ("delivered", ""))
            assert messages("u2")[0][0] == "refused"
            again = said(resend([shown["user_id:u2"]], data=data, json=True), 1)
            assert again["became"] == {shown["user_id:u2"]: "not_held"}
            assert len(receiver.ids) == 2


def test_what_is_asked_wrongly_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert resend(data=tmp_path, json=True) == 2
    assert "no engine runs on" in json.loads(capsys.readouterr().out)["error"]
