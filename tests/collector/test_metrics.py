"""What Prometheus reads."""

import asyncio

from prometheus_client.parser import text_string_to_metric_families

from collector.application import Application
from collector.request import Request, Response
from tests.collector.doubles import DOOR, MemoryLog, post


def test_who_has_a_servers_key_reads_what_happened() -> None:
    async def story() -> list[Response]:
        app = Application(DOOR, MemoryLog())
        for _ in range(3):
            await app.answer(post("/v1/track", b'{"event":"Seen","anonymousId":"a1"}'))
        await app.answer(post("/v1/track", b'{"event":"Seen"}'))
        asked = [Request("GET", "/metrics", headers={b"authorization": b"Bearer " + key})
                 for key in (b"WRITE_KEY", b"BROWSER_KEY", b"no")]  # fmt: skip
        answers = [await app.answer(one) for one in asked]
        await app.close()
        return [answer for answer in answers if isinstance(answer, Response)]

    told, browser, nobody = asyncio.run(story())
    assert (browser.status, nobody.status) == (403, 401)
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(told.body.decode())
        for sample in family.samples
    }
    assert found["kairos_collector_events_total", "accepted"] == 3
    assert found["kairos_collector_events_total", "rejected"] == 1
    assert found["kairos_collector_requests_total", "200"] == 3
    assert found["kairos_collector_requests_total", "400"] == 1
    assert found["kairos_collector_ack_seconds_count",] == 4
    assert found["kairos_collector_ready",] == 1
    assert found["kairos_collector_waiting_bytes",] == 0
