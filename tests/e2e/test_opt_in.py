"""Double opt-in: a question to an address that somebody typed in, its link, and a welcome."""

from email import message_from_bytes, policy
from pathlib import Path

import httpx

from collector.keys import first_keys
from kairos.embedded.stack import Stack
from kairos.profile.read import read as profile_of
from tests.channels.doubles import Mails, smtp_server
from tests.channels.test_anchors import read
from tests.e2e.stacks import eventually, watched, workspace

FILES = {
    "workspace.yaml": (
        "workspace: shop\ntimezone: UTC\npurposes: {news: {default: denied}, transactional: {default: allowed}}\n"
    ),
    "triggers/asked.yaml": """
trigger: asked
when: {event: newsletter_requested}
do:
  - opt_in:
      channel: email
      purpose: news
      template: question
      then: [{send: {channels: [email], template: welcome}}]
deliver: {purpose: news, quiet_hours: off}
""",
    "templates/question.liquid": (
        "---\nsubject: May we?\npurpose: transactional\n---\n<a href='{{ confirm_url }}'>Yes</a>"
    ),
    "templates/welcome.liquid": "---\nsubject: Welcome\n---\nHere it is.",
}


def test_whoever_reads_the_mail_says_yes_and_gets_what_they_wanted(tmp_path: Path) -> None:
    data, mails = tmp_path / "data", Mails()
    data.mkdir()
    keys = first_keys(data / "keys.json", "2026-11-25T00:00:00Z")
    with (
        smtp_server(mails) as port,
        Stack(
            data,
            workspace(tmp_path / "workspace", FILES),
            channels={
                "email": {"url": f"smtp://127.0.0.1:{port}", "sender": "Shop <a@shop.example>"}
            },
            indoors=True,
        ) as stack,
        watched(stack),
        httpx.Client(timeout=20) as browser,
    ):
        about = {"userId": "ana", "traits": {"email": "ana@shop.example"}}
        answer = httpx.post(
            f"{stack.url}/v1/batch",
            json={
                "batch": [
                    {"type": "identify", "messageId": "m1", **about},
                    {"type": "track", "event": "Newsletter Requested", "userId": "ana", "messageId": "m2"},
                ]
            },
            auth=(keys["browser"], ""),
        )  # fmt: skip
        assert answer.json()["accepted"] == 2
        assert eventually(lambda: len(mails.accepted) == 1)
        html = message_from_bytes(mails.accepted[0][1], policy=policy.default).get_body(("html",))
        assert html is not None
        (link,) = [dict(said)["href"] for tag, said in read(html.get_content())[0] if tag == "a"]
        assert link is not None
        assert browser.get(link).status_code == 200
        assert browser.post(link).status_code == 200
        assert eventually(lambda: len(mails.accepted) == 2)
        to, content = mails.accepted[1]
        assert (to, b"Subject: Welcome" in content) == ("ana@shop.example", True)
        profile = profile_of(stack.settings, "user_id:ana", 20)
        assert profile is not None
        (address,) = profile.addresses
        assert (address["address"], address["trust"]) == ("ana@shop.example", "confirmed")
