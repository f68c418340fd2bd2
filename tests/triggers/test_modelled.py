"""Scores that models give: conditions, bands, edges and templates read them, as of the version in force."""

from typing import Any

import pytest

from events.record import Learned
from models.runtime import logistic
from models.runtime.beta_geometric import BetaGeometric, alive, expected
from models.runtime.gamma_gamma import GammaGamma
from models.runtime.gamma_gamma import expected as each
from profile_state.leaf import NEVER
from tests.shop import ADDRESSES, DAY, HOUR, MINUTE, SECOND, WORKSPACE, Shop
from triggers.load import load
from triggers.modelled import scores_of, why
from triggers.problems import WorkspaceError

CDNOW = BetaGeometric(0.243, 4.414, 0.793, 2.426)
MONEY = GammaGamma(6.250, 3.744, 15.444)
LTV = {**CDNOW._asdict(), **MONEY._asdict(), "within": 273.0, "people": 2357.0}
RFM = {
    f"{name}.{nth}": edge
    for name, edges in {
        "recency": (1.0, 2.0, 3.0, 4.0),
        "frequency": (1.0, 2.0, 3.0, 4.0),
        "monetary": (10.0, 20.0, 40.0, 80.0),
    }.items()
    for nth, edge in enumerate(edges, 1)
}
MODELS = WORKSPACE + "models: {ltv: {within: 273d}, rfm: }\nbands: {ltv: {high: top 20%}}\n"


def trigger(name: str, when: str, rest: str = "", template: str = "") -> dict[str, str]:
    text = f"""
trigger: {name}
when: {when}
reentry: always
{rest}
do: [{{send: {{channels: [webhook]{template}}}}}]
deliver: {{purpose: product}}
"""
    return {f"triggers/{name}.yaml": text}


def a_shop(files: dict[str, str] | None = None) -> Shop:
    return Shop(files, workspace=MODELS)


def publish(shop: Shop, model: str = "ltv", **values: float) -> None:
    """The learner has a new version."""
    version = (LTV if model == "ltv" else RFM) | values
    shop.say([Learned(f"model {model}", {"made_for": mark(shop, model), **version})])
    shop.wait(MINUTE)


def mark(shop: Shop, model: str) -> float:
    workspace = shop.engine.state.workspace
    assert workspace is not None
    return workspace.seen[model].mark


def buy(shop: Shop, user: str, *totals: float, every: int = DAY) -> None:
    """Somebody buys, once a day."""
    for nth, total in enumerate(totals):
        if nth:
            shop.wait(every)
        shop.do("order_completed", user=user, total=total)


def scores(shop: Shop, user: str) -> dict[str, Any]:
    state = shop.engine.state
    assert state.workspace is not None
    return scores_of(state.workspace, shop.person(f"user_id:{user}"), state.learnt, shop.now)


def members(shop: Shop, segment: str) -> set[str]:
    people = shop.engine.state.people.values()
    return {next(iter(p.leaves))[8:] for p in people if segment in p.member}


def test_a_score_is_that_of_the_papers_and_of_the_persons_own_days() -> None:
    shop = a_shop()
    publish(shop)
    buy(shop, "ana", 50, 60, 80, every=7 * DAY)
    shop.wait(7 * DAY + HOUR)
    times, money = expected(CDNOW, 2, 2.0, 3.0, 39.0), each(MONEY, 2, 70.0)
    assert scores(shop, "ana") == pytest.approx(
        {
            "ltv": times * money,
            "ltv_orders": times,
            "ltv_each": money,
            "ltv_alive": alive(CDNOW, 2, 2.0, 3.0),
        }
    )
    shop.wait(DAY - HOUR - SECOND)
    still = scores(shop, "ana")
    shop.wait(SECOND)
    assert still["ltv_alive"] == pytest.approx(alive(CDNOW, 2, 2.0, 3.0))
    assert scores(shop, "ana")["ltv_alive"] == pytest.approx(alive(CDNOW, 2, 2.0, 22 / 7))


