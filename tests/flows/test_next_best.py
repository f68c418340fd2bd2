"""The next best offer, learnt while offers are given: engine, workers' receipts and learner over one log."""

import random
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from channels.delivery.receipts import receipts
from channels.delivery.slot import Untold
from events import record
from events.record import OFFER_DRAWN, VERIFIED, WORKER, Erase, Event, Learned, own_event
from flows.learner import AT, Learner
from flows.poison import decoded
from models.runtime import arms
from models.runtime.arms import EXPLORE, Tried
from tests.shop import ADDRESSES, DAY, HOUR, WORKSPACE, Shop, an_event, at
from triggers.activation import Activation
from triggers.load import load
from triggers.problems import WorkspaceError

OFFERS = """
offers:
  shoes_10: {label: 10 % off shoes}
  hats_10: {label: 10 % off hats}
  bags_10: {label: 10 % off bags}
  vip_lounge: {label: a seat in our lounge, if: [plan = vip]}
"""
MODELS = """
offers: offers.yaml
models:
  next_best:
    within: 1d
    looks_at:
      - count(product_viewed where category = shoes)
      - count(product_viewed where category = hats)
      - count(product_viewed where category = bags)
"""
TRIGGER = """
trigger: welcome
when: {event: signed_up}
reentry: always
do: [{send: {channels: [email], template: mail, offer: next_best}}]
deliver: {purpose: product}
"""
FILES = {
    "offers.yaml": OFFERS,
    "triggers/welcome.yaml": TRIGGER,
    "templates/mail.email.liquid": "---\nsubject: Hi\n---\n{{ offer.label }}",
}
OFFERED = ["shoes_10", "hats_10", "bags_10"]  # to everybody
TASTES = {"shoes": 0.5, "hats": 0.3, "bags": 0.2}  # of all people
LIKED, OTHER = (
    0.30,
    0.06,
)  # how likely an offer is to be taken, of what somebody likes and of others
BEST_SINGLE = 0.5 * LIKED + 0.5 * OTHER  # that of shoes for all


class World:
    """People with tastes, to whom the engine gives offers, and a learner that reads the same log."""

    def __init__(self, seed: int = 1, models: str = MODELS) -> None:
        self.draw = random.Random(seed)
        self.shop = Shop(FILES, workspace=WORKSPACE + models)
        self.learner = Learner(self.shop.files, ADDRESSES)
        self.given: list[tuple[str, Activation, bool]] = []  # to whom, what, and if it was taken
        self._people = 0

    def learn(self) -> None:
        """The learner reads what is new, and the engine what it says."""
        for entry in self.shop.log.read(0, self.learner.position, 1_000_000, 0):
            self.learner.take(decoded(entry))
        news = self.learner.news()
        if news:
            self.shop.say(news)
            self.learner.told()

    def day(self, people: int = 200, *, vips: float = 0.1) -> None:
        """New people look around, sign up, get an offer, and take it or not within the day."""
        shop, tastes, arriving = self.shop, {}, []
        for _ in range(people):
            self._people += 1
            user = f"u{self._people}"
            (taste,) = self.draw.choices(list(TASTES), list(TASTES.values()))
            tastes[f"user_id:{user}"] = taste
            arriving += self.arriving(user, taste, vip=self.draw.random() < vips)
        known = len(shop.sent)
        shop.say(arriving)
        told: list[Event] = []
        for one in shop.sent[known:]:
            told += receipts(Untold(one, "delivered", "", shop.now))
        shop.now += HOUR
        shop.say(told)
        shop.now += HOUR
        taken = []
        for one in shop.sent[known:]:
            taste = tastes[one.leaf]
            liked = one.facts["offer"]["name"] == f"{taste}_10"
            takes = self.draw.random() < (LIKED if liked else OTHER)
            self.given.append((taste, one, takes))
            if takes:
                user = one.leaf.removeprefix("user_id:")
                taken.append(
                    an_event("order_completed", user=user, time=shop.now, message_id=f"o{user}")
                )
        shop.say(taken)
        shop.now += DAY
        self.learn()

    def arriving(self, user: str, taste: str, *, vip: bool = False) -> list[Event]:
        """Somebody looks around, and signs up."""
        now, events = self.shop.now, []
        traits = {"email": f"{user}@shop.example", **({"plan": "vip"} if vip else {})}
        events.append(
            an_event(
                "identify", user=user, email=traits["email"], trust=VERIFIED, time=now,
                message_id=f"i{user}", traits=traits,
            )
        )  # fmt: skip
        for nth in range(4):
            seen = taste if self.draw.random() < 0.7 else self.draw.choice(list(TASTES))
            events.append(
                an_event(
                    "product_viewed", user=user, time=now, message_id=f"v{user}.{nth}",
                    category=seen,
                )
            )  # fmt: skip
        return [*events, an_event("signed_up", user=user, time=now, message_id=f"s{user}")]

    @property
    def version(self) -> Mapping[str, float]:
        """What the engine goes by."""
        return self.shop.engine.state.learnt.models["next_best"]


