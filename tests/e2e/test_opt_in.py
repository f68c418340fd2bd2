"""Double opt-in: a question to an address that somebody typed in, its link, and a welcome."""

from pathlib import Path

import httpx

from collector.keys import first_keys
from kairos.profile.read import read as profile_of
from tests.channels.doubles import Mails
from tests.e2e.stacks import eventually, mailing, only_link, workspace

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
        mailing(data, workspace(tmp_path / "workspace", FILES), mails) as stack,
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
        link = only_link(mails.accepted[0][1])
        assert browser.get(link).status_code == 200
        assert browser.post(link).status_code == 200
        assert eventually(lambda: len(mails.accepted) == 2)
        to, content = mails.accepted[1]
        assert (to, b"Subject: Welcome" in content) == ("ana@shop.example", True)
        profile = profile_of(stack.settings, "user_id:ana", 20)
        assert profile is not None
        (address,) = profile.addresses
        assert (address["address"], address["trust"]) == ("ana@shop.example", "confirmed")
