"""A whole stack learns from orders what its customers are worth, and decides by it, also over kills.

Sarah browsed three times this week, opened the last two e-mails and is worth much by her orders, so
she gets one offer that is drawn for her, on WhatsApp.
"""

import json
import os
import random
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.open import open_log
from kairos.commands import models
from kairos.embedded.stack import Stack
from kairos.figures import Gauge
from kairos.settings import activations
from models.runtime.beta_geometric import BetaGeometric
from profile_state.stores.redis import RedisStore
from tests.e2e.stacks import eventually, post, server_key, watched, workspace
from triggers import activation
from triggers.activation import Activation

FILES = {
    "workspace.yaml": """
workspace: shop
purposes: {marketing: {default: denied}}
models: {ltv: {within: 365d}, rfm: , next_best: , recommended: }
offers: offers.yaml
bands: {ltv: {high: top 20%}}
""",
    "triggers/retention_offer_vip.yaml": """
trigger: retention_offer_vip
when: {event: [product_viewed, email_opened]}
if:
  - count(product_viewed, last 7d) >= 3
  - opened_last(2, email)
  - ltv is high
  - never(order_completed, last 7d)
reentry: cooldown 30d
do: [{send: {channels: [whatsapp], template: retention, offer: next_best}}]
deliver: {purpose: marketing, quiet_hours: off}
""",
    "templates/retention.whatsapp.liquid": (
        "---\nsubject: Hi\n---\n{{ ltv | round }} {{ rfm.stage }} {{ offer.label }} "
        "{{ recommended.first.id }}"
    ),
    "offers.yaml": """
offers:
  vip_20: {label: twenty percent, if: ["rfm.stage in [champion, loyal]"]}
  spring_10: {label: ten percent}
  hello: {label: welcome, if: [count(order_completed) = 0]}
""",
}
PHONES = {"sarah": "+491701234567", "ben": "+491707654321"}
PATIENCE_S = 60
DAY = 86_400


def history() -> list[dict[str, Any]]:
    """Orders of 300 customers over a year; of them Sarah buys often, and Ben bought once."""
    draw = random.Random(1)
    now = int(time.time())
    found = []
    for user in (*(f"u{n}" for n in range(298)), "sarah", "ben"):
        rate, day = draw.gammavariate(0.7, 1 / 60), draw.uniform(60, 350)
        days = [day]
        while day > 10 and draw.random() > 0.2 and user != "ben":
            day -= draw.expovariate(rate)
            days.append(day)
        if user == "sarah":
            days = [300, 260, 222, 180, 150, 120, 95, 70, 40, 20, 9]
        for nth, ago in enumerate(day for day in days if day > 8):
            found.append(
                {
                    "type": "track",
                    "event": "Order Completed",
                    "userId": user,
                    "messageId": f"{user}.{nth}",
                    "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - ago * DAY)),
                    "properties": {
                        "total": round(draw.lognormvariate(3.5, 0.5), 2),
                        "products": [
                            {"product_id": product}
                            for product in (
                                "tee",
                                f"p{nth}",
                                *(() if user == "sarah" else ("mug",)),
                            )
                        ],
                    },
                }
            )
    return found


def versions(stack: Stack) -> dict[str, dict[str, float]]:
    with closing(RedisStore(stack.settings.ledger)) as store:
        return store.peek().learned


def kill(stack: Stack, part: str) -> None:
    os.kill(stack.children[part].process.pid, signal.SIGKILL)


def entered(stack: Stack) -> int:
    with closing(Gauge(stack.settings)) as gauge:
        found = gauge.read().triggers().get("retention_offer_vip")
        return 0 if found is None else found.entered


def decided(stack: Stack) -> list[Activation]:
    """What was handed to workers."""
    with closing(open_log(activations(stack.settings))) as stream:
        entries = stream.read(0, stream.gone(0), 1_000, 0)
    return [one for entry in entries for one in activation.decode(entry.payload)]


