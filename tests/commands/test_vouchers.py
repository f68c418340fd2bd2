"""`kairos vouchers` fills, lists and empties pools; `kairos doctor` says which run low."""

import io
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from channels.delivery.vouchers import FILE, Stock, Vouchers, Wanted
from events.sources.valkey import ValkeyLog
from flows.engine import Engine
from kairos.commands.preview import command as preview
from kairos.commands.vouchers import add, drop, list_
from kairos.doctor import engine
from kairos.parts.live import now_ms
from kairos.settings import Log, Settings
from profile_state.stores.redis import RedisStore
from tests.commands.conftest import Told
from tests.shop import ADDRESSES
from tests.triggers.test_vouchers import HELLO, POOLS

FILES = {
    "workspace.yaml": POOLS,
    "triggers/hello.yaml": HELLO,
    "templates/hello.liquid": "---\nsubject: Yours\n---\n<p>Your code: {{ voucher.summer }}</p>",
}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of an engine of which only the folder is there."""
    made = Settings(deliveries=tmp_path / "deliveries")
    for name, value in made.to_env().items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def codes(tmp_path: Path) -> Path:
    path = tmp_path / "codes.csv"
    path.write_text("code\nS-1\nS-2\nS-2\n\nS-3\n")
    return path


def used(settings: Settings, *activations: str, at: int = 1) -> None:
    with closing(Vouchers(settings.deliveries)) as vouchers:
        vouchers.take([Wanted("summer", one) for one in activations], at)


def test_codes_are_added_once_and_only_unused_ones_are_dropped(
    settings: Settings, codes: Path, told: Told
) -> None:
    assert add("summer", codes, json=True) == 0
    came = {"pool": "summer", "added": 3, "known": 0, "elsewhere": 0, "repeated": 1}
    assert told() == came
    used(settings, "a")
    assert add("summer", codes, json=True) == 0
    assert told() == {**came, "added": 0, "known": 3}
    assert add("winter", codes, json=True) == 0
    assert told() == {**came, "pool": "winter", "added": 0, "elsewhere": 3}
    assert list_(json=True) == 0
    assert told() == {"pools": [{"pool": "summer", "left": 2, "used": 1, "last_day": 0}]}
    assert drop("summer", json=True) == 0
    assert told() == {"pool": "summer", "dropped": 2}
    assert drop("summer", json=True) == 1
    assert add("winter", codes, json=True) == 0
    assert told() == {**came, "pool": "winter", "added": 2, "elsewhere": 1}


def test_people_read_it_in_lines(
    settings: Settings, codes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list_() == 0
    assert add("summer", codes) == 0
    used(settings, "a", at=now_ms())
    assert add("summer", codes) == add("winter", codes) == 0
    assert list_() == drop("summer") == 0
    assert capsys.readouterr().out.splitlines() == [
        "no pools yet; `kairos vouchers add POOL FILE` fills one",
        "3 added to summer",
        "1 in lines that said a code once more",
        "0 added to summer",
        "3 were in it already, given or not",
        "1 in lines that said a code once more",
        "0 added to winter",
        "3 are in another pool, and stay there",
        "1 in lines that said a code once more",
        "pool         left       used   last day",
        "summer          2          1          1",
        "2 dropped from summer",
    ]


@pytest.mark.parametrize(
    ("pool", "content", "said"),
    [
        ("summer", "A\nB,1\n", "line 2: one code was expected, found 2 columns; nothing was added"),
        ("Summer", "A\n", "a pool such as summer or summer_26 was expected, found 'Summer'"),
        ("summer", None, "cannot be read: No such file or directory"),
    ],
)
def test_what_is_no_file_of_codes_adds_nothing(
    settings: Settings, codes: Path, told: Told, pool: str, content: str | None, said: str
) -> None:
    codes.unlink() if content is None else codes.write_text(content)
    assert add(pool, codes, json=True) == 2
    assert said in told()["error"]
    assert not (settings.deliveries / FILE).exists()


def test_a_file_in_trouble_is_said_in_words(settings: Settings, codes: Path, told: Told) -> None:
    settings.deliveries.mkdir()
    (settings.deliveries / FILE).write_bytes(b"not a database" * 100)
    for code in (add("summer", codes, json=True), list_(json=True), drop("summer", json=True)):
        assert code == 2
    assert told()["error"] == "vouchers.db cannot be used: file is not a database"


def test_a_hundred_thousand_codes_are_added_in_seconds_from_standard_input(
    settings: Settings,
) -> None:
    lines = "".join(f"S-{n:08}\n" for n in range(100_000))
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "kairos", "vouchers", "add", "summer", "-"],
        input=lines.encode(),
        capture_output=True,
        check=True,
    )
    assert time.monotonic() - began < 15
    assert done.stdout == b"100,000 added to summer\n"
    with closing(Vouchers(settings.deliveries)) as vouchers:
        assert vouchers.stocks(1) == [Stock("summer", 100_000, 0, 0)]


def test_standard_input_that_is_no_text_is_said_in_words(
    settings: Settings, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"A\n\xff")))
    assert add("summer", Path("-"), json=True) == 2
    assert told()["error"] == (
        "-, line 2: UTF-8 was expected, found invalid start byte; nothing was added"
    )
    assert not settings.deliveries.exists()


@pytest.mark.parametrize(
    ("stock", "low", "state", "found"),
    [
        (Stock("summer", 0, 9, 9), 0, "warning", "none left: messages that need one wait"),
        (Stock("summer", 99, 0, 0), 100, "warning", "99 codes left, fewer than 100, the `low`"),
        (Stock("summer", 100, 0, 0), 100, "ok", "100 codes left"),
        (Stock("summer", 99, 900, 100), 0, "warning", "99 codes left, fewer than the last day"),
        (Stock("summer", 100, 900, 100), 0, "ok", "100 codes left"),
    ],
)
def test_a_pool_is_low_by_its_workspace_or_by_what_the_last_day_used(
    stock: Stock, low: int, state: str, found: str
) -> None:
    said = engine.stocked(stock, low)
    assert (said.what, said.state) == ("vouchers summer", state)
    assert said.found.startswith(found)


def test_the_doctor_looks_at_the_pools_of_the_workspace_in_force(
    valkey: Path, tmp_path: Path
) -> None:
    settings = Settings(
        Log(f"valkey://{valkey}?name=log"), f"unix://{valkey}?db=1", deliveries=tmp_path
    )
    log, store = ValkeyLog(settings.log.url), RedisStore(settings.ledger)
    running = Engine(log, store, ADDRESSES, clock=now_ms, monotonic=time.monotonic)
    running.recover()
    running.adopt(FILES)
    while entries := log.read(0, running.position, 100, 0):
        running.process(entries)
    running.drain()
    store.close()
    log.close()
    with closing(Vouchers(tmp_path)) as vouchers:
        vouchers.add("summer", [f"S-{n}" for n in range(120)])
        vouchers.add("elsewhere", ["E-1"])

    def found() -> dict[str, Any]:
        said = engine.findings(settings)
        return {one.what: (one.state, one.found) for one in said if "vouchers" in one.what}

    empty = ("warning", "none left: messages that need one wait")
    assert found() == {"vouchers summer": ("ok", "120 codes left"), "vouchers winter": empty}
    (tmp_path / FILE).write_bytes(b"not a database" * 100)
    [(what, (state, why))] = found().items()
    assert (what, state) == ("vouchers", "wrong")
    assert why.startswith("vouchers.db cannot be used")


def test_a_preview_shows_an_example(tmp_path: Path, told: Told) -> None:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    assert preview("hello", workspace=tmp_path, json=True) == 0
    assert told()["text"] == "Your code: EXAMPLE-CODE"
