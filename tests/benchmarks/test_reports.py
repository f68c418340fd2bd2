"""From runs to an answer: medians, comparison, Prometheus, pictures, the page."""

import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import plots, results
from benchmarks.base import AskedError
from benchmarks.compare import FIGURES, comparable, compared, too_bad
from benchmarks.door import Door
from benchmarks.endurance import Endurance
from benchmarks.exposition import prometheus
from benchmarks.idle import Idle
from benchmarks.latency import Latency
from benchmarks.machine import Machine, this_machine
from benchmarks.quantiles import CURVE, hiccups, quantiles
from benchmarks.report import Report, described, report
from benchmarks.scale import Scale
from benchmarks.throughput import Throughput
from benchmarks.torture.run import Torture
from benchmarks.variety import Many

MACHINE = Machine('a "fast" one', 2, 25.0, "Linux 6", "3.11", "9.1")
PNG = b"\x89PNG\r\n\x1a\n"
PAGE = Path(results.__file__).with_name("RESULTS.md")


def idle(*rss: float, what: str = "idle") -> Report:
    runs = [{"cpu_percent": 2.0, "rss_mb": mb, "memory": "pss"} for mb in rss]
    return report(what, runs, MACHINE, "0.1", "2026-11-25T00:00:00Z")


def throughput(per_s: float, events: int = 1000) -> Report:
    run = {"events_per_s": per_s, "cpu_us_per_event": 10.0, "events": events}
    return report("throughput", [run], MACHINE, "0.1", "2026-11-25T00:00:00Z")


def torture(seconds: float) -> Report:
    run = {"recovery_p99_s": seconds, "recovery_max_s": seconds, "lost": 0, "wrong": []}
    return report("torture", [run], MACHINE, "0.1", "2026-11-25T00:00:00Z")


def latency(*p99: float) -> Report:
    curve = [float(n + 1) for n in range(len(CURVE))]
    run = {
        "rate": 100.0,
        "p50_ms": 2.0,
        "max_ms": 90.0,
        "measured": 500,
        "curve_ms": curve,
        "hiccup_curve_ms": curve,
    }
    runs = [{**run, "p99_ms": ms} for ms in p99]
    return report("latency", runs, MACHINE, "0.1", "2026-11-25T00:00:00Z")


def test_the_median_counts_and_the_extremes_stand_beside_it() -> None:
    done = idle(100, 900, 200)
    assert done.figures["rss_mb"] == 200
    assert (done.spread["rss_mb"].min, done.spread["rss_mb"].max) == (100, 900)
    assert "memory" not in done.figures


def test_a_saved_report_reads_back() -> None:
    done = idle(100, 200)
    assert msgspec.json.decode(msgspec.json.encode(done), type=Report) == done


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("throughput", Throughput),
        ("latency", Latency),
        ("scale", Scale),
        ("triggers", Many),
        ("endurance", Endurance),
        ("idle", Idle),
        ("collector", Door),
        ("torture", Torture),
    ],
)
def test_what_is_compared_is_what_is_measured(what: str, kind: type[msgspec.Struct]) -> None:
    assert set(FIGURES[what]) <= set(kind.__struct_fields__)


def test_less_throughput_is_worse_and_so_is_more_memory() -> None:
    (per_s, cpu) = compared(throughput(500), throughput(1000))
    assert (per_s.worse, cpu.worse) == (2.0, 1.0)
    assert [r.figure for r in too_bad([per_s, cpu], 1.5)] == ["events_per_s"]
    assert [r.figure for r in too_bad(list(compared(idle(200), idle(100))), 1.5)] == ["rss_mb"]
    assert too_bad(list(compared(idle(140), idle(100))), 1.5) == []


def test_a_report_of_another_question_is_refused() -> None:
    with pytest.raises(AskedError, match="of throughput, and this is idle"):
        comparable(throughput(1), "idle", {})
    with pytest.raises(AskedError, match="--events 1000, and this is --events 9"):
        comparable(throughput(1), "throughput", {"events": 9})
    with pytest.raises(AskedError, match="lacks hiccup_p99_ms, p999_ms"):
        comparable(latency(1), "latency", {})
    comparable(throughput(1), "throughput", {"events": 1000})


