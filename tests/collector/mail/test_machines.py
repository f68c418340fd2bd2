import pytest

from collector.mail.common.machines import TOO_SOON, sign_of_a_machine
from tests.collector.mail.stories import SENT, told

SAFARI = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Version/17.5 Safari/605.1.15"
)
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"


@pytest.mark.parametrize("agent", ["Mozilla/5.0", " Mozilla/5.0 "])
def test_an_agent_without_a_platform_is_apples_prefetch(agent: str) -> None:
    assert sign_of_a_machine("opened", agent, 3_600_000) == "agent without a platform"


def test_an_image_proxy_hides_who_opened_and_follows_no_links() -> None:
    assert sign_of_a_machine("opened", GMAIL, 3_600_000) == "image proxy"
    assert sign_of_a_machine("clicked", GMAIL, 3_600_000) == ""


@pytest.mark.parametrize("kind", ["opened", "clicked"])
def test_nobody_is_there_two_seconds_after_delivery(kind: str) -> None:
    for since in (-60_000, 0, TOO_SOON - 1):
        assert sign_of_a_machine(kind, SAFARI, since) == "within two seconds of delivery"  # type: ignore[arg-type]
    for later in (TOO_SOON, None):
        assert sign_of_a_machine(kind, SAFARI, later) == ""  # type: ignore[arg-type]


def test_two_links_at_once_are_no_finger() -> None:
    assert sign_of_a_machine("clicked", SAFARI, None, links=1) == ""
    assert sign_of_a_machine("clicked", SAFARI, None, links=2) == "several links within one second"
    assert sign_of_a_machine("opened", SAFARI, None, links=2) == ""


def test_no_agent_says_nothing() -> None:
    assert sign_of_a_machine("opened", "", None) == ""


@pytest.mark.parametrize("name", ["postmark", "ses"])
def test_what_the_providers_of_the_story_leave_open_is_seen(name: str) -> None:
    story = told(name)
    (delivery,) = [t.time_ms for t in story if t.kind == "delivered"]
    seen = {
        (t.time_ms - SENT) // 1000: sign_of_a_machine(t.kind, t.agent, t.time_ms - delivery)
        for t in story
        if t.kind in ("opened", "clicked")
    }
    assert seen == {45: "agent without a platform", 3600: "", 3660: ""}
