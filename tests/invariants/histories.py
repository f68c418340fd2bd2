"""Histories that hypothesis draws, and a bookkeeper who knows nothing but what was accepted."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from hypothesis import strategies as st

from events.record import VERIFIED, Erase, Event, Join
from profile_state.leaf import Leaf
from profile_state.person import Person
from profile_state.stored import unpack
from profile_state.stores.memory import Shelf
from tests.shop import MINUTE, Shop, an_event, at

Said = Event | Join | Erase

START = at("10:00")
USERS = ("user-ana", "user-bob", "user-cyd")
DEVICES = ("phone-7", "ipad-7")
MAILS = ("one@shop.example", "two@shop.example")
IDENTIFIERS = (
    *(f"user_id:{u}" for u in USERS),
    *(f"anonymous_id:{d}" for d in DEVICES),
    *(f"email:{m}" for m in MAILS),
)
WHO: list[dict[str, Any]] = [
    *({"user": u} for u in USERS),
    *({"anon": d} for d in DEVICES),
    *({"user": u, "anon": d, "trust": t} for u in USERS for d in DEVICES for t in (0, 1)),
    *({"user": u, "email": m, "trust": VERIFIED} for u in USERS for m in MAILS),
    *({"anon": d, "email": m, "trust": VERIFIED} for m in MAILS for d in DEVICES),
]


def _event(who: dict[str, Any], name: str, message: int, content: int, minutes: int) -> Event:
    """What somebody does; `by` names the event for ever, and `content` may contradict a copy."""
    whose = next(iter(who.values()))  # the leaf's
    return an_event(
        name,
        message_id=f"m{message}",
        time=START - minutes * MINUTE,
        traits={"secret": f"of {whose}"} if name == "identify" else None,
        by=f"{whose} {message}",
        content=content,
        **who,
    )


def _join(pair: list[str], cut: bool, minutes: int, nth: int) -> Join:
    return Join(f"op{nth}", START - minutes * MINUTE, pair[0], pair[1], cut, "operator", "")


def events(names: Iterable[str] = ("viewed", "cart", "ordered", "identify")) -> Any:
    """Events of a few people on a few devices, with ids that are repeated now and then."""
    return st.builds(
        _event,
        st.sampled_from(WHO),
        st.sampled_from(list(names)),
        st.integers(0, 4),
        st.sampled_from((0, 0, 1)),
        st.integers(0, 90),
    )


joins = st.builds(
    _join,
    st.lists(st.sampled_from(IDENTIFIERS), min_size=2, max_size=2, unique=True),
    st.booleans(),
    st.integers(0, 90),
    st.integers(0, 10**6),
)
erasures = st.builds(
    Erase,
    st.sampled_from(IDENTIFIERS),
    st.sampled_from((b"k" * 16, b"l" * 16)),
    st.just(START),
    st.just("officer"),
    st.just(""),
)


@st.composite
def histories(draw: st.DrawFn, *kinds: Any, size: int = 30) -> list[Said]:
    """Records in any order, some of them more than once; four in five are events, or more."""
    # Drawn by number: `one_of` would make one of equal strategies.
    choice = st.sampled_from([*[events()] * 8, *kinds])
    record = choice.flatmap(lambda kind: kind)
    records: list[Said] = draw(st.lists(record, min_size=size // 3, max_size=size))
    for place in draw(st.lists(st.integers(0, 2 * size), max_size=6)):
        again = records[place % len(records)]
        records.insert((place * 7 + 1) % (len(records) + 1), again)
    return records


@st.composite
def entries(draw: st.DrawFn, *kinds: Any, size: int = 30) -> list[list[Said]]:
    """The same in entries of the log; an erasure starts one, and those it names may follow in it."""
    found: list[list[Said]] = []
    for record in draw(histories(*kinds, size=size)):
        if not found or isinstance(record, Erase) or draw(st.integers(0, 2)) == 0:
            found.append([])
        found[-1].append(record)
    return found


class Account:
    """Where each accepted event must be, by what was said alone.

    Whom an erasure concerns is asked of the ledger before it is read; all else is counted by hand.
    """

    def __init__(self) -> None:
        self.erased: set[str] = set()  # identifiers
        # applied, duplicate, dead, erased, words (dropped); erasures, and what they made forgotten
        self.where: Counter[str] = Counter()
        self.totals: Counter[str] = Counter()  # by leaf
        self.applied: dict[str, Event] = {}  # by what `by` says
        self._content: dict[tuple[str, str], Any] = {}

    def take(self, said: Said, shop: Shop) -> None:
        """Book a record that the engine has not read yet."""
        match said:
            case Event():
                self._event(said, shop)
            case Join():
                self.where["words"] += self.drops(said)
            case Erase():
                self.where["erasures"] += said.identifier not in self.erased
                self._erase({said.identifier, *ids_of(shop, said.identifier)})

    def say(self, shop: Shop, entry: list[Said]) -> None:
        """Book records, and let the engine read them.

        In one entry of the log, but for what the ledger must be asked of in between: whose device
        it is that an event of somebody erased names.
        """
        together: list[Said] = []
        for said in entry:
            if (
                isinstance(said, Event)
                and said.leaf in self.erased
                and len(said.ids) > 1
                and together
            ):
                shop.say(together)
                together = []
            self.take(said, shop)
            together.append(said)
        if together:
            shop.say(together)

    def live(self, shop: Shop, entry: list[Said], pace: tuple[int, bool]) -> None:
        """The same; then time passes (ms), and the engine crashes or does not."""
        self.say(shop, entry)
        pause, crash = pace
        shop.wait(pause)
        if crash:
            shop.open()
            shop.run()

    def drops(self, said: Said) -> bool:
        """Say whether an operator's word names somebody erased."""
        return isinstance(said, Join) and bool(self.erased & {said.one, said.other})

    def _event(self, event: Event, shop: Shop) -> None:
        if event.leaf in self.erased:
            self.where["erased"] += 1
            for other in event.ids[1:]:
                theirs = ids_of(shop, other)
                if theirs and all(i.startswith("anonymous_id:") for i in theirs):
                    self._erase(theirs)  # it was theirs, and nobody knew
            return
        name, content = (event.leaf, event.message_id), (event.name, event.ids, event.properties)
        if name not in self._content:
            self._content[name] = content
            self.where["applied"] += 1
            self.totals[event.leaf] += 1
            self.applied[event.properties["by"]] = event
        else:
            self.where["duplicate" if self._content[name] == content else "dead"] += 1

    def _erase(self, identifiers: set[str]) -> None:
        self.erased |= identifiers
        for identifier in identifiers:
            self.where["forgotten"] += self.totals.pop(identifier, 0)


def people_in(shelf: Shelf) -> list[Person]:
    """Everybody in a ledger, tombstones included."""
    return [unpack(value, {}) for value in shelf.people.values()]


def leaves_in(shelf: Shelf) -> Iterator[Leaf]:
    """Every leaf in a ledger."""
    for person in people_in(shelf):
        yield from person.leaves.values()


def totals_in(shelf: Shelf) -> dict[str, int]:
    """How many events each identifier in a ledger was counted for."""
    return {leaf.key: leaf.total for leaf in leaves_in(shelf) if leaf.total}


def ids_of(shop: Shop, identifier: str) -> set[str]:
    """The identifiers of whom an identifier belongs to, as the ledger has it."""
    shop.engine.drain()
    lead = shop.shelf.index.get(identifier)
    return set() if lead is None else unpack(shop.shelf.people[lead], {}).ids