def test_two_orders_of_a_day_are_one_and_orders_of_other_devices_count() -> None:
    shop = a_shop()
    publish(shop)
    shop.do("order_completed", anon="phone", total=50)
    shop.wait(7 * DAY)
    shop.do("order_completed", user="ana", total=60)
    shop.do("order_completed", user="ana", total=20)
    shop.do("identify", user="ana", anon="phone")
    assert scores(shop, "ana")["ltv_each"] == pytest.approx(each(MONEY, 1, 80.0))
    assert scores(shop, "ana")["ltv_orders"] == pytest.approx(expected(CDNOW, 1, 1.0, 1.0, 39.0))


def test_nobody_has_a_score_without_a_version_or_an_order() -> None:
    shop = a_shop(trigger("rich", "{event: visited}", "if: [ltv > 0]"))
    buy(shop, "ana", 50)
    shop.do("visited", user="ana")
    assert not shop.sent
    assert scores(shop, "ana") == {}
    publish(shop)
    shop.do("visited", user="ana")
    shop.do("visited", user="ben")
    assert [a.leaf for a in shop.sent] == ["user_id:ana"]
    assert scores(shop, "ben") == {}


def test_time_concerns_who_bought_and_nobody_else() -> None:
    shop = a_shop({"segments/gone.yaml": "segment: gone\nif: [ltv_alive < 0.5]"})
    publish(shop)
    shop.do("visited", user="ben")
    buy(shop, "ana", 50)
    assert shop.person("user_id:ben").due == NEVER
    assert shop.person("user_id:ana").due <= shop.now + DAY


def test_what_somebody_tells_stands_above_the_model() -> None:
    shop = a_shop(trigger("rich", "{event: visited}", "if: [ltv > 100000]"))
    publish(shop)
    buy(shop, "ana", 50)
    shop.score("ana", ltv=200_000)
    shop.do("visited", user="ana")
    assert len(shop.sent) == 1
    assert "ltv" not in scores(shop, "ana")


def falls_below_half() -> int:
    """After how many days who bought on three days is as likely gone as not."""
    return next(day for day in range(1, 400) if alive(CDNOW, 2, 2 / 7, (2 + day) / 7) < 0.5)


def test_time_alone_crosses_a_line_at_the_turn_of_the_persons_day() -> None:
    shop = a_shop(trigger("missed", '{crosses: "ltv_alive < 0.5"}'))
    publish(shop)
    buy(shop, "ana", 50, 60, 80)
    bought = shop.now
    until = falls_below_half()
    shop.wait(until * DAY - SECOND)
    assert not shop.sent
    shop.wait(2 * SECOND)
    [sent] = shop.sent
    assert sent.decided == pytest.approx(bought + until * DAY, abs=SECOND)
    shop.do("order_completed", user="ana", total=50)
    shop.wait(DAY)
    assert len(shop.sent) == 1, "who bought again is back, and would have to be missed again"


def test_who_comes_from_the_ledger_when_a_line_is_crossed_is_not_missed() -> None:
    shop = a_shop(trigger("missed", '{crosses: "ltv_alive < 0.5"}'))
    publish(shop)
    buy(shop, "ana", 50, 60, 80)
    shop.wait(falls_below_half() * DAY - MINUTE)
    shop.open()
    shop.run()
    assert not shop.engine.state.people, "everybody is in the ledger alone"
    shop.wait(2 * MINUTE)
    assert len(shop.sent) == 1


def test_a_band_of_the_top_fifth_goes_by_what_the_model_says() -> None:
    files = {"segments/vips.yaml": "segment: vips\nif: [ltv is high]"}
    shop = a_shop(files | trigger("hello", "{segment: entered vips}"))
    for n in range(20):
        buy(shop, f"u{n}", 10.0)
    shop.wait(DAY)
    for n in range(20):
        shop.do("order_completed", user=f"u{n}", total=10.0 * (n + 1))
    shop.do("visited", user="nobody")
    assert not members(shop, "vips")
    publish(shop)
    shop.wait(MINUTE)
    assert members(shop, "vips") == {"u16", "u17", "u18", "u19"}
    assert not shop.sent, "a version is no occurrence"
    shop.wait(DAY)
    for _ in range(3):
        shop.do("order_completed", user="u0", total=5000)
    assert [a.leaf for a in shop.sent] == ["user_id:u0"], "an order is one"


