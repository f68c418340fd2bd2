"""`kairos dlq`: what could not be applied is listed, shown, replayed once, or dropped."""

import json
import threading
from functools import partial
from typing import Any, NamedTuple

import msgspec
import pytest

from events.arrival import Arrival
from events.parse import parse
from events.record import VERIFIED, DeadLetter, Event, Offset, Record, Settled, encode
from events.rejected import Rejected
from events.sources.base import LogUnavailableError
from kairos.commands.dlq import drop, list_, show
from kairos.commands.dlq import replay as command
from kairos.operators.letters import Choice, Letter, again, letters, replay
from kairos.profile.beside import Beside, beside
from tests.commands.conftest import Site, Told


def say(site: Site, *records: Record) -> int:
    """Append records as a collector did, which knew less than that of today."""
    with beside(site.stack.settings) as engine:
        return engine.log.append(0, encode(list(records)))


def refused(
    user: str,
    n: int = 1,
    *,
    accepted_us: int,
    code: str = "too_deep",
    message_id: str | None = None,
    **properties: Any,
) -> DeadLetter:
    """A letter whose fault is mended by now: today's collector would take it."""
    body = {"type": "track", "event": "Seen", "userId": user, "messageId": message_id}
    whole = json.dumps({**body, "properties": {"n": n, **properties}}).encode()
    return DeadLetter("server", VERIFIED, code, "18 levels", whole, accepted_us)


def events_of(site: Site, user: str) -> int:
    site.settle()
    return site.profile(f"user_id:{user}").events


class Waiting(NamedTuple):
    """Places of letters."""

    fixed: list[str]
    used: str
    dropped: str
    spare: str


BAD = {
    "type": "track",
    "event": "Seen",
    "messageId": "m-bad",
    "properties": {"big": 12345678901234567},
}


@pytest.fixture(scope="module")
def waiting(site: Site) -> Waiting:
    """All that these tests are about: the ledger's offset is stored once in two seconds."""
    good = [{"type": "track", "event": "Seen", "userId": f"r6-{n}"} for n in range(99)]
    said = site.send(*good[:50], BAD, *good[50:])
    assert (said["accepted"], len(said["rejected"])) == (99, 1)
    for who, n in (("twice", 1), ("twice", 2), ("used", 1)):
        call = {"type": "track", "event": "Seen", "userId": who, "messageId": f"m-{who}"}
        site.send({**call, "properties": {"n": n}})
    with beside(site.stack.settings) as engine:
        now = engine.now() * 1000
    fixed = say(site, *(refused("fixed", n, accepted_us=now) for n in range(3)))
    large = {"x": "y" * 8_000}
    for first in range(0, 300, 100):
        say(
            site,
            *(
                refused("killed", n, accepted_us=now, code="killed", **large)
                for n in range(first, first + 100)
            ),
        )
    used = say(site, refused("used", 2, accepted_us=now, message_id="m-used"))
    dropped = say(site, refused("dropped", accepted_us=now), refused("spare", accepted_us=1))
    site.settle()
    places = (f"{used}.0", f"{dropped}.0", f"{dropped}.1")
    return Waiting([f"{fixed}.{n}" for n in range(3)], *places)


