"""Who lives in the simulated world. Pure: the same seed makes the same people, run after run."""

import random
from datetime import datetime
from typing import NamedTuple

from triggers.local_time import zone

# Round the globe, so that at any hour somebody shops and somebody sleeps.
ZONES = (
    "Pacific/Auckland",
    "Australia/Sydney",
    "Asia/Tokyo",
    "Asia/Shanghai",
    "Asia/Kolkata",
    "Asia/Dubai",
    "Europe/Athens",
    "Europe/Berlin",
    "Europe/London",
    "America/Sao_Paulo",
    "America/New_York",
    "America/Chicago",
    "America/Los_Angeles",
    "Pacific/Honolulu",
)
NAMES = ["Ana", "Ben", "Chloé", "Dev", "Elif", "Femi", "Greta", "Hugo", "Ines", "Jonas", "Kavya"]
NAMES += ["Luca", "Mira", "Noor", "Olga", "Pablo", "Quinn", "Rosa", "Sven", "Tomoko", "Zoë"]
REGULARS = 240  # customers whom every run with the same seed meets again
NO_ADDRESS, WRONG_ADDRESS = 0.05, 0.02  # shares that gave none, or none that is one
SLEEPERS = 0.1  # share of what happens that sleepers do, so that quiet hours are seen


class Person(NamedTuple):
    """A customer."""

    user_id: str
    email: str  # "" where they gave none
    first_name: str
    timezone: str
    devices: tuple[str, ...]  # anonymous ids
    marketing: bool | None  # consent to marketing e-mails; None where they never said


def person(seed: int, name: str, timezone: str | None = None) -> Person:
    """Make the customer of that name.

    Args:
        seed: of the world.
        name: unique in it.
        timezone: None draws one.

    >>> person(7, "r1") == person(7, "r1"), person(7, "r1").email == person(8, "r1").email
    (True, False)
    """
    draw = random.Random(f"{seed}/{name}")
    first_name = draw.choice(NAMES)
    home = draw.choice(ZONES)
    user_id = f"u{seed}-{name}"
    address = f"{_ascii(first_name)}.{user_id}@customers.example"
    return Person(
        user_id=user_id,
        email=draw.choices(("", "n/a", address), (NO_ADDRESS, WRONG_ADDRESS, 1))[0],
        first_name=first_name,
        timezone=timezone or home,
        devices=tuple(f"d{seed}-{name}-{nth}" for nth in range(draw.randint(1, 3))),
        marketing=draw.choices((True, None, False), (72, 18, 10))[0],
    )


def _ascii(name: str) -> str:
    return name.lower().encode("ascii", "ignore").decode()


def awake(timezone: str, now_ms: int) -> bool:
    """Say whether it is daytime, and stays so for the length of a demo.

    >>> noon_in_london = 1_772_452_800_000
    >>> awake("Europe/London", noon_in_london), awake("Pacific/Auckland", noon_in_london)
    (True, False)
    """
    return 9 <= _hour(timezone, now_ms) < 20


def asleep(timezone: str, now_ms: int) -> bool:
    """Say whether everybody's quiet hours have begun, and do not end soon."""
    hour = _hour(timezone, now_ms)
    return hour >= 22 or hour < 7


def _hour(timezone: str, now_ms: int) -> int:
    return datetime.fromtimestamp(now_ms / 1000, zone(timezone)).hour


class Crowd:
    """Whom a run meets: regulars, newcomers and visitors without a name.

    Args:
        seed: of the world.
        run: names this run's newcomers.
        now_ms: the run's start.
        draw: the run's randomness.
    """

    def __init__(self, seed: int, run: str, now_ms: int, draw: random.Random) -> None:
        self._seed, self._run, self._draw = seed, run, draw
        self._newcomers = 0
        self._visitors = 0
        regulars = [person(seed, f"r{n}") for n in range(REGULARS)]
        self._awake = [p for p in regulars if awake(p.timezone, now_ms)]
        self._asleep = [p for p in regulars if asleep(p.timezone, now_ms)]
        self._day = [z for z in ZONES if awake(z, now_ms)]
        self._night = [z for z in ZONES if asleep(z, now_ms)]

    def regular(self) -> Person:
        """Return somebody whom the shop knows; some come much more often than others."""
        group = self._asleep if self._draw.random() < SLEEPERS else self._awake
        return group[int(len(group) * self._draw.random() ** 2)]

    def newcomer(self) -> Person:
        """Return somebody whom no run has met before."""
        self._newcomers += 1
        return person(self._seed, f"{self._run}-{self._newcomers}", self.timezone())

    def night_owl(self) -> Person:
        """Return a newcomer who is up at night, and allows mails by day."""
        who = self.newcomer()
        address = f"{who.user_id}@customers.example"
        return who._replace(timezone=self._draw.choice(self._night), marketing=True, email=address)

    def visitor(self) -> str:
        """Return the anonymous id of somebody without a name; every fourth was here before."""
        if self._draw.random() < 0.25:
            return f"v{self._seed}-{self._draw.randrange(400)}"
        self._visitors += 1
        return f"v{self._seed}-{self._run}-{self._visitors}"

    def timezone(self) -> str:
        """Return where a newcomer lives."""
        return self._draw.choice(self._night if self._draw.random() < SLEEPERS else self._day)