def test_ranks_follow_time_a_new_version_and_erasure() -> None:
    shop = a_shop()
    for n in range(10):
        buy(shop, f"u{n}", 10.0 * (n + 1))
    publish(shop)

    def places() -> dict[str, int]:
        shop.engine.drain()
        return {n: c for n, c in shop.shelf.counts.items() if n.startswith("segment:%ltv") and c}

    before = places()
    assert sum(before.values()) == 10
    shop.wait(40 * DAY)
    later = places()
    assert sum(later.values()) == 10
    assert later != before, "each day without an order makes another score"
    publish(shop, v=200.0)
    assert sum(places().values()) == 10
    assert places() != later
    shop.erase("user_id:u3")
    shop.wait(DAY)
    assert sum(places().values()) == 9


def test_a_version_in_force_outlives_the_engine() -> None:
    shop = a_shop(trigger("rich", "{event: visited}", "if: [ltv > 0]"))
    publish(shop)
    buy(shop, "ana", 50)
    shop.wait(MINUTE)
    shop.open()
    shop.run()
    shop.do("visited", user="ana")
    assert len(shop.sent) == 1


def test_marks_and_stages() -> None:
    files = trigger("best", "{event: visited}", "if: [rfm.stage = must_not_lose, rfm.monetary = 4]")
    shop = a_shop(files)
    publish(shop, "rfm", **{f"recency.{nth}": 9e15 for nth in range(2, 5)})
    buy(shop, "ana", 10, 10, 10, 10, 11, every=HOUR)
    assert scores(shop, "ana") == {
        "rfm.recency": 2,
        "rfm.frequency": 5,
        "rfm.monetary": 4,
        "rfm.cell": "254",
        "rfm.stage": "must_not_lose",
    }
    shop.do("visited", user="ana")
    assert len(shop.sent) == 1


def test_templates_say_what_the_model_says() -> None:
    hello = "---\nsubject: Hi\n---\n{{ ltv }} {{ ltv_alive }} {{ rfm.stage }}"
    files = {"templates/hello.log.liquid": hello}
    files |= trigger("hello", "{event: visited}", template=", template: hello")
    files["triggers/hello.yaml"] = files["triggers/hello.yaml"].replace("webhook", "log")
    shop = a_shop(files)
    publish(shop)
    publish(shop, "rfm")
    buy(shop, "ana", 50)
    shop.do("visited", user="ana")
    [sent] = shop.sent
    assert sent.facts == {
        "ltv": pytest.approx(expected(CDNOW, 0, 0.0, 0.0, 39.0) * each(MONEY, 0, 0.0)),
        "ltv_alive": 1.0,
        "rfm": {"stage": "new"},
    }


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ("{ltw: }", "workspace.yaml:5:10: unknown model 'ltw'. Did you mean 'ltv'?"),
        ("{ltv: {evnt: paid}}", "unknown key 'evnt'. Did you mean 'event'?"),
        ("{ltv: {within: long}}", "a duration such as 30s, 30m, 2h or 7d was expected"),
        ("{churn: {within: 0d}}", "within: at least 1m was expected, found '0d'"),
        ("{churn: {within: 99999999999d}}", "a duration of at most 36500d"),
        ("{propensity: {event: 1st order}}", "workspace.yaml:5:30: the name of an event"),
        ("{propensity: {event: ''}}", "the name of an event"),
        ("{ltv: , ltv_alive: {model: churn}}", "the model 'ltv' gives a score 'ltv_alive' too"),
        ("{count: {model: churn}}", "in lower case, that means nothing else"),
        ("{next_best: }", "there is nothing to choose from"),
        ("{offering: {model: next_best}}", "one model `next_best`, which has no other name"),
        ("{next_best: {model: churn}}", "a name such as cancels or win_back"),
        ("{next_best: {click: 2}}", "click: a number from 0 to 1 was expected, found 2.0"),
        ("{next_best: {click: much}}", "a number was expected, found text"),
        ("{recommended: {bought: 5}}", "bought: an event and its property were expected"),
        (
            "{recommended: {viewed: ''}}",
            "product_viewed.product_id or order_completed.products[].id",
        ),
        ("{recommended: {bought: paid}}", "found 'paid'"),
        ("{recommended: {bought: 'a.b, last 3d'}}", "found 'a.b, last 3d'"),
        (f"{{next_best: {{looks_at: [{', '.join(['a'] * 21)}]}}}}", "1 to 20 conditions"),
    ],
)
def test_a_model_that_is_none_is_refused_in_words(models: str, message: str) -> None:
    with pytest.raises(WorkspaceError) as error:
        load({"workspace.yaml": WORKSPACE + f"models: {models}\n"}, ADDRESSES)
    assert message in str(error.value)