def test_prometheus_reads_its_text() -> None:
    families = {f.name: f for f in text_string_to_metric_families(prometheus(idle(100, 200, 900)))}
    samples = families["kairos_bench_idle_rss_mb"].samples
    assert {s.labels["stat"]: s.value for s in samples} == {"median": 200, "min": 100, "max": 900}
    assert samples[0].labels["cpu"] == MACHINE.cpu


@pytest.mark.parametrize(
    "done",
    [idle(100, 150), throughput(5), latency(9), latency(9, 30), torture(2)],
    ids=lambda d: d.what,
)
def test_every_report_can_be_drawn_whatever_its_file_is_called(
    done: Report, tmp_path: Path
) -> None:
    plots.plot(done, tmp_path / "it.picture")
    assert (tmp_path / "it.picture").read_bytes().startswith(PNG)


def test_a_picture_has_every_run_and_the_median() -> None:
    axes: Any = plots.empty().subplots()
    plots._bars(axes, idle(100, 900, 200), "rss_mb", "memory, MB")
    assert [bar.get_height() for bar in axes.patches] == [100, 900, 200]
    assert list(axes.lines[0].get_ydata()) == [200, 200]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("run", "memory, MB")

    axes = plots.empty().subplots()
    plots._points(axes, latency(9, 30, 12))
    drawn = [list(line.get_ydata()) for line in axes.lines]
    assert [9, 30, 12] in drawn
    assert [12, 12] in drawn


def test_every_benchmark_has_its_section_of_the_page(tmp_path: Path) -> None:
    page = tmp_path / "RESULTS.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    for what, figures in FIGURES.items():
        done = report(what, [dict.fromkeys(figures, 1.0)], MACHINE, "0.1.0", "2026-11-25")
        results.write(done, page)
        results.write(done, page)
    results.write(idle(100, 300), page)
    text = page.read_text(encoding="utf-8")
    assert text.count("| figure | median | minimum | maximum |") == len(FIGURES)
    assert "Not measured yet" not in text
    assert text.count("| `rss_mb` | 200.00 | 100.00 | 300.00 |") == 1


def test_a_bad_run_is_in_the_table_and_in_words() -> None:
    done = latency(9, 8, 7, 2500, 6)
    assert "| `p99_ms` | 8.00 | 6.00 | 2,500.00 |" in results.section(done)
    assert "5 runs" in results.section(done)
    assert "(6.00 to 2,500.00)" in described(done)


def test_a_small_share_keeps_its_digits() -> None:
    done = report("throughput", [{"share_sent": 0.022335}], MACHINE, "0.1", "")
    assert "| `share_sent` | 0.0223 | 0.0223 | 0.0223 |" in results.section(done)


def test_a_page_without_the_section_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    for text in ("# Something else\n", "<!-- end of idle -->\n<!-- idle -->\n"):
        page.write_text(text, encoding="utf-8")
        with pytest.raises(AskedError, match="<!-- idle -->"):
            results.write(idle(1), page)
        assert page.read_text(encoding="utf-8") == text


def test_quantiles_are_in_order_and_none_are_zeros() -> None:
    found = quantiles([float(n) for n in range(1001)])
    assert (found.count, found.p50, found.p99, found.p999) == (1001, 500, 990, 999)
    assert found.max == 1000
    assert quantiles([]).count == 0


def test_the_meter_sleeps_until_it_is_told() -> None:
    looks = iter([False, False, True])
    assert len(hiccups(lambda: next(looks))) == 200


def test_this_machine_says_what_it_is() -> None:
    found = this_machine()
    assert found.cores >= 1
    assert found.valkey[0].isdigit()
    assert found.python == ".".join(map(str, sys.version_info[:3]))


def test_no_figure_is_hidden_by_a_word_about_the_report() -> None:
    words = set(Report.__struct_fields__)
    for kind in (Throughput, Latency, Idle, Torture):
        assert not words & set(kind.__struct_fields__)
