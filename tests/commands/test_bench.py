"""`kairos bench`: what is wrong is found before the first run, what was measured is never lost."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from benchmarks.base import Options
from benchmarks.bed import BenchError
from benchmarks.machine import Machine
from benchmarks.report import Report, report
from events.sources.base import LogUnavailableError
from kairos.commands import bench
from kairos.commands.bench import INTERRUPTED, command
from kairos.embedded.stack import StackError
from kairos.figures import FiguresError

PNG = b"\x89PNG\r\n\x1a\n"
RUN: dict[str, Any] = {
    "cpu_percent": 2.0,
    "rss_mb": 250.0,
    "memory": "pss",
    "processes": 6,
    "seconds": 1.0,
}


class Scripted:
    """A benchmark whose runs come to what a test says, or fail with it."""

    def __init__(self, *script: float | BaseException) -> None:
        self.script = list(script)

    def once(self, options: Options) -> dict[str, Any]:
        assert options.seconds > 0
        if not self.script:
            pytest.fail("a run was begun")
        found = self.script.pop(0)
        if isinstance(found, BaseException):
            raise found
        return {**RUN, "rss_mb": found}

    def told(self, found: dict[str, Any]) -> str:
        return f"{found['rss_mb']} MB"


Script = Callable[..., Scripted]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Puts a scripted benchmark in the place of every one."""

    def put(*runs: float | BaseException) -> Scripted:
        scripted = Scripted(*runs)
        for name in bench.BENCHMARKS:
            monkeypatch.setitem(bench.BENCHMARKS, name, scripted)
        return scripted

    return put


def saved(path: Path, what: str = "idle", **figures: float) -> Path:
    machine = Machine("EPYC", 2, 25.0, "Linux 6", "3.11", "9.1")
    done = report(what, [{"cpu_percent": 2.0, "rss_mb": 250.0, **figures}], machine, "0.1", "")
    path.write_bytes(msgspec.json.encode(done))
    return path


def last_line(text: str) -> dict[str, Any]:
    line: dict[str, Any] = orjson.loads(text.splitlines()[-1])
    return line


def test_a_real_one_measures_saves_draws_and_compares(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, picture, text = tmp_path / "r.json", tmp_path / "r.png", tmp_path / "r.prom"
    code = command("idle", runs=1, seconds=1, json=True, save=kept, plot=picture, prometheus=text)
    said = capsys.readouterr()
    assert code == 0
    assert {"cpu_percent", "rss_mb", "machine", "version", "seconds", "runs", "spread"} <= set(
        last_line(said.out)
    )
    assert said.err.startswith("run 1 of 1: ")
    assert "for 7 processes" in said.err
    assert picture.read_bytes().startswith(PNG)
    assert "kairos_bench_idle_rss_mb" in text.read_text(encoding="utf-8")
    assert msgspec.json.decode(kept.read_bytes(), type=Report).figures["processes"] == 7


def test_a_figure_that_got_worse_is_exit_code_1(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script(500.0)
    before = saved(tmp_path / "r.json")
    assert command("idle", runs=1, json=True, compare=before) == 1
    assert last_line(capsys.readouterr().out)["worse"] == ["rss_mb"]


@pytest.mark.parametrize("json", [False, True])
def test_each_run_is_said_as_it_ends(
    script: Script, capsys: pytest.CaptureFixture[str], json: bool
) -> None:
    script(1.0, 2.0, 3.0)
    assert command("idle", runs=3, json=json) == 0
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "run 1 of 3: 1.0 MB",
        "run 2 of 3: 2.0 MB",
        "run 3 of 3: 3.0 MB",
    ]
    assert "(1.00 to 3.00)" in said.out


@pytest.mark.parametrize("json", [False, True])
def test_ctrl_c_leaves_what_was_measured(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str], json: bool
) -> None:
    script(1.0, 2.0, 9.0, KeyboardInterrupt())
    target = tmp_path / "r.json"
    assert command("idle", runs=5, json=json, save=target) == INTERRUPTED
    said = capsys.readouterr()
    assert "run 3 of 5: 9.0 MB" in said.err
    assert "idle, 3 runs; median (minimum to maximum)" in said.err
    assert "(1.00 to 9.00)" in said.err
    assert "interrupted after 3 of 5 runs" in said.err
    assert not target.exists()
    if json:
        assert "3 of 5" in last_line(said.out)["error"]


