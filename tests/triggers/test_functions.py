"""Every function in every window says what counting over all events by hand says.

And where time alone changes the answer, the instant at which it does is announced.
"""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.record import VERIFIED
from profile_state.leaf import NEVER, Leaf
from profile_state.person import Person
from tests.shop import DAY, HOUR, MINUTE, SECOND, Shop, an_event, at
from triggers.load import load
from triggers.problems import WorkspaceError

Values = list[tuple[int, Any]]  # instant, property; in order of time


def numbers(values: Values) -> list[float]:
    return [v for _, v in values if isinstance(v, int | float)]


def named(values: Values) -> list[str]:
    return [str(v) for _, v in values if v is not None]


def top(values: Values) -> str | None:
    return min(Counter(named(values)).items(), key=lambda kv: (-kv[1], kv[0]), default=(None,))[0]


# What each function must say of the events inside its window, and what it is compared with.
HAND: dict[str, tuple[Callable[[Values], Any], list[str]]] = {
    "count(seen{w})": (len, [">= 2", "= 1", "< 3"]),
    "never(seen{w})": (lambda values: not values, [""]),
    "sum(seen.x{w})": (lambda values: sum(numbers(values)), ["> 5", "= 0"]),
    "avg(seen.x{w})": (
        lambda values: sum(numbers(values)) / len(numbers(values)) if numbers(values) else None,
        [">= 3", "< 3"],
    ),
    "min(seen.x{w})": (lambda values: min(numbers(values), default=None), ["< 3", ">= 3"]),
    "max(seen.x{w})": (lambda values: max(numbers(values), default=None), ["< 5", ">= 5"]),
    "distinct(seen.x{w})": (lambda values: len(set(named(values))), [">= 2", "= 1"]),
    "first(seen.x{w})": (lambda values: next(iter(named(values)), None), ["= 3", "= red"]),
    "last(seen.x{w})": (lambda values: next(reversed(named(values)), None), ["= 3", "= red"]),
    "top(seen.x{w})": (top, ["= 3", "= red"]),
}
WINDOWS: dict[str, tuple[int, int]] = {  # ms ago, from and to
    "": (1 << 50, 0),
    ", last 5s": (5000, 0),
    ", between 8s and 3s ago": (8000, 3000),
}
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": lambda a, b: a >= b, "<": lambda a, b: a < b, ">": lambda a, b: a > b,
    "=": lambda a, b: a == b,
}  # fmt: skip
ASKED = {
    f"s{nth}": (function, window, compared)
    for nth, (function, window, compared) in enumerate(
        (function, window, compared)
        for function, (_, all_compared) in HAND.items()
        for window in WINDOWS
        for compared in all_compared
    )
}
WORKSPACE = load(
    {
        "workspace.yaml": "workspace: shop",
        **{
            f"segments/{name}.yaml": f"segment: {name}\nif: "
            f"'{function.format(w=window)} {compared}'\n"
            for name, (function, window, compared) in ASKED.items()
        },
    },
    {},
)


def by_hand(values: Values, function: str, window: str, compared: str, now: int) -> bool:
    start, end = WINDOWS[window]
    inside = [(t, v) for t, v in values if now - start <= t <= (now - end if end else t)]
    found = HAND[function][0](inside)
    if not compared:
        return bool(found)
    op, _, right = compared.partition(" ")
    if found is None:
        return False
    if right == "red" or isinstance(found, str):
        return op == "=" and str(found) == right
    return COMPARE[op](found, float(right))


happenings = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from([1, 3, 5, 7.5, "red", None])), max_size=8
)


@settings(max_examples=150)
@given(happenings, st.integers(12_000, 22_000))
def test_every_function_in_every_window_is_as_by_hand(
    happened: list[tuple[int, Any]], now: int
) -> None:
    leaf = Leaf("user_id:u", 0, 0)
    person = Person("p", {"user_id:u"}, {"user_id:u": leaf})
    values: Values = []
    for nth, (second, value) in enumerate(happened):
        time = second * 1000 + nth  # no two at one ms
        values.append((time, value))
        event = an_event("seen", user="u", time=time, message_id=f"m{nth}", x=value)
        WORKSPACE.fold["seen"].add(leaf.cells, event, 12_000)
    values.sort(key=lambda one: one[0])
    for name, asked in ASKED.items():
        inside, until = WORKSPACE.members[name](person, now)
        assert inside == by_hand(values, *asked, now), (asked, values)
        assert until > now
        for later in range(now, min(until, now + 12_000), 499):
            assert by_hand(values, *asked, later) == inside, (asked, later, until)
        if until < NEVER:
            again, _ = WORKSPACE.members[name](person, until)
            assert again == by_hand(values, *asked, until), (asked, until)