def test_what_changes_each_day_is_not_asked_for_as_a_change() -> None:
    files = {"workspace.yaml": MODELS} | trigger("moved", "{changed: ltv}")
    with pytest.raises(WorkspaceError, match="ltv changes with each order and each day"):
        load(files, ADDRESSES)


LIKELY = """
models:
  propensity: {within: 1d, looks_at: ["count(product_viewed, last 1h)", "plan = pro"]}
  lost_soon: {model: churn, within: 30d, looks_at: ["since(order_completed) / 1d"]}
"""
WEIGHTS = logistic.fitted(
    [logistic.row((nth % 10, nth % 3 == 0)) for nth in range(400)],
    [nth % 10 > 6 for nth in range(400)],
)


def likely_shop(files: dict[str, str]) -> Shop:
    return Shop(files, workspace=WORKSPACE + LIKELY)


def weights(shop: Shop, model: str, version: dict[str, float]) -> None:
    state = shop.engine.state
    assert state.workspace is not None
    asked = state.workspace.models[model]
    shop.say([Learned(f"model {asked.key}", {**version, "made_for": mark(shop, model)})])
    shop.wait(MINUTE)


def test_a_likelihood_falls_as_events_leave_their_window_to_the_millisecond() -> None:
    shop = likely_shop(trigger("cools", '{crosses: "propensity < 0.5"}'))
    weights(shop, "propensity", WEIGHTS)
    began = shop.now
    for _ in range(9):
        shop.do("product_viewed", user="ana")
        shop.wait(MINUTE)
    assert scores(shop, "ana")["propensity"] > 0.5
    assert len(shop.sent) == 1, "with the first view it was low"
    shop.wait_until(began + HOUR + 9 * MINUTE)
    _, sent = shop.sent
    limit = next(n for n in range(10) if logistic.probability(WEIGHTS, (n, None)) >= 0.5)
    assert sent.decided == began + (9 - limit) * MINUTE + HOUR + 1, "one view too few is left"


def test_a_model_of_another_name_gives_scores_of_that_name() -> None:
    shop = likely_shop(trigger("win_back", "{event: visited}", "if: [lost_soon >= 0.5]"))
    version = logistic.fitted(
        [logistic.row((nth,)) for nth in range(100)], [nth > 30 for nth in range(100)]
    )
    weights(shop, "lost_soon", version)
    buy(shop, "ana", 50)
    shop.wait(60 * DAY)
    shop.do("visited", user="ana")
    shop.do("visited", user="ben")
    assert [a.leaf for a in shop.sent] == ["user_id:ana"], "who never bought is no customer"
    assert scores(shop, "ana").keys() == {"lost_soon"}


def test_weights_of_other_conditions_say_nothing() -> None:
    shop = likely_shop({})
    weights(shop, "propensity", WEIGHTS)
    shop.do("product_viewed", user="ana")
    assert "propensity" in scores(shop, "ana")
    shop.edit(workspace=WORKSPACE + LIKELY.replace("last 1h", "last 2h"))
    shop.do("product_viewed", user="ana")
    assert scores(shop, "ana") == {}