def visit(stack: Stack, key: str, user: str, kind: str) -> None:
    """Three views this week, both e-mails opened, a number, and a yes to messages."""
    before: dict[str, Any] = {
        "userId": user,
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 2 * DAY)),
    }
    now: dict[str, Any] = {"userId": user, "type": "track"}
    calls: list[dict[str, Any]] = [
        {**before, "type": "track", "event": "consent_updated"}
        | {"properties": {"purpose": "marketing", "channel": "whatsapp", "granted": True}},
        {**before, "type": "identify", "traits": {"phone": PHONES[user]}},
        *(
            {**before, "type": "track", "event": event, "properties": {"message": message}}
            for message in ("e1", "e2")
            for event in ("email_sent", "email_opened")
        ),
        *({**now, "event": "Product Viewed"} for _ in range(3)),
    ]
    for nth, call in enumerate(calls):
        call["messageId"] = f"{kind}.{user}.{nth}"
        assert post(stack, key, [call]).json()["accepted"] == 1


def test_sarah_is_worth_much_by_her_orders_and_gets_one_offer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    folder = workspace(tmp_path / "workspace", FILES)
    key = server_key(data)
    with Stack(data, folder) as stack, watched(stack):
        orders = history()
        for first in range(0, len(orders), 100):
            body = {"batch": orders[first : first + 100], "importId": "shop"}
            answer = httpx.post(f"{stack.url}/v1/batch", json=body, auth=(key, ""), timeout=20)
            assert answer.status_code == 200
        assert eventually(lambda: "learn" in stack.children, PATIENCE_S)
        kill(stack, "learn")
        assert eventually(lambda: {"model ltv", "model rfm"} <= versions(stack).keys(), PATIENCE_S)
        assert set(BetaGeometric._fields) < versions(stack)["model ltv"].keys()
        kill(stack, "live")
        kill(stack, "learn")
        assert eventually(lambda: "ranks" in versions(stack), PATIENCE_S)

        def of(user: str) -> Any:
            headers = {"Authorization": f"Bearer {key}"}
            answer = httpx.get(f"{stack.url}/v1/profiles/{user}", headers=headers, timeout=20)
            return answer.json().get("profile", {}).get("scores", {})

        assert eventually(lambda: of("sarah").get("ltv", 0) > 100), of("sarah")
        assert eventually(lambda: "recommended" in of("sarah"), PATIENCE_S), of("sarah")
        sarah, ben = of("sarah"), of("ben")
        assert sarah["rfm.stage"] in ("champion", "loyal")
        assert sarah["ltv"] > 10 * ben["ltv"] > 0
        for user in ("sarah", "ben"):
            visit(stack, key, user, "first")
        assert eventually(lambda: entered(stack) == 1)
        visit(stack, key, "sarah", "second")
        assert not eventually(lambda: entered(stack) > 1, 1.0), "one offer, never two"
        (offered,) = decided(stack)
        draw = offered.drawn
        assert draw is not None
        assert draw["among"] == ["vip_20", "spring_10"], "what she may have"
        assert draw["probability"] == 0.5, "nothing is known of offers yet"
        assert models.command(data=data) == 0
        told = capsys.readouterr().out
        assert "ltv: as of" in told
        assert "from 300 people" in told
        assert models.command("churn", data=data) == 1
        assert models.report("ltv", out=tmp_path, data=data) == 0
        assert (tmp_path / "ltv.png").read_bytes()[:4] == b"\x89PNG"
        assert models.report("rfm", out=tmp_path, data=data) == 1, "marks foretell nothing"
        assert "rfm: no version says how good it is" in capsys.readouterr().err
    (line,) = (data / "workers.log").read_text().splitlines()
    label = {"vip_20": "twenty percent", "spring_10": "ten percent"}[draw["offer"]]
    told = json.loads(line)
    assert told["channel"] == "whatsapp"
    assert sarah["recommended"] == ["mug"], "what others have who have what she has"
    assert told["text"] == len(f"{sarah['ltv']:.0f} {sarah['rfm.stage']} {label} mug")
