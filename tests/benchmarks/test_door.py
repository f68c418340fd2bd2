import shutil

import msgspec
import pytest

from benchmarks import door, wrk
from benchmarks.bed import BenchError
from benchmarks.generator import BATCH
from benchmarks.workload import ROUND
from kairos.commands.bench import command
from tests.shared import LONG, lacking


@LONG
def test_a_short_run_finds_every_event_in_the_log() -> None:
    if why := wrk.missing():
        lacking(why)
    found = door.measure(seconds=1)
    assert found.events > 1_000
    for figure in ("batch50_events_per_s", "single_requests_per_s", "cpu_us_per_event"):
        assert getattr(found, figure) > 0
        assert getattr(found, f"native_{figure}") > 0
    assert 0 < found.native_ack_p50_ms <= found.native_ack_p99_ms
    assert found.bare_uvicorn_requests_per_s > 0
    assert "bare uvicorn" in door.told(msgspec.to_builtins(found))


def test_without_wrk_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert shutil.which("wrk") is None
    assert command("collector", runs=1) == 2
    assert "apt-get install wrk" in capsys.readouterr().err


@pytest.mark.parametrize("events", [1, BATCH])
def test_every_event_of_a_request_gets_an_id_of_its_own(events: int) -> None:
    made = wrk.bodies(events, 1_800_000_000_000, seed=1)
    ids = []
    for body in made:
        sent = msgspec.json.decode(body.replace(ROUND, b"-7-"))
        ids += [call["messageId"] for call in (sent["batch"] if events > 1 else [sent])]
    assert len(set(ids)) == len(ids) == events * len(made)
    assert all("-7-" in one for one in ids)


@pytest.mark.parametrize(
    ("accepted", "stored", "different"),
    [(500, 499, 499), (499, 499, 499), (701, 701, 701), (600, 600, 599), (650, 600, 600)],
)
def test_a_log_that_does_not_hold_what_was_answered_gives_no_figure(
    accepted: int, stored: int, different: int
) -> None:
    door.balance(500, 700, 600, 600, 600)
    with pytest.raises(BenchError, match=f"the log holds {stored}"):
        door.balance(500, 700, accepted, stored, different)