def test_what_moved_a_score_is_said_in_the_marketers_own_words() -> None:
    shop = likely_shop({})
    weights(shop, "propensity", WEIGHTS)
    for _ in range(9):
        shop.do("product_viewed", user="ana")
    state = shop.engine.state
    assert state.workspace is not None
    person = shop.person("user_id:ana")
    first, *_ = why(state.workspace, person, state.learnt, "propensity", shop.now)
    assert first.startswith("+")
    assert first.endswith("count(product_viewed, last 1h) is 9")
    assert why(state.workspace, person, state.learnt, "lost_soon", shop.now) == []


@pytest.mark.parametrize(
    ("looks_at", "message"),
    [
        (
            "[plan = pro, cuont(b)]",
            "workspace.yaml:5:53: unknown function 'cuont'",
        ),
        ("[event.total > 5]", "a segment has no event"),
        ("[ltv > 5]", "a model looks at what people did, and at no score of a model's"),
        ("[propensity > 0.5]", "a model looks at what people did, and at no score of a model's"),
        ("[in_segment(a)]", "band or segment"),
        ("[points is high]", "band or segment"),
        ("[]", "1 to 100 conditions were expected, found 0"),
    ],
)
def test_what_a_model_cannot_look_at_is_refused_where_it_stands(
    looks_at: str, message: str
) -> None:
    written = f"models: {{ltv: , propensity: {{looks_at: {looks_at}}}}}\n"
    written += "bands: {points: {high: top 10%}}\n"
    files = {
        "workspace.yaml": WORKSPACE + written,
        "segments/a.yaml": "segment: a\nif: propensity > 1",
    }
    with pytest.raises(WorkspaceError) as error:
        load(files, ADDRESSES)
    assert message in str(error.value), str(error.value)


def test_a_model_needs_a_name_that_conditions_can_say() -> None:
    files = {
        "workspace.yaml": WORKSPACE + "models: {Win-Back: {model: churn}, x: {model: chrun}}\n"
    }
    with pytest.raises(WorkspaceError) as error:
        load(files, ADDRESSES)
    assert "a name such as cancels or win_back" in str(error.value)
    assert "unknown model 'chrun'. Did you mean 'churn'?" in str(error.value)


def test_an_order_that_is_still_to_come_counts_when_its_time_has_come() -> None:
    shop = a_shop({"segments/worth.yaml": "segment: worth\nif: [ltv > 0]"})
    publish(shop)
    shop.do("order_completed", user="ana", total=50, time=shop.now + 2 * HOUR)
    assert not members(shop, "worth")
    shop.wait(2 * HOUR - SECOND)
    assert not members(shop, "worth")
    shop.wait(2 * SECOND)
    assert members(shop, "worth") == {"ana"}


def test_a_late_event_that_moves_somebodys_day_moves_what_is_asked_for_then() -> None:
    limit = alive(CDNOW, 2, 2 / 7, 12.5 / 7)  # which is passed as the eleventh day begins
    shop = a_shop({"segments/gone.yaml": f"segment: gone\nif: [ltv_alive < {limit:.6f}]"})
    publish(shop)
    buy(shop, "ana", 50, 60, 80)
    shop.wait(10 * DAY + 22 * HOUR)
    assert not members(shop, "gone")
    shop.do("visited", user="ana", time=shop.now - 20 * DAY - HOUR)
    assert scores(shop, "ana")["ltv_alive"] < limit
    assert members(shop, "gone") == {"ana"}


def test_a_version_of_other_numbers_says_nothing_and_ends_nobody() -> None:
    shop = a_shop(trigger("rich", "{event: visited}", "if: [ltv > 0]"))
    shop.say([Learned("model ltv", {"r": 1.0})])
    buy(shop, "ana", 50)
    shop.do("visited", user="ana")
    assert not shop.sent
