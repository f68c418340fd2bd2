"""Send time: habits that were planted are found, and `best_time` goes by the model where there is one."""

from datetime import datetime
from random import Random

import pytest

from flows.learner import Learner
from flows.poison import decoded
from profile_state.person import Learnt
from tests.shop import ADDRESSES, DAY, HOUR, MONDAY, WORKSPACE, Shop, an_event, at
from triggers.modelled import score_of, why

BERLIN = MONDAY.tzinfo
MODEL = "models: {send_time: }\n"
OFFER = {
    "triggers/offer.yaml": """
trigger: offer
when: {event: visited}
reentry: always
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, best_time: within 23h}
"""
}
HABITS = {"early": 7, "noon": 12, "late": 21}


class Readers:
    """A shop whose people open e-mails around an hour of their own, and a learner beside it."""

    def __init__(self) -> None:
        self.shop = Shop(OFFER, workspace=WORKSPACE + MODEL, start=at("00:00"))
        self.learner = Learner(self.shop.files, ADDRESSES)
        draw, opens = Random(1), []
        for nth in range(90):
            habit = list(HABITS)[nth % 3]
            for day in range(24):
                if draw.random() < 0.4:
                    hour = HABITS[habit] if draw.random() < 0.7 else draw.randrange(24)
                    when = at("00:00", day) + hour * HOUR + draw.randrange(HOUR)
                    opens.append((when, f"{habit}{nth}", f"m{nth}.{day}"))
        for when, user, message in sorted(opens):
            self.shop.now = max(self.shop.now, when)
            self.shop.say(
                [
                    an_event(
                        "email_opened", user=user, time=when, message_id=message, message=message
                    )
                ]
            )
        self.shop.wait_until(at("00:10", 25))
        for entry in self.shop.log.read(0, -1, 1_000_000, 0):
            self.learner.take(decoded(entry))
        self.learner.state.now = self.shop.now
        self.learner.look()
        self.shop.say(self.learner.news())

    def score(self, user: str) -> float:
        """The hour of somebody, as a condition would read it."""
        state = self.shop.engine.state
        person = self.shop.person(f"user_id:{user}")
        found: float = score_of(state.workspace, person, state.learnt, "send_time", self.shop.now)
        return found


@pytest.fixture(scope="module")
def readers() -> Readers:
    return Readers()


def test_planted_habits_are_found_and_who_is_new_goes_by_everybody(readers: Readers) -> None:
    right = [
        readers.score(f"{list(HABITS)[n % 3]}{n}") == list(HABITS.values())[n % 3]
        for n in range(90)
    ]
    assert sum(right) > 85
    readers.shop.do("visited", user="new")
    assert readers.score("new") in HABITS.values()
    version = readers.shop.engine.state.learnt.models["send_time"]
    hours = {n: v for n, v in version.items() if n.startswith("hour.")}
    assert sum(hours.values()) == pytest.approx(1, abs=0.002)
    assert sorted(sorted(hours, key=lambda n: -hours[n])[:3]) == ["hour.12", "hour.21", "hour.7"]


def test_it_says_how_much_better_it_is_than_one_hour_for_all(readers: Readers) -> None:
    version = readers.shop.engine.state.learnt.models["send_time"]
    assert version["quality.near"] > 0.65
    assert 0.2 < version["quality.near_everybodys"] < 0.5
    assert version["quality.judged"] > 80


def test_best_time_goes_by_the_models_hours_and_nobody_else_counts_them(readers: Readers) -> None:
    shop = readers.shop
    assert "hours" not in shop.engine.state.learned
    assert not [name for name in shop.shelf.counts if name.startswith("hour:")]
    shop.do("visited", user="late2")
    shop.wait(DAY)
    sent = shop.sent_by("offer")[-1]
    assert datetime.fromtimestamp(sent.decided / 1000, BERLIN).hour == 21
    state, person = shop.engine.state, shop.person("user_id:late2")
    assert state.workspace is not None
    said = why(state.workspace, person, state.learnt, "send_time", shop.now)
    assert " at 21" in said[0]
    assert said[1].startswith("of everybody: ")


def test_a_few_opens_of_one_person_are_no_version() -> None:
    shop = Shop(OFFER, workspace=WORKSPACE + MODEL)
    for n in range(5):
        shop.do("email_opened", user="ana", message=f"m{n}")
    learner = Learner(shop.files, ADDRESSES)
    for entry in shop.log.read(0, -1, 1_000_000, 0):
        learner.take(decoded(entry))
    learner.look()
    assert learner.news() == []
    person = shop.person("user_id:ana")
    assert (
        score_of(shop.engine.state.workspace, person, Learnt({}, {}), "send_time", shop.now) is None
    )