def taken(given: list[tuple[str, Activation, bool]]) -> float:
    """How many of these offers were taken."""
    return sum(takes for *_, takes in given) / len(given)


@pytest.fixture(scope="module")
def world() -> World:
    """A month."""
    found = World()
    for _ in range(26):
        found.day()
    return found


def test_planted_tastes_are_found_and_beat_every_single_offer(world: World) -> None:
    late = world.given[len(world.given) // 2 :]
    assert taken(late) > 1.1 * BEST_SINGLE
    assert taken(world.given) > 1.1 * BEST_SINGLE, "also with the days on which nothing was known"
    assert {one.facts["offer"]["name"] for _, one, _ in late} == {*OFFERED, "vip_lounge"}


def test_a_version_says_how_much_better_it_was_than_any_offer_for_all(world: World) -> None:
    version = world.version
    over = world.given[: int(version["quality.judged"])]
    assert version["quality.as_drawn"] == pytest.approx(taken(over), abs=1e-6)
    for way in (*(f"offer.{offer}" for offer in OFFERED), "by_chance"):
        assert version[f"quality.{way}.high"] < version["quality.as_drawn.low"], way
    assert version["quality.regret"] < 0
    assert version["quality.log_loss"] < version["quality.log_loss_of_share"]


def test_who_reads_the_log_at_once_comes_to_what_was_learnt_day_by_day(world: World) -> None:
    shop = world.shop
    for _ in range(2):
        world.learn()  # also what it has said itself
    again = Learner(shop.files, ADDRESSES, newest=shop.now)
    for entry in shop.log.read(0, -1, 1_000_000, 0):
        batch = decoded(entry)
        records: list[record.Record] = [r for r in batch.records if not isinstance(r, Learned)]
        again.take(batch._replace(records=records))
    (version,) = again.owed.values()
    assert {**version, AT: 0} == {**world.version, AT: 0}
    assert list(again.draws["next_best"].tried) == list(world.learner.draws["next_best"].tried)


def test_nobody_gets_what_they_may_not_have_and_nothing_is_ever_given_up(world: World) -> None:
    for _, one, _ in world.given:
        assert one.drawn is not None
        among = one.drawn["among"]
        vip = world.shop.person(one.leaf).view.traits.get("plan") is not None
        assert among == [*OFFERED, *(["vip_lounge"] if vip else [])]
        assert one.drawn["offer"] == one.facts["offer"]["name"]
        assert (
            EXPLORE / len(among) <= one.drawn["probability"] <= 1 - EXPLORE * (1 - 1 / len(among))
        )
    first = world.given[0][1].drawn
    assert first is not None
    assert first["probability"] == 1 / len(first["among"]), "nothing was known yet"


def test_an_edit_of_what_is_looked_at_begins_by_chance_and_one_of_offers_goes_on() -> None:
    world = World(3)
    for _ in range(3):
        world.day(150, vips=0)
    shop, learnt = world.shop, world.version
    more = OFFERS + "  gloves_10: {label: 10 % off gloves}\n"
    shop.edit(offers=more)
    shop.say(world.arriving("late", "shoes"))
    drawn = shop.sent[-1].drawn
    assert drawn is not None
    assert drawn["among"] == [*OFFERED, "gloves_10"]
    assert drawn["probability"] != 0.25, (
        "what is known is gone by, and of the new one it is foretold"
    )
    shop.edit(workspace=WORKSPACE + MODELS.replace("within: 1d", "within: 1d\n    click: 0.5"))
    shop.say(world.arriving("later", "shoes"))
    drawn = shop.sent[-1].drawn
    assert drawn is not None
    assert drawn["probability"] != 0.25, "the features are the same"
    shop.edit(workspace=WORKSPACE + MODELS.replace("= bags)", "= bags) / 2"))
    shop.say(world.arriving("last", "shoes"))
    drawn = shop.sent[-1].drawn
    assert drawn is not None
    assert drawn["probability"] == 0.25, "the version speaks of other features"
    assert shop.engine.state.learnt.models["next_best"] == learnt


def test_the_same_entry_draws_the_same_and_what_a_server_tells_stands_above() -> None:
    """Also where the engine reads it again after a crash."""
    world = World(4)
    world.shop.say(world.arriving("a", "shoes"))
    (one,) = world.shop.sent
    again = World(4)
    again.shop.say(again.arriving("a", "shoes"))
    assert again.shop.sent[0].drawn == one.drawn
    told = [
        world.arriving("b", "shoes")[0],
        an_event(
            "scores_updated", user="b", time=world.shop.now, message_id="t", trust=VERIFIED,
            scores={"next_best": "bags_10"},
        ),
        *world.arriving("b", "shoes")[1:],
    ]  # fmt: skip
    world.shop.say(told)
    last = world.shop.sent[-1]
    assert last.facts["offer"]["name"] == "bags_10"
    assert last.drawn is None, "nobody drew it, so nobody learns from it"
    assert receipts(Untold(last, "delivered", "", 0))[-1].name == "email_sent"


def drawn_of(world: World, user: str) -> list[Event]:
    """Let somebody arrive, and tell what was drawn."""
    world.shop.say(world.arriving(user, "shoes"))
    told = receipts(Untold(world.shop.sent[-1], "delivered", "", world.shop.now))
    world.shop.say(told)
    return told


@pytest.mark.parametrize(
    ("what", "reward"),
    [
        ("nothing", 0.0),
        ("click", 0.1),
        ("order", 1.0),
        ("both", 1.0),
        ("machine", 0.0),
        ("late", 0.0),
    ],
)
def test_what_comes_of_a_draw_within_its_time_is_its_reward(what: str, reward: float) -> None:
    world = World(5)
    shop = world.shop
    sent, drawn = drawn_of(world, "a")
    assert sent.name == "email_sent"
    assert drawn.properties["message"] == shop.sent[-1].id
    shop.now += DAY + 1 if what == "late" else HOUR
    said: dict[str, Any] = {"user": "a", "time": shop.now}
    click = an_event("email_clicked", message_id="c", message=shop.sent[-1].id, **said)
    if what in ("click", "both"):
        shop.say([click])
    if what == "machine":
        shop.say([msgspec.structs.replace(click, flags=("machine",))])
    if what in ("order", "both", "late"):
        shop.say([an_event("order_completed", message_id="o", **said)])
    shop.now += 2 * DAY
    shop.say([record.Tick(shop.now)])
    world.learn()
    (tried,) = list(world.learner.draws["next_best"].tried)
    assert tried.reward == reward
    assert tried.offer == drawn.properties["offer"]


def test_a_draw_that_two_messages_speak_of_is_one_and_a_click_in_either_counts() -> None:
    files = {"triggers__welcome": TRIGGER.replace("do: [{", "do: [{offer: next_best}, {").replace(
        ", offer: next_best}}]", "}}, {wait: 1h}, {send: {channels: [email], template: mail}}]"
    )}  # fmt: skip
    world = World(6)
    world.shop.edit(**files)
    drawn_of(world, "a")
    world.shop.wait(HOUR + 1)
    first, second = world.shop.sent
    assert first.drawn == second.drawn != None  # noqa: E711 - both are there
    world.shop.say(receipts(Untold(second, "delivered", "", world.shop.now)))
    world.shop.do("email_clicked", user="a", message=second.id)
    world.shop.now += 2 * DAY
    world.shop.say([record.Tick(world.shop.now)])
    world.learn()
    assert [one.reward for one in list(world.learner.draws["next_best"].tried)] == [0.1]


def test_nobody_but_a_worker_says_what_was_drawn_and_who_is_erased_is_learnt_from_no_more() -> None:
    world = World(7)
    shop = world.shop
    _, drawn = drawn_of(world, "a")
    drawn_of(world, "b")
    lie = {**drawn.properties, "id": "f" * 32, "message": "other"}
    shop.say([an_event(OFFER_DRAWN, user="b", time=shop.now, message_id="lie", **lie)])
    strange = {**lie, "id": "e" * 32, "made_for": 1.0}
    shop.say([own_event(WORKER, "user_id:b", "s", OFFER_DRAWN, shop.now, properties=strange)])
    shop.erase("user_id:a")
    shop.now += 2 * DAY
    shop.say([record.Tick(shop.now)])
    world.learn()
    assert [one.whom for one in list(world.learner.draws["next_best"].tried)] == ["user_id:b"]


def over(world: World, days: int = 2) -> list[Tried]:
    """Let the time of draws be up, and return what was learnt from."""
    world.shop.now += days * DAY
    world.shop.say([record.Tick(world.shop.now)])
    world.learn()
    return list(world.learner.draws["next_best"].tried)


def test_what_is_no_draw_is_passed_over_and_what_is_told_again_is_none() -> None:
    world = World(8)
    shop = world.shop
    sent, drawn = drawn_of(world, "a")
    good = drawn.properties
    changes: tuple[dict[str, Any], ...] = (
            {"features": None}, {"probability": "much"}, {"probability": 0.0}, {"among": ["other"]},
            {"id": "no hex"}, {"at": None}, {"offer": 5}, {"made_for": "x"}, {"message": 7},
    )  # fmt: skip
    for nth, change in enumerate(changes):
        odd = {**good, "id": f"{nth:032x}", "message": f"odd{nth}", **change}
        shop.say(
            [own_event(WORKER, "user_id:a", f"odd{nth}", OFFER_DRAWN, shop.now, properties=odd)]
        )
    for nth in range(3):
        shop.say(
            [own_event(WORKER, "user_id:a", f"again{nth}", OFFER_DRAWN, shop.now, properties=good)]
        )
    assert [one.offer for one in over(world)] == [good["offer"]]
    late = {**good, "message": "late"}
    shop.say([own_event(WORKER, "user_id:a", "late", OFFER_DRAWN, shop.now, properties=late)])
    assert len(over(world)) == 1, "its time was up before this message of it went out"
    assert sent.properties["message"] == good["message"]


def test_a_click_counts_of_the_person_alone_and_on_a_channel() -> None:
    world = World(9)
    drawn_of(world, "a")
    message = world.shop.sent[-1].id
    world.shop.do("email_clicked", anon="stranger", message=message)
    world.shop.do("ad_clicked", user="a", message=message)
    assert [one.reward for one in over(world)] == [0.0]


def test_nothing_of_an_erased_person_is_left_in_the_learner() -> None:
    world = World(10)
    shop = world.shop
    for _ in range(2):
        world.day(80, vips=0)
    gone = world.given[0][1].leaf
    told = receipts(Untold(world.given[0][1], "delivered", "", shop.now))
    shop.say([told[-1], Erase(gone, b"k" * 16, shop.now, "officer", "")])
    world.learn()
    draws = world.learner.draws["next_best"]
    waiting = [draws.of(one.id) for _, one, _ in world.given]
    left = msgspec.json.encode([*waiting, *draws.tried, *draws.judged]).decode()
    assert f'"{gone}"' not in left
    assert f'"{world.given[1][1].leaf}"' in left


def test_all_channels_of_a_send_give_the_one_offer_however_late_they_are() -> None:
    """The second is held by its cap, and by then the first offer is over."""
    send = "send: {channels: [email, sms], all: true, template: mail, offer: next_best}"
    trigger = TRIGGER.replace("send: {channels: [email], template: mail, offer: next_best}", send)
    files = {
        "triggers__welcome": trigger.replace(
            "{purpose: product}", "{purpose: product, caps: {sms: 1 per 1d}, on_cap: delay, quiet_hours: off}"
        ),
        "offers": "offers: {today: {until: 2026-03-02}, later: {}}\n",
        "workspace": WORKSPACE + MODELS,
    }  # fmt: skip
    world = World(11)
    world.shop.files["templates/mail.sms.liquid"] = "{{ offer.name }}"
    world.shop.edit(**files)
    shop = world.shop
    for user in ("a", "b", "c", "d"):
        shop.know(user, email=f"{user}@shop.example", phone=f"+4915112345{ord(user)}")
        for _ in range(2):
            shop.do("signed_up", user=user)
    shop.wait(2 * DAY)
    given: dict[str, set[str]] = {}
    for one in shop.sent:
        assert one.drawn is not None
        given.setdefault(one.drawn["id"], set()).add(one.facts["offer"]["name"])
    assert all(len(names) == 1 for names in given.values())
    assert sum(one.channel == "sms" for one in shop.sent) == 8
    late = [one for one in shop.sent if one.decided > at("00:00", 1)]
    assert "today" in {one.facts["offer"]["name"] for one in late}, "as the e-mail before had said"


def test_offers_may_be_called_like_parts_of_a_version() -> None:
    names = ["given", "low", "all", "weight"]
    world = World(12)
    world.shop.edit(offers=f"offers: {{{', '.join(f'{name}: {{}}' for name in names)}}}\n")
    for _ in range(3):
        world.day(90, vips=0)
    assert set(arms.given(world.version)) == set(names)
    one = world.shop.sent[-1]
    assert one.drawn is not None
    assert sum(world.version[f"offer.{name}.given"] for name in names) == world.version["examples"]
    assert world.learner.owed == {}


def test_offers_beyond_what_can_be_drawn_from_are_refused() -> None:
    many = ", ".join(f"o{n}: {{}}" for n in range(101))
    with pytest.raises(WorkspaceError, match="at most 100 offers can be drawn from, found 101"):
        load(
            {"workspace.yaml": WORKSPACE + MODELS, "offers.yaml": f"offers: {{{many}}}"}, ADDRESSES
        )
