"""R1: what got a 200 outlives a power cut, through the real collector and the real log."""

from pathlib import Path

import httpx

from benchmarks.torture import workspace
from benchmarks.torture.rig import missing
from benchmarks.torture.stand import Stand
from events.record import Event, decode
from flows.open import open_log
from tests.shared import lacking


def test_r1_all_of_500_confirmed_events_are_there_after_a_power_cut(tmp_path: Path) -> None:
    if why := missing():
        lacking(why)
    batch = [
        {"type": "track", "event": "seen", "anonymousId": f"r{n % 9}", "messageId": f"r1-{n}"}
        for n in range(500)
    ]
    with Stand(tmp_path, workspace.write(tmp_path / "shop"), {}, rigged=True) as stand:
        answer = httpx.post(f"{stand.url}/v1/batch", json={"batch": batch}, auth=(stand.key, ""))
        assert answer.status_code == 200
        stand.power_cut("log", None)
        stand.serving("log")
        log = open_log(stand.settings.log)
        there = {
            record.message_id
            for entry in log.read(0, -1, 100_000, 0)
            for record in decode(entry.payload)
            if isinstance(record, Event)
        }
        log.close()
    assert there == {event["messageId"] for event in batch}