@pytest.mark.parametrize(
    ("failure", "code", "word"),
    [
        (BenchError("wrong facts"), 1, "wrong facts"),
        (FiguresError("Connection refused"), 1, "the stack failed during the run: Connection"),
        (LogUnavailableError("OOM"), 1, "the stack failed during the run: OOM"),
        (StackError("live is not ready"), 2, "live is not ready"),
        (OSError(28, "No space left on device"), 2, "[Errno 28] No space left"),
    ],
)
def test_a_run_that_fails_says_why_and_keeps_those_before(
    script: Script, failure: Exception, code: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    script(1.0, failure)
    assert command("idle", runs=2, json=True) == code
    said = capsys.readouterr()
    assert said.err.startswith("run 1 of 2: 1.0 MB\n")
    assert f"kairos bench: {word}" in said.err
    assert word in last_line(said.out)["error"]


class TestBeforeTheFirstRun:
    """Each of these would be found after an hour, or never."""

    @pytest.fixture(autouse=True)
    def _no_run(self, script: Script) -> None:
        script()

    def refused(self, capsys: pytest.CaptureFixture[str], what: str, **options: Any) -> str:
        assert command(what, **options) == 2  # type: ignore[arg-type]
        said = capsys.readouterr()
        assert said.out == ""
        return said.err

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("runs", 0),
            ("rate", 0),
            ("rate", -5),
            ("events", 0),
            ("seconds", 0),
            ("seconds", float("inf")),
            ("tolerance", float("nan")),
        ],
    )
    def test_a_number_that_is_none(
        self, option: str, value: float, capsys: pytest.CaptureFixture[str]
    ) -> None:
        said = self.refused(capsys, "latency", **{option: value})
        assert said == f"kairos bench: --{option}: a number above 0 was expected, found {value:g}\n"

    def test_options_that_do_not_go_together(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "--profile" in self.refused(capsys, "idle", profile=Path("p"))
        assert "--seconds 3" in self.refused(capsys, "throughput", seconds=3)

    def test_a_torture_that_does_nothing(self, capsys: pytest.CaptureFixture[str]) -> None:
        said = self.refused(capsys, "torture", kills=0, power_cuts=0)
        assert "--kills, --power-cuts, --points: one above 0 was expected" in said
        assert "--kills: 0 or a number" in self.refused(capsys, "torture", kills=-1)

    def test_a_power_cut_without_a_compiler(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("PATH", "/nowhere")
        said = self.refused(capsys, "torture", power_cuts=3)
        assert "--power-cuts 3: a power cut needs a C compiler" in said
        assert "--power-cuts 0" in said

    def test_nothing_to_compare_with(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        nowhere = tmp_path / "nowhere.json"
        said = self.refused(capsys, "idle", compare=nowhere)
        assert f"--compare {nowhere}" in said
        assert "No such file" in said
        assert f"`kairos bench idle --save {nowhere}` makes one" in said

    @pytest.mark.parametrize("text", ["", "not JSON", "{}", '{"what": "idle", "figures": 7}'])
    def test_something_else_to_compare_with(
        self, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        page = tmp_path / "page.json"
        page.write_text(text, encoding="utf-8")
        said = self.refused(capsys, "idle", compare=page)
        assert f"--compare {page}: a report of the same question was expected, found some" in said

    def test_another_question_to_compare_with(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = saved(tmp_path / "r.json", "idle")
        assert "of idle, and this is latency" in self.refused(capsys, "latency", compare=before)
        names = ("p50_ms", "p99_ms", "p999_ms", "hiccup_p99_ms")
        figures = {**dict.fromkeys(names, 1.0), "rate": 100.0, "seconds": 12.0}
        before = saved(tmp_path / "r.json", "latency", **figures)
        said = self.refused(capsys, "latency", rate=100, compare=before)
        assert "of --seconds 12, and this is --seconds 300" in said

    @pytest.mark.parametrize("option", ["save", "plot", "prometheus", "profile"])
    def test_a_target_that_cannot_be_written(
        self, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for target in (tmp_path / "no folder" / "it", tmp_path, Path("/proc/it")):
            said = self.refused(capsys, "throughput", **{option: target})
            assert f"--{option} {target}: a file that can be written was expected" in said

    def test_a_page_that_is_not_there_or_has_no_section(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        page = tmp_path / "page.md"
        said = self.refused(capsys, "idle", results=page)
        assert f"--results {page}: a page was expected" in said
        page.write_text("# Mine\n", encoding="utf-8")
        said = self.refused(capsys, "idle", results=page)
        assert f"--results {page}: a section between <!-- idle --> and <!-- end of idle -->" in said

    def test_no_matplotlib(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
        said = self.refused(capsys, "idle", plot=tmp_path / "it.png")
        assert "--plot: matplotlib was expected" in said
        assert "kairos-cdp[plots]" in said


def test_looking_whether_a_target_can_be_written_leaves_no_trace(
    script: Script, tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("mine", encoding="utf-8")
    script(BenchError("no"))
    assert command("idle", runs=1, save=old, prometheus=new) == 1
    assert old.read_text(encoding="utf-8") == "mine"
    assert not new.exists()


def test_a_promise_that_did_not_hold_is_said_and_fails(
    script: Script, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script(1.0, 1.0)
    assert command("idle", runs=1) == 0
    monkeypatch.setitem(RUN, "wrong", ["lost: 3"])
    assert command("idle", runs=1, json=True) == 1
    said = capsys.readouterr()
    assert "a promise did not hold: lost: 3" in said.err
    assert last_line(said.out)["runs"][0]["wrong"] == ["lost: 3"]
