"""Every ledger keeps the same promises."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from events.record import START, Build, Offset, Paused
from profile_state.copies.base import Seen
from profile_state.leaf import NEVER
from profile_state.stores.base import (
    READ,
    Chunk,
    FencedError,
    Loaded,
    Mark,
    Outputs,
    Position,
    Store,
    everybody,
)
from profile_state.stores.memory import MemoryStore, Shelf
from profile_state.stores.redis import RedisStore

Open = Callable[[], Store]


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest) -> Iterator[Open]:
    opened: list[Store] = []
    shelf = Shelf()
    url = f"unix://{request.getfixturevalue('valkey')}" if request.param == "redis" else ""

    def open_store() -> Store:
        made: Store = RedisStore(url) if url else MemoryStore(shelf)
        opened.append(made)
        return made

    yield open_store
    for made in opened:
        made.close()


def test_a_new_ledger_starts_before_every_record(store: Open) -> None:
    recovered = store().own()
    assert recovered.mark == Mark(START, {})
    assert recovered.seen == []


def test_what_is_written_is_read_back(store: Open) -> None:
    ledger = store()
    ledger.own()
    ledger.write(
        Chunk(
            people=[("p_1", b"one"), ("p_2", b"two")],
            dues=[("p_1", 500), ("p_2", NEVER)],
            index=[("user_id:u1", "p_1"), ("anonymous_id:ä b", "p_2")],
            counts={"applied": 2},
        )
    )
    assert ledger.settled(5) == ledger.sent == 1
    loaded = ledger.load(["user_id:u1", "user_id:nobody", "anonymous_id:ä b"], ["p_1", "p_3"])
    assert loaded.leads == {"user_id:u1": "p_1", "user_id:nobody": None, "anonymous_id:ä b": "p_2"}
    assert loaded.people == {"p_1": b"one"}
    assert ledger.due(0, NEVER) == ledger.due(500, 501) == [(500, "p_1")]
    assert ledger.due(0, 500) == ledger.due(501, NEVER) == []


def test_what_was_learnt_is_there_after_marks_that_say_it_again(store: Open) -> None:
    """It is sent as seldom as it changes, also by a writer that owns the partition anew."""
    learned = {"model ltv": {"r": 0.25}}
    ledger = store()
    ledger.own()
    for entry in (1, 2):
        ledger.mark(Mark(Offset(entry, 0), {}, learned=learned))
    assert ledger.settled(5) == ledger.sent
    assert store().own().mark.learned == learned
    other = store()
    other.own()
    other.mark(Mark(Offset(3, 0), {}, learned={**learned, "ranks": {"high": 2.0}}))
    assert other.settled(5) == other.sent
    ledger.own()
    ledger.mark(Mark(Offset(4, 0), {}, learned=learned))
    assert ledger.settled(5) == ledger.sent
    recovered = store().own().mark
    assert (recovered.offset, recovered.learned) == (Offset(4, 0), learned)


def test_loading_nothing_asks_nothing(store: Open) -> None:
    ledger = store()
    ledger.own()
    assert ledger.load([], []) == ({}, {})


def test_what_is_added_stands_behind_what_is_there(store: Open) -> None:
    ledger = store()
    ledger.own()
    ledger.write(Chunk(people=[("p_1", b"one")], dues=[("p_1", 500)]))
    ledger.write(Chunk(people=[("p_2", b"two")], added=[("p_1", b", more")]))
    ledger.write(Chunk(added=[("p_1", b" and more"), ("p_2", b"!")], dues=[("p_1", 700)]))
    ledger.settled(5)
    assert ledger.load([], ["p_1", "p_2"]).people == {"p_1": b"one, more and more", "p_2": b"two!"}
    assert ledger.due(0, NEVER) == [(700, "p_1")]
    ledger.write(Chunk(people=[("p_1", b"anew")]))
    ledger.settled(5)
    assert ledger.load([], ["p_1"]).people == {"p_1": b"anew"}


def test_someone_who_is_no_more_is_gone_with_their_timer(store: Open) -> None:
    ledger = store()
    ledger.own()
    ledger.write(
        Chunk(people=[("p_1", b"one")], dues=[("p_1", 500)], index=[("user_id:u1", "p_1")])
    )
    ledger.write(
        Chunk(
            people=[("p_2", b"two")],
            dues=[("p_2", NEVER)],
            removed=["p_1"],
            index=[("user_id:u1", "p_2")],
        )
    )
    ledger.settled(5)
    assert ledger.load(["user_id:u1"], ["p_1", "p_2"]) == ({"user_id:u1": "p_2"}, {"p_2": b"two"})
    assert ledger.due(0, NEVER) == []


def test_a_timer_that_is_no_more_is_forgotten(store: Open) -> None:
    ledger = store()
    ledger.own()
    ledger.write(Chunk(people=[("p_1", b"one")], dues=[("p_1", 500)]))
    ledger.write(Chunk(people=[("p_1", b"one")], dues=[("p_1", NEVER)]))
    ledger.settled(5)
    assert ledger.due(0, NEVER) == []


def test_the_mark_and_the_first_copies_survive_their_writer(store: Open) -> None:
    ledger = store()
    ledger.own()
    copies = [Seen(Offset(7, 0), b"k" * 16, b"d" * 8), Seen(Offset(7, 3), b"l" * 16, b"e" * 8)]
    ledger.put(Outputs(seen=copies))
    ledger.put(Outputs(seen=[Seen(Offset(8, 0), b"m" * 16, b"f" * 8)]))
    for failures in (b"one", b"two"):
        ledger.put(Outputs(failures=failures))
    ledger.put(Outputs(withdrawals=[("p_1", "marketing", "email", 5)]))
    mark = Mark(
        Offset(7, 3),
        {"workspace.yaml": "workspace: a"},
        build=Build("0.2.0", "2026.2"),
        now=5,
        in_use=(("welcome", "v1"), ("welcome", "v2")),
        learned={"ranks": {"ltv is high": 120.5}},
        paused=(Paused("welcome", "v2", "ValueError in if_0: here"),),
    )
    ledger.mark(mark)
    ledger.settled(5)
    recovered = store().own()
    assert recovered.mark == mark
    assert recovered.seen == [*copies, Seen(Offset(8, 0), b"m" * 16, b"f" * 8)]
    assert recovered.failures == b"two"


def test_people_are_found_by_their_places_until_they_are_no_more(store: Open) -> None:
    ledger = store()
    ledger.own()
    ids = ["p_000aa", "p_001bb", "p_fffcc"]
    ledger.write(Chunk(people=[(p, b"x") for p in ids], index=[(f"user_id:{p}", p) for p in ids]))
    ledger.write(Chunk(people=[("p_001bb", b"y")], dues=[("p_001bb", NEVER)]))
    ledger.settled(5)
    assert ledger.people() == 3
    assert ledger.within(0, 0) == ["p_000aa"]
    assert sorted(ledger.within(1, 4095)) == ["p_001bb", "p_fffcc"]
    ledger.write(Chunk(removed=["p_fffcc"]))
    ledger.settled(5)
    assert (ledger.people(), ledger.within(2, 4095)) == (2, [])


def test_everybody_is_read_however_they_are_spread(store: Open) -> None:
    ledger = store()
    ledger.own()
    assert list(everybody(ledger)) == []
    crowd = [f"p_7ff{n:03}" for n in range(40)]  # all in one place
    spread = [f"p_{n:03x}" for n in range(0, 4096, 39)]
    people = [(p, p.encode()) for p in (*crowd, *spread, "e_fff")]
    ledger.write(Chunk(people=people, index=[(f"user_id:{p}", p) for p, _ in people]))
    ledger.write(Chunk(removed=["p_000"]))
    ledger.settled(5)
    expected = sorted(value for p, value in people if p != "p_000")
    for most in (1, 7, 1000):
        assert sorted(everybody(ledger, most)) == expected


def test_the_mark_says_what_is_still_to_be_swept(store: Open) -> None:
    ledger = store()
    ledger.own()
    for sweep in ((12, 4095), None):
        ledger.mark(Mark(Offset(7, 3), {}, sweep))
        ledger.settled(5)
        assert store().own().mark.sweep == sweep
        ledger = store()
        ledger.own()


def test_a_dead_letter_that_is_done_with_is_gone(store: Open) -> None:
    ledger = store()
    ledger.own()
    ledger.put(Outputs(dead=[(Offset(1, 2), b"one"), (Offset(1, 3), b"two")]))
    ledger.put(Outputs(letters_done=[Offset(1, 2), Offset(9, 9)]))
    ledger.settled(5)
    assert list(ledger.dead()) == [(Offset(1, 3), b"two")]


def test_i10_a_writer_that_was_replaced_changes_nothing(store: Open) -> None:
    old = store()
    old.own()
    new = store()
    new.own()
    old.write(
        Chunk(
            people=[("p_1", b"old")],
            dues=[("p_1", 5)],
            index=[("user_id:u1", "p_1")],
            counts={"applied": 1},
        )
    )
    old.put(Outputs(activations=b"x", seen=[Seen(Offset(1, 0), b"k" * 16, b"d" * 8)]))
    old.mark(Mark(Offset(9, 9), {}))
    old.vouch()
    with pytest.raises(FencedError):
        old.settled(5)
    with pytest.raises(FencedError):
        old.load(["user_id:u1"], [])
    assert new.load(["user_id:u1"], ["p_1"]) == ({"user_id:u1": None}, {})
    third = store().own()
    assert third.mark.offset == START
    assert third.seen == []


class Watched(MemoryStore):
    """A ledger that notes how many people each read brings."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__(shelf)
        self.reads: list[int] = []

    def load(self, identifiers: Iterable[str], people: Iterable[str]) -> Loaded:
        loaded = super().load(identifiers, people)
        self.reads.append(len(loaded.people))
        return loaded


