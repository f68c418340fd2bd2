"""The answer to a question whether somebody wants messages, on both servers."""

import pytest

from events.record import VERIFIED
from tests.collector.doubles import MemoryLog
from tests.contracts.doors import DOORS, Running, told
from tests.contracts.test_links import FORGED, LINKED, OURS, TOKEN, events, tags


@pytest.fixture(params=DOORS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_post_says_yes_once_and_a_get_says_nothing(name: str) -> None:
    log = MemoryLog()

    async def story(one: Running) -> None:
        shown = await one.client.get(f"/o/{TOKEN}")
        assert [form["method"] for form in tags(shown.text, "form")] == ["post"]
        assert (await one.client.head(f"/o/{TOKEN}")).status_code == 200
        assert log.records == []
        for language, word in (("en", "Thank you"), ("de", "Vielen Dank")):
            done = await one.client.post(f"/o/{TOKEN}", headers={"accept-language": language})
            assert (done.status_code, word in done.text) == (200, True)
        for token in FORGED:
            if token != f"{TOKEN}/":
                assert (await one.client.post(f"/o/{token}")).status_code == 404

    told(name, story, log, door=LINKED)
    first, again = events(log)
    assert (first.name, first.leaf, first.trust) == ("opt_in_confirmed", OURS.leaf, VERIFIED)
    assert first.properties == {"message": OURS.activation}
    assert first.key == again.key, "said twice it counts once"