def segment(condition: str, start: int | None = None, **files: str) -> Shop:
    return Shop(
        {"segments/all.yaml": f"segment: all\nif:\n  - {condition}\n", **files}, start=start
    )


def inside(shop: Shop, who: str = "user_id:ana") -> bool:
    return "all" in shop.person(who).member


def test_a_sequence_is_one_whatever_arrives_when() -> None:
    shop = segment("seq(cart_updated, coupon_failed, within 30m, last 1d)")
    start = shop.now
    shop.do("coupon_failed", user="ana", time=start + 20 * MINUTE)
    assert not inside(shop)
    shop.do("cart_updated", user="ana", time=start - 11 * MINUTE)
    assert not inside(shop), "31 minutes lie between"
    shop.do("cart_updated", user="ana", time=start - 10 * MINUTE)
    assert inside(shop)
    shop.wait_until(start + 20 * MINUTE + DAY)
    assert inside(shop)
    shop.wait(SECOND)
    assert not inside(shop)


def test_a_streak_counts_days_where_the_person_is() -> None:
    shop = segment("streak(lesson_done, day) >= 3", start=at("22:00"))
    shop.know("ana", timezone="Asia/Tokyo")  # there it is Tuesday, 6:00, already
    for day in range(3):
        shop.wait_until(at("22:00", day=day))
        shop.do("lesson_done", user="ana")
        shop.do("lesson_done", user="bob")
        assert inside(shop) is (day == 2)
        assert inside(shop, "user_id:bob") is (day == 2)
    shop.wait_until(at("23:59", day=3))
    assert inside(shop, "user_id:bob"), "in Berlin Wednesday was the last day, and it is Thursday"
    shop.wait_until(at("0:01", day=4))
    assert not inside(shop, "user_id:bob")
    shop.wait_until(at("15:59", day=4))
    assert inside(shop), "in Tokyo Thursday was the last day, and it is Friday, 23:59"
    shop.wait_until(at("16:01", day=4))
    assert not inside(shop)


def test_a_streak_outlives_the_clocks_change() -> None:
    shop = segment("streak(lesson_done, day) >= 4", start=at("9:00", day=25))
    days = [
        datetime(2026, 3, 27, 0, 30, tzinfo=ZoneInfo("Europe/Berlin")) + timedelta(days=n)
        for n in range(4)
    ]
    for day in days:
        shop.wait_until(int(day.timestamp() * 1000))
        shop.do("lesson_done", user="ana")
    assert inside(shop)


def test_consent_is_asked_as_the_decision_point_does() -> None:
    shop = segment("consent(marketing, email)")
    shop.do("visited", user="ana")
    assert not inside(shop)
    shop.allow("ana")
    assert inside(shop)
    shop.do("unsubscribed", anon="a1", channel="email")
    shop.do("identify", user="ana", anon="a1", trust=VERIFIED)
    assert not inside(shop), "a merge brings no consent back"


def test_a_bucket_is_a_stable_share_of_people() -> None:
    shop = segment("bucket(25%)")
    for nth in range(400):
        shop.do("visited", user=f"u{nth}")
    chosen = {f"u{nth}" for nth in range(400) if inside(shop, f"user_id:u{nth}")}
    assert 70 < len(chosen) < 130
    shop.edit(segments__all="segment: all\nif: [bucket(50%)]\n")
    shop.wait(MINUTE)
    assert all(inside(shop, f"user_id:{user}") for user in chosen), "a larger share holds them all"


RECENT = "since(trait.created) <= 60d or not never(email_opened, last 90d)"


def test_c9_created_lately_or_opened_anything_lately_is_one_line() -> None:
    shop = segment(RECENT)
    start = shop.now
    shop.know("ana", created="2026-01-01T00:00:00Z")
    shop.know("bob", created="2026-01-01T00:00:00Z")
    end = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp() * 1000)  # 60 days later to the ms
    assert start > end
    assert not inside(shop)
    assert not inside(shop, "user_id:bob")
    shop.do("email_opened", user="bob", message="m1")
    assert inside(shop, "user_id:bob"), "who was created long ago may have opened something"
    shop.know("ana", created="2026-01-01T12:00:00Z")  # it changes, and is late by a few hours
    assert inside(shop)
    shop.wait_until(end + 12 * HOUR)
    assert inside(shop), "exactly 60 days ago is inside"
    shop.wait(SECOND)
    assert not inside(shop), "time alone ends it"
    shop.wait_until(start + 90 * DAY)
    assert inside(shop, "user_id:bob")
    shop.wait(SECOND)
    assert not inside(shop, "user_id:bob")


