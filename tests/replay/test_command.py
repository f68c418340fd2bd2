"""`kairos replay` as a user meets it."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from kairos.commands.replay import command

ROW = '{"type":"track","event":"Seen","userId":"u%d","timestamp":"%s"}\n'


class Collector:
    """A collector that answers what it is told, and keeps what it got."""

    def __init__(self, server: HTTPServer) -> None:
        server.clear()
        self.answers: list[Response] = []
        self.batches: list[dict[str, object]] = []
        self.url = server.url_for("/replay").removesuffix("/replay")
        server.expect_request("/v1/batch").respond_with_handler(self._answer)

    def _answer(self, request: Request) -> Response:
        if self.answers:
            return self.answers.pop(0)
        batch = orjson.loads(request.get_data())
        self.batches.append(batch)
        told = {"success": True, "accepted": len(batch["batch"])}
        return Response(orjson.dumps(told), content_type="application/json")


@pytest.fixture
def collector(httpserver: HTTPServer) -> Collector:
    return Collector(httpserver)


def a_file(folder: Path, *instants: datetime) -> Path:
    path = folder / "two events.jsonl"
    path.write_text("".join(ROW % (n, t.isoformat()) for n, t in enumerate(instants)))
    return path


LONG_AGO = datetime(2019, 10, 1, tzinfo=UTC)


def test_a_file_is_an_import_that_keeps_its_times(
    tmp_path: Path, collector: Collector, capsys: pytest.CaptureFixture[str]
) -> None:
    file = a_file(tmp_path, LONG_AGO)
    assert command(file, url=collector.url, key="k", json=True) == 0
    (batch,) = collector.batches
    assert batch["importId"] == "two-events.jsonl"
    assert batch["batch"][0]["timestamp"] == "2019-10-01T00:00:00.000Z"  # type: ignore[index]
    assert orjson.loads(capsys.readouterr().out.splitlines()[-1])["accepted"] == 1


def test_shifted_events_happen_now_and_what_is_older_than_a_month_is_history(
    tmp_path: Path, collector: Collector
) -> None:
    file = a_file(tmp_path, LONG_AGO, LONG_AGO + timedelta(days=40), LONG_AGO + timedelta(days=41))
    before = time.time()
    assert command(file, url=collector.url, key="k", shift=True) == 0
    old, new = collector.batches
    assert ("importId" in old, "importId" in new) == (True, False)
    last = datetime.fromisoformat(new["batch"][1]["timestamp"])  # type: ignore[index]
    assert before - 1 < last.timestamp() < time.time() + 1


def test_speed_keeps_the_pauses_of_the_file(tmp_path: Path, collector: Collector) -> None:
    file = a_file(tmp_path, LONG_AGO + timedelta(minutes=1), LONG_AGO)
    started = time.monotonic()
    assert command(file, url=collector.url, key="k", speed=120) == 0
    assert time.monotonic() - started >= 0.5
    assert [len(b["batch"]) for b in collector.batches] == [1, 1]  # type: ignore[arg-type]
    assert "00:00:00" in str(collector.batches[0]), "the earlier one first"


def test_a_collector_that_is_busy_is_asked_again(tmp_path: Path, collector: Collector) -> None:
    collector.answers = [Response(status=503, headers={"Retry-After": "1"}), Response(status=429)]
    assert command(a_file(tmp_path, LONG_AGO), url=collector.url, key="k") == 0
    assert len(collector.batches) == 1


def test_a_wrong_key_ends_it_with_the_reason(
    tmp_path: Path, collector: Collector, capsys: pytest.CaptureFixture[str]
) -> None:
    collector.answers = [Response('{"code":"unknown_write_key"}', status=401)]
    assert command(a_file(tmp_path, LONG_AGO), url=collector.url, key="k") == 2
    assert "401" in (said := capsys.readouterr().err)
    assert "unknown_write_key" in said


def test_what_is_not_accepted_is_named_by_its_line(
    tmp_path: Path, collector: Collector, capsys: pytest.CaptureFixture[str]
) -> None:
    file = a_file(tmp_path, LONG_AGO)
    with file.open("a") as more:
        more.write("no json\n")
        more.write(ROW % (7, "2019-10-02"))
    refusal = {"index": 1, "message_id": "", "code": "no_identifier", "message": "who?"}
    told = {"success": True, "accepted": 1, "rejected": [refusal]}
    collector.answers = [Response(orjson.dumps(told), content_type="application/json")]
    assert command(file, url=collector.url, key="k") == 1
    said = capsys.readouterr().out
    assert "line 2: not JSON" in said
    assert "line 3: no_identifier: who?" in said


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"rate": 1.0, "speed": 1.0}, "give one of them"),
        ({"rate": 0.0}, "above 0"),
        ({"clock": "file", "shift": True}, "give one of them"),
        ({"stay": True}, "belong to --clock file"),
        ({"clock": "file", "run_on": "soon"}, "a duration such as"),
        ({}, "a server write key is needed"),
    ],
)
def test_options_that_do_not_go_together_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: dict[str, object], says: str
) -> None:
    assert command(a_file(tmp_path, LONG_AGO), **options) == 2  # type: ignore[arg-type]
    assert says in capsys.readouterr().err


def test_a_folder_with_something_in_it_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    (data / "log").mkdir(parents=True)
    assert command(a_file(tmp_path, LONG_AGO), clock="file", data=data) == 2
    assert "is not empty" in capsys.readouterr().err
