"""Six months of a made-up shop on the clock of their file, against plain pandas."""

from pathlib import Path

import orjson
import pandas as pd
import pytest

from kairos.commands.replay import command
from tests.shared import LONG, shared

SHOPPING = ["home", "catalog", "search", "promo_page", "product_view"]
HALF_AN_HOUR = pd.Timedelta(minutes=30)

WORKSPACE = {
    "workspace.yaml": """
workspace: six_months
purposes: {product: {default: allowed}}
""",
    "triggers/welcome.yaml": f"""
trigger: welcome
when: {{event: [{", ".join(SHOPPING)}]}}
do: [{{send: {{channels: [webhook]}}}}]
deliver: {{purpose: product}}
""",
    "triggers/cart_abandoned.yaml": """
trigger: cart_abandoned
when: {event: add_to_cart, then_no: purchase, within: 30m}
key: session_id
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, valid_for: 1h}
""",
    "triggers/browse_abandoned.yaml": """
trigger: browse_abandoned
when: {event: product_view, then_no: [add_to_cart, purchase], within: 30m}
key: session_id
if:
  - count(product_view, last 2h) >= 3
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, valid_for: 1h}
""",
}


def events() -> pd.DataFrame:
    path = shared("datasets/clickstream/retentioneering_ecom_SYNTHETIC.csv.gz")
    found = pd.read_csv(path, parse_dates=["timestamp"])
    return found.sort_values("timestamp", kind="stable")


def welcomed(found: pd.DataFrame) -> int:
    """Everybody who did any of it, once."""
    return int(found[found.event.isin(SHOPPING)].user_id.nunique())


def abandoned_carts(found: pd.DataFrame) -> int:
    """Sessions with a cart after which half an hour went by without a purchase."""
    end = found.timestamp.max()
    abandoned = 0
    for _, session in found.groupby("session_id"):
        carts = session[session.event == "add_to_cart"].timestamp
        bought = session[session.event == "purchase"].timestamp
        while len(carts):
            start = carts.iloc[0]
            within = bought[(bought >= start) & (bought <= start + HALF_AN_HOUR)]
            if within.empty:
                abandoned += start + HALF_AN_HOUR <= end
                break
            carts = carts[carts > within.iloc[0]]  # a cart after a purchase waits anew
    return abandoned


@LONG
def test_windows_timers_and_journeys_behave_as_they_did_then(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = tmp_path / "workspace"
    for name, text in WORKSPACE.items():
        path = workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = events()
    file = shared("datasets/clickstream/retentioneering_ecom_SYNTHETIC.csv.gz")

    code = command(file, clock="file", workspace=workspace, json=True)

    told = orjson.loads(capsys.readouterr().out.splitlines()[-1])
    assert code == 0, told
    assert told["applied"] == told["rows"] == len(found)
    assert told["people"] == found.user_id.nunique()
    sent = {name: decided["sent"].get("webhook", 0) for name, decided in told["triggers"].items()}
    assert sent["welcome"] == welcomed(found)
    assert sent["cart_abandoned"] == abandoned_carts(found)
    assert min(sent["cart_abandoned"], sent["browse_abandoned"]) >= 300
    assert told["deliveries"] == {"webhook": {"delivered": sum(sent.values())}}, "and none too late"