def test_c9_a_date_is_local_to_the_person_and_counts_once_it_has_come() -> None:
    shop = segment("since(trait.created) < 1d")
    shop.know("ana", created="2026-03-03")
    shop.know("bob", created="2026-03-03", timezone="America/New_York")
    shop.know("cyd", created="soon")
    seen = []
    for hour in range(12, 60):  # from midnight on Monday, in Berlin
        shop.wait_until(at(f"{hour}:00"))
        shop.wait(SECOND)
        seen += [(who, hour) for who in ("ana", "bob", "cyd") if inside(shop, f"user_id:{who}")]
    assert [hour for who, hour in seen if who == "ana"] == list(range(24, 48))
    assert [hour for who, hour in seen if who == "bob"] == list(range(30, 54))
    assert "cyd" not in {who for who, _ in seen}
    shop.know("bob", timezone="Europe/Berlin", created="2026-03-04")
    assert inside(shop, "user_id:bob")
    shop.know("bob", timezone="Pacific/Pago_Pago")
    assert not inside(shop, "user_id:bob"), "who moves west is not there yet"
    shop.wait(HOUR)
    assert inside(shop, "user_id:bob")


SINCE = """
trigger: journey
when: {event: signed_up}
do:
  - wait: 1d
  - if: '%s'
    then: [{send: {channels: [webhook]}}]
deliver: {purpose: product}
"""


@pytest.mark.parametrize(
    ("condition", "sent"),
    [
        ("count(visited, since entry) >= 2", True),
        ("count(visited, since entry) >= 3", False),
        ("never(visited, since entry)", False),
        ("never(bought, since entry)", True),
        ("sum(visited.x, since entry) = 5", True),
        ("first(visited.x, since entry) = 2", True),
        ("last(visited.x, since entry) = 3", True),
        ("distinct(visited.x, since entry) = 2", True),
        ("max(visited.x, since entry) = 3", True),
    ],
)
def test_since_entry_looks_at_what_happened_in_this_run(condition: str, sent: bool) -> None:
    shop = Shop({"triggers/journey.yaml": SINCE % condition})
    shop.do("visited", user="ana", x=1)
    shop.do("bought", user="ana")
    shop.wait(HOUR)
    shop.do("signed_up", user="ana")
    for x in (2, 3):
        shop.wait(HOUR)
        shop.do("visited", user="ana", x=x)
    shop.wait(DAY)
    assert bool(shop.sent_by("journey")) is sent


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ("count(visited, since entry) > 1", "`since entry` has a meaning in steps"),
        ("count(visited, between 3d and 7d ago) > 1", "`between 30d and 7d ago` was expected"),
        ("count(visited, within 2h) > 1", "count(...) takes no `within`"),
        ("count(visited, bought) > 1", "count(...) takes no second event"),
        ("seq(visited, within 2h)", "seq(...) takes two events at least and `within`"),
        ("seq(visited, bought)", "seq(...) takes two events at least and `within`"),
        ("streak(visited, week) > 2", "streak(...) takes an event and `day`"),
        ("consent(marketing)", "consent(...) takes a purpose and a channel"),
        ("consent(markting, email)", "unknown purpose 'markting'. Did you mean 'marketing'?"),
        ("consent(marketing, fax)", "unknown channel 'fax'."),
        ("bucket(visited)", "bucket(...) takes a share, such as bucket(10%)"),
        ("bucket(10)", "bucket(...) takes a share, such as bucket(10%)"),
        ("since(trait.created where a = 1) > 1d", "since(trait.created) takes no filter"),
        ("since(trait.created) = 1d", "since(...) is compared by < <= > >= with a duration"),
        ("top(visited) = a", "top(...) needs a property"),
        ("avg(visited) > 1", "avg(...) needs a property, such as avg(visited.total)"),
    ],
)
def test_what_a_function_does_not_take_is_said(condition: str, problem: str) -> None:
    with pytest.raises(WorkspaceError) as error:
        load(
            {
                "workspace.yaml": "workspace: w",
                "segments/all.yaml": f"segment: all\nif: '{condition}'\n",
            },
            {"email": "email"},
        )
    assert problem in str(error.value)
