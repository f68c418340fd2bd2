"""Voucher pools: a code is given once, and a message has one code, whatever dies in between."""

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.delivery.vouchers import FILE, Added, Stock, Vouchers, VouchersUnusableError, Wanted

ROOT = Path(__file__).parents[2]
DAY = 86_400_000
POOLS = st.sampled_from(["summer", "winter"])
CODES = st.lists(st.sampled_from([f"S-{n}" for n in range(12)]), unique=True)
WISHES = st.lists(st.builds(Wanted, POOLS, st.sampled_from("abcdef")), max_size=6)
ADDING = st.tuples(st.just("add"), POOLS, CODES)
TAKING = st.tuples(st.just("take"), st.none(), WISHES)
DROPPING = st.tuples(st.just("drop"), POOLS, st.none())
REOPENING = st.tuples(st.just("reopen"), st.none(), st.none())


class Model:
    """The same in dicts."""

    def __init__(self) -> None:
        self.unused: dict[str, list[str]] = {"summer": [], "winter": []}
        self.given: dict[Wanted, str] = {}

    def add(self, pool: str, codes: list[str]) -> Added:
        own = {*self.unused[pool], *(c for w, c in self.given.items() if w.pool == pool)}
        known = {*self.given.values(), *(c for some in self.unused.values() for c in some)}
        new = [code for code in codes if code not in known]
        self.unused[pool] += new
        here = len(own & set(codes))
        return Added(len(new), here, len(codes) - len(new) - here)

    def take(self, wanted: list[Wanted]) -> dict[Wanted, str]:
        for one in wanted:
            if one not in self.given and self.unused[one.pool]:
                self.given[one] = self.unused[one.pool].pop(0)
        return {one: self.given[one] for one in wanted if one in self.given}

    def drop(self, pool: str) -> int:
        gone, self.unused[pool] = len(self.unused[pool]), []
        return gone

    def stocks(self) -> list[Stock]:
        used = [one.pool for one in self.given]
        counts = [(p, len(some), used.count(p)) for p, some in self.unused.items()]
        return [Stock(p, left, n, n) for p, left, n in counts if left or n]


@settings(max_examples=50)  # each writes to the disk
@given(st.lists(st.one_of(ADDING, TAKING, DROPPING, REOPENING), max_size=12))
def test_whatever_is_done_it_is_what_dicts_would_do(
    tmp_path_factory: pytest.TempPathFactory, doings: list[tuple[str, str, list[str]]]
) -> None:
    folder, model = tmp_path_factory.mktemp("pools"), Model()
    vouchers = Vouchers(folder)
    for what, pool, some in doings:
        match what:
            case "add":
                assert vouchers.add(pool, some) == model.add(pool, some)
            case "take":
                wanted = [Wanted._make(one) for one in some]
                assert vouchers.take(wanted, DAY) == model.take(wanted)
            case "drop":
                assert vouchers.drop(pool) == model.drop(pool)
            case "reopen":
                vouchers.close()
    assert vouchers.stocks(DAY) == model.stocks()
    vouchers.close()


def filled(folder: Path, n: int, pool: str = "summer") -> Vouchers:
    vouchers = Vouchers(folder)
    vouchers.add(pool, [f"S-{k}" for k in range(n)])
    return vouchers


def test_the_oldest_code_goes_first_and_who_asks_again_has_the_same(tmp_path: Path) -> None:
    with closing(filled(tmp_path, 2)) as vouchers:
        a, b, c = (Wanted("summer", name) for name in "abc")
        assert vouchers.take([b, a, c, b], 1) == {b: "S-0", a: "S-1"}
        vouchers.add("summer", ["S-2"])
        assert vouchers.take([a, c], 1) == {a: "S-1", c: "S-2"}


def test_codes_used_in_the_last_day_are_counted(tmp_path: Path) -> None:
    with closing(filled(tmp_path, 4)) as vouchers:
        for at in (0, 1, DAY):
            vouchers.take([Wanted("summer", str(at))], at)
        assert vouchers.stocks(DAY) == [Stock("summer", 1, 3, 2)]


