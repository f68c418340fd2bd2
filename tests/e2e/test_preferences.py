"""What somebody gets, as they choose it: from a link in their mail to what the engine decides."""

from contextlib import closing
from pathlib import Path

import httpx
import redis

from tests.channels.doubles import Mails
from tests.contracts.test_links import tags
from tests.e2e.stacks import eventually, mailing, only_link, post, server_key, workspace
from tests.e2e.test_journeys import decided

TRIGGER = """
trigger: {purpose}
when: {{event: {purpose}_asked}}
reentry: always
do: [{{send: {{channels: [email], template: mail}}}}]
deliver: {{purpose: {purpose}, quiet_hours: off}}
"""
FILES = {
    "workspace.yaml": (
        "workspace: shop\ntimezone: UTC\npurposes:\n  news: {default: allowed, label: Our letters}\n"
        "  back_in_stock: {default: denied}\n"
    ),
    "triggers/news.yaml": TRIGGER.format(purpose="news"),
    "triggers/stock.yaml": TRIGGER.format(purpose="back_in_stock"),
    "templates/mail.liquid": "---\nsubject: Hi\n---\n<a href='{{ preferences_url }}'>Choose</a>",
}


def test_who_chooses_gets_what_they_chose(tmp_path: Path) -> None:
    data, mails = tmp_path / "data", Mails()
    key = server_key(data)
    with (
        mailing(data, workspace(tmp_path / "workspace", FILES), mails) as stack,
        closing(redis.Redis.from_url(stack.settings.ledger)) as ledger,
        httpx.Client(timeout=20) as browser,
    ):

        def asks(purpose: str, nth: int) -> None:
            said = {"type": "track", "userId": "ana", "messageId": f"{purpose}{nth}"}
            assert post(stack, key, [{**said, "event": f"{purpose}_asked"}]).status_code == 200

        traits = {"email": "ana@shop.example"}
        post(stack, key, [{"type": "identify", "userId": "ana", "traits": traits}])
        asks("news", 1)
        asks("back_in_stock", 1)
        assert eventually(lambda: len(mails.accepted) == 1)
        link = only_link(mails.accepted[0][1])

        def shown() -> dict[str | None, bool]:
            page = browser.get(link).text
            boxes = [field for field in tags(page, "input") if field["type"] == "checkbox"]
            return {box["value"]: "checked" in box for box in boxes}

        assert shown() == {"marketing": False, "news": True, "back_in_stock": False}
        assert "Our letters" in browser.get(link).text
        assert "Back in stock" in browser.get(link).text
        chosen = {"was": ["news"], "off": ["marketing", "back_in_stock"], "on": ["back_in_stock"]}
        assert browser.post(link, data=chosen).status_code == 200
        assert shown() == {"marketing": False, "news": False, "back_in_stock": True}, "at once"

        asks("news", 2)
        asks("back_in_stock", 2)
        assert eventually(lambda: len(mails.accepted) == 2)
        assert (len(decided(ledger, "news")), len(decided(ledger, "back_in_stock"))) == (1, 1)

        assert browser.post(link, data={**chosen, "all": ["stop"]}).status_code == 200
        assert shown() == {"marketing": False, "news": False, "back_in_stock": False}