@pytest.mark.usefixtures("waiting")
def test_r6_one_bad_event_of_a_hundred_is_listed_and_shown(
    site: Site, told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list_(code="number_out_of_range", data=site.data, json=True) == 0
    found = told()
    (letter,) = found["letters"]
    assert found["by_code"] == {"number_out_of_range": 1}
    assert letter["source"] == "server"
    assert letter["starts"].startswith('{"type": "track"')

    assert show(letter["place"], data=site.data, json=True) == 0
    assert json.loads(told()["body"]) == BAD
    assert show(letter["place"], data=site.data) == 0
    whole = capsys.readouterr().out
    assert '    "big": 12345678901234567' in whole, "numbers stay as they were written"
    assert "number_out_of_range" in whole

    assert command([letter["place"]], data=site.data, json=True) == 1
    (kept,) = told()["kept"]
    assert (kept["place"], kept["code"]) == (letter["place"], "number_out_of_range")
    assert list_(code="number_out_of_range", since="1h", data=site.data) == 0
    table = capsys.readouterr().out
    assert letter["place"] in table
    assert "1 number_out_of_range" in table
    assert list_(since="2100-01-01", data=site.data) == 0
    assert "no dead letters" in capsys.readouterr().out


def test_a_simulated_replay_appends_nothing(site: Site, waiting: Waiting, told: Told) -> None:
    newest = site.newest
    assert command([waiting.spare], simulate=True, data=site.data, json=True) == 0
    said = told()
    (one,) = said["replayed"]
    assert (one["place"], one["entry"]) == (waiting.spare, None)
    assert said["old"] == 1, "it happened in 1970: no counter will count it"
    assert site.newest == newest


def test_a_replay_after_a_fix_counts_once_also_where_it_is_run_at_once(
    site: Site, waiting: Waiting, told: Told
) -> None:
    with beside(site.stack.settings) as engine:  # two more who read before anything is settled
        stale = list(letters(engine, Choice(names=tuple(waiting.fixed))))
        for _ in range(2):
            done = replay(stale, partial(_append, engine), "me", engine.now())
            assert len(done.replayed) == 3
        both = [
            threading.Thread(target=command, args=(waiting.fixed,), kwargs={"data": site.data})
            for _ in range(2)
        ]
        for one in both:
            one.start()
        for one in both:
            one.join()
    assert events_of(site, "fixed") == 3
    assert list_(code="too_deep", data=site.data, json=True) == 0
    there = {letter["place"] for letter in told()["letters"]}
    assert not there & set(waiting.fixed)
    assert command(waiting.fixed, data=site.data, json=True) == 1
    assert told()["missing"] == waiting.fixed


def _append(engine: Beside, records: list[Record]) -> int:
    return engine.log.append(0, encode(records))


@pytest.mark.usefixtures("waiting")
def test_a_replay_that_is_killed_in_the_middle_goes_on_where_it_was(site: Site) -> None:
    """Its second entry is in the log, but nobody was left to hear of it; the third never came."""
    appended: list[int] = []
    with beside(site.stack.settings) as engine:

        def dying(records: list[Record]) -> int:
            appended.append(_append(engine, records))
            if len(appended) == 2:
                raise LogUnavailableError("killed")
            return appended[-1]

        found = list(letters(engine, Choice(code="killed")))
        assert len(found) == 300
        with pytest.raises(LogUnavailableError):
            replay(found, dying, "me", engine.now())
        assert command(code="killed", data=site.data) == 0
        assert events_of(site, "killed") == 300
        assert list(letters(engine, Choice(code="killed"))) == []


def test_a_conflicting_copy_is_replayed_as_new_alone_and_then_once(
    site: Site, waiting: Waiting, told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    with beside(site.stack.settings) as engine:
        stale = list(letters(engine, Choice(code="conflicting_copy")))
        (name,) = (letter.name for letter in stale)
        assert command([name], data=site.data, json=True) == 1
        assert "--as-new" in told()["kept"][0]["reason"]
        assert show(name, data=site.data) == 0
        assert '"message_id": "m-twice"' in capsys.readouterr().out
        assert command([name], as_new=True, simulate=True, data=site.data, json=True) == 0
        assert told()["replayed"][0]["message_id"] == f"m-twice~{name}"

        replay(stale, partial(_append, engine), "me", engine.now(), as_new=True)
        assert command([name, waiting.used], as_new=True, data=site.data, json=True) == 1
        conflicts = told()["conflicts"]
        assert events_of(site, "twice") == 2
        # Its message id was used meanwhile by another event: it waits again, and says so.
        assert events_of(site, "used") == 1
        left = [letter.name for letter in letters(engine, Choice(code="conflicting_copy"))]
        assert left == conflicts
        assert len(left) == 1


def test_a_dropped_letter_is_gone_and_the_log_says_who_and_why(
    site: Site, waiting: Waiting, told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    place, newest = waiting.dropped, site.newest
    assert drop([place, "7.7"], reason="spam", by="eve", data=site.data) == 1
    assert "no dead letter at 7.7" in capsys.readouterr().err
    assert site.newest == newest
    assert drop([place], reason="spam", by="eve", data=site.data, json=True) == 0
    assert told()["dropped"] == [place]
    with beside(site.stack.settings) as engine:
        assert list(letters(engine, Choice(names=(place,)))) == []
        (last,) = engine.log.back(0, site.newest + 1, 1)
    entry, _, nth = place.partition(".")
    assert last.payload == encode([Settled(int(entry), int(nth), "eve: spam")])


def test_what_cannot_be_meant_is_said(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    def said(code: int, expected: int = 2) -> str:
        assert code == expected
        return capsys.readouterr().err

    assert "places, --code CODE or --all" in said(command(data=site.data))
    assert "leave places and --code out" in said(command(["7.1"], all=True, data=site.data))
    assert "a place such as 1884187.0 was expected, found '7'" in said(show("7", data=site.data))
    assert "no dead letter at 7.1" in said(show("7.1", data=site.data), 1)
    assert "a duration such as 2h or 7d" in said(list_(since="soon", data=site.data))
    assert "kairos up --data" in said(list_(data=site.data / "none"))


def test_a_letter_is_read_as_the_collector_would_have() -> None:
    """What the request said beside its events is part of what they mean."""
    body = b'{"event":"Seen","anonymousId":"a1","originalTimestamp":"2026-11-25T09:00:00Z"}'
    said = DeadLetter(
        source="web",
        trust=VERIFIED,
        code="too_deep",
        reason="",
        body=body,
        accepted_us=1_795_600_000_000_000,
        kind="track",
        sent_at="2026-11-25T09:00:10Z",
        context=b'{"userAgent":"U/1","locale":"de"}',
        import_id="",
    )
    event = again(Letter(Offset(7, 2), said))
    assert isinstance(event, Event)
    assert event.context["user_agent"] == "U/1"
    assert event.accepted_us == said.accepted_us
    assert event.time == 1_795_600_000_000 - 10_000
    history = msgspec.structs.replace(said, import_id="crm", body=body.replace(b"originalT", b"t"))
    imported = again(Letter(Offset(7, 3), history))
    assert isinstance(imported, Event)
    assert (imported.import_id, imported.time) == ("crm", 1_795_597_200_000)
    assert isinstance(again(Letter(Offset(7, 4), history), replayed=True), Event)


def test_a_copy_under_a_new_id_has_the_key_that_the_door_would_give_it() -> None:
    arrival = Arrival("web", VERIFIED, 10**15)
    first = parse(b'{"type":"track","event":"E","userId":"u","messageId":"m"}', arrival)
    second = parse(b'{"type":"track","event":"E","userId":"u","messageId":"m~7.2"}', arrival)
    assert isinstance(first, Event)
    said = DeadLetter("web", VERIFIED, "conflicting_copy", "", msgspec.json.encode(first), 10**15)
    assert again(Letter(Offset(7, 2), said), as_new=True) == second
    damaged = msgspec.structs.replace(said, body=b"{}")
    assert isinstance(again(Letter(Offset(7, 2), damaged), as_new=True), Rejected)