def test_everybody_is_read_a_few_at_a_time() -> None:
    ledger = Watched(Shelf())
    ledger.own()
    crowd = [f"p_7ff{n}" for n in range(150)]
    spread = [f"p_{n:03x}" for n in range(0, 4096, 4)]
    ledger.write(Chunk(people=[(p, b"x") for p in (*crowd, *spread)]))
    assert len(list(everybody(ledger))) == len(crowd) + len(spread)
    assert max(ledger.reads) <= READ
    assert len(ledger.reads) < 3 * (len(crowd) + len(spread)) / READ, "nor one by one"


def test_a_large_chunk_is_one_call(store: Open) -> None:
    ledger = store()
    ledger.own()
    people = [(f"p_{n}", b"x" * 1500) for n in range(300)]
    dues = [(f"p_{n}", n) for n in range(300)]
    ledger.write(Chunk(people=people, dues=dues, counts={f"c{n}": 1 for n in range(50)}))
    assert ledger.settled(5) == 1
    assert ledger.due(7, 299) == [(due, p) for p, due in dues[7:299]]


def test_redis_counts_and_streams_are_where_the_others_look(valkey: Path) -> None:
    import redis

    from events.sources.valkey import ValkeyLog

    ledger = RedisStore(f"unix://{valkey}")
    ledger.own()
    ledger.write(Chunk(counts={"applied": 2}))
    ledger.write(Chunk(counts={"applied": 3}))
    ledger.put(
        Outputs(
            activations=b"acts",
            withdrawals=[("p_1", "marketing", "email", 5)],
            dead=[(Offset(1, 2), b"letter")],
            workspaces=[("h", b"files")],
        )
    )
    ledger.settled(5)
    client = redis.Redis(unix_socket_path=str(valkey))
    stream = ValkeyLog(f"valkey://{valkey}?name=activations")
    assert client.hget("counts:{p0}", "applied") == b"5"
    assert [e.payload for e in stream.read(0, -1, 10, 0)] == [b"acts"]
    assert client.get("withdrawn:p_1:marketing:email") == b"5"
    for time, stands in ((3, b"5"), (7, b"7")):
        ledger.put(Outputs(withdrawals=[("p_1", "marketing", "email", time)]))
        ledger.settled(5)
        assert client.get("withdrawn:p_1:marketing:email") == stands, "read again, or told already"
    assert client.hgetall("dead:{p0}") == {b"1.2": b"letter"}
    assert client.get("workspace:h") == b"files"
    stream.close()
    client.close()
    ledger.close()