def test_without_a_file_pools_are_empty_and_none_is_made(tmp_path: Path) -> None:
    with closing(Vouchers(tmp_path)) as vouchers:
        assert vouchers.take([Wanted("summer", "a")], 1) == {}
        assert vouchers.stocks(1) == []
        assert vouchers.drop("summer") == 0
    assert not list(tmp_path.iterdir())


def test_a_code_of_one_pool_is_none_of_another(tmp_path: Path) -> None:
    with closing(filled(tmp_path, 3)) as vouchers:
        vouchers.take([Wanted("summer", "a")], 1)
        assert vouchers.add("winter", ["S-0", "S-1", "W-1"]) == Added(1, 0, 2)
        vouchers.drop("summer")
        assert vouchers.add("winter", ["S-0", "S-1"]) == Added(1, 0, 1), "S-0 was given"


def damaged(path: Path) -> None:
    path.write_bytes(b"not a database" * 100)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 2")


def full(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(
            "CREATE TRIGGER full BEFORE UPDATE ON code BEGIN SELECT raise(FAIL, 'full'); END"
        )


@pytest.mark.parametrize("trouble", [damaged, empty, newer, full])
def test_nobody_has_a_code_of_a_file_in_trouble_and_everybody_once_it_is_mended(
    tmp_path: Path, trouble: Callable[[Path], None]
) -> None:
    filled(tmp_path, 2).close()
    whole = (tmp_path / FILE).read_bytes()
    trouble(tmp_path / FILE)
    with closing(Vouchers(tmp_path)) as vouchers:
        with pytest.raises(VouchersUnusableError, match=r"^vouchers\.db cannot be used"):
            vouchers.take([Wanted("summer", "a")], 1)
        (tmp_path / FILE).write_bytes(whole)
        assert vouchers.take([Wanted("summer", "a")], 1) == {Wanted("summer", "a"): "S-0"}


def test_two_that_make_the_file_at_once_have_one(tmp_path: Path) -> None:
    for n in range(20):
        both = [Vouchers(tmp_path / str(n)) for _ in range(2)]
        adding = [
            threading.Thread(target=v.add, args=("summer", [f"{k}-{c}" for c in range(3)]))
            for k, v in enumerate(both)
        ]
        for thread in adding:
            thread.start()
        for thread in adding:
            thread.join()
        assert both[0].stocks(1) == [Stock("summer", 6, 0, 0)]
        for vouchers in both:
            vouchers.close()


def taker(folder: Path, first: int, said: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.channels.taker", str(folder), str(first), said.suffix]
    with said.open("wb") as output:
        return subprocess.Popen(command, cwd=ROOT, stdout=output)


def test_processes_that_share_a_pool_and_are_killed_give_no_code_twice(tmp_path: Path) -> None:
    vouchers, draw, first = filled(tmp_path, 100_000), Random(1), 0
    for nth in range(8):
        files = [tmp_path / f"said-{nth}.{k}" for k in range(2)]
        takers = [taker(tmp_path, first, file) for file in files]
        most = draw.randrange(4_000, 9_000)
        try:
            while min(file.stat().st_size for file in files) <= most:
                assert [process.poll() for process in takers] == [None, None], "neither ended"
                time.sleep(0.001)
        finally:
            for process in takers:
                process.kill()
                process.wait()
        # From the middle of those that were served, so that some are asked for once more.
        first += min(file.read_bytes().count(b"\n") for file in files) // 10
    codes: dict[str, set[str]] = {}
    for file in tmp_path.glob("said-*"):
        for line in file.read_text().rpartition("\n")[0].splitlines():  # a last one may be cut
            activation, code = line.split()
            codes.setdefault(activation, set()).add(code)
    assert len(codes) > 400
    assert {len(one) for one in codes.values()} == {1}, "a message has one code"
    assert len(set().union(*codes.values())) == len(codes), "a code has one message"
    again = vouchers.take([Wanted("summer", activation) for activation in codes], 1)
    assert {one.activation: {code} for one, code in again.items()} == codes, "and keeps it"
    vouchers.close()
