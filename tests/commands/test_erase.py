"""`kairos erase` against a running engine."""

import pytest
import redis

from kairos.commands.erase import command as erase
from kairos.commands.profile import command as profile
from kairos.figures import Gauge
from tests.commands.conftest import Site, Told

WHO = {"userId": "zoe-zimmer", "anonymousId": "zoe-zimmers-phone"}


def remains(site: Site) -> list[bytes]:
    """Keys of the ledger that name her, or whose value does."""
    client = redis.Redis.from_url(site.stack.settings.ledger)
    found = [
        key
        for key in client.scan_iter(count=1000)
        if b"zoe" in key or b"zoe-zimmer" in (client.dump(key) or b"")
    ]
    client.close()
    return found


def test_a_person_is_erased_and_their_later_events_are_dropped(
    site: Site, told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    traits = {"email": "zoe.zimmer@shop.example"}
    site.send({"type": "identify", **WHO, "traits": traits, "messageId": "z1"})
    assert erase("zoe-zimmer", data=site.data) == 0
    assert "say it again with --yes" in capsys.readouterr().out
    assert site.profile("zoe-zimmer").events == 1

    address = "email:zoe.zimmer@shop.example"
    assert erase(address, yes=True, by="officer", data=site.data, json=True) == 0
    said = told()
    assert (said["erased"], said["events"], len(said["identifiers"])) == (True, 1, 3)
    assert profile("zoe-zimmer", data=site.data) == 1

    site.send({"type": "track", "event": "Seen", **WHO, "messageId": "z2"})
    site.settle()
    gauge = Gauge(site.stack.settings)
    assert gauge.read().counts["erased"] == 1
    gauge.close()
    assert remains(site) == []


def test_nobody_is_erased_by_a_word_that_means_nobody(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert erase("nobody-at-all", yes=True, data=site.data) == 1
    assert "with its type" in capsys.readouterr().err
    assert erase("user_id:nobody-at-all", yes=True, data=site.data) == 0