def test_the_catalogue_survives_its_writer_and_who_saw_an_item_is_found(store: Open) -> None:
    ledger = store()
    ledger.own()
    ledger.write(Chunk(items=[("p1", b"one"), ("p2", b"two")]))
    ledger.write(Chunk(items=[("p1", b"newer")]))
    how, day = "product_viewed.product_id", 86_400_000
    now = 1000 * day
    seen = [(how, "p1", "user_id:b", now), (how, "p1", "user_id:a", now - 3 * day)]
    ledger.put(Outputs(seen_items=[*seen, (how, "p2", "user_id:a", now)]))
    ledger.put(Outputs(seen_items=[(how, "p1", "user_id:b", now - 9 * day)]))
    ledger.settled(5)
    assert ledger.who_saw(how, "p1", now - 3 * day) == ["user_id:a", "user_id:b"]
    assert ledger.who_saw(how, "p1", now - 2 * day) == ["user_id:b"]
    assert ledger.who_saw("product_viewed.sku", "p1", 0) == []
    ledger.put(Outputs(unseen_items=[(how, "p1", "user_id:b")]))
    ledger.settled(5)
    assert ledger.who_saw(how, "p1", 0) == ["user_id:a"]
    assert ledger.counts() == {}
    assert store().own().items == {"p1": b"newer", "p2": b"two"}


def test_redis_who_was_replaced_says_no_more_where_it_is(valkey: Path) -> None:
    one, other = RedisStore(f"unix://{valkey}"), RedisStore(f"unix://{valkey}")
    try:
        one.own()
        one.say_position(Position(5, 3, 0), one.token)
        other.own()
        one.say_position(Position(9, 9, 1), one.token)
        assert other.position() == Position(5, 3, 0)
        other.say_position(Position(6, 4, 0), other.token)
        assert other.position() == Position(6, 4, 0)
    finally:
        one.close()
        other.close()
