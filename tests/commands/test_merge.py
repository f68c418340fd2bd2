"""`kairos merge`, `kairos unmerge`, and docs/identity.md: joined, refused, cut, and seen first."""

import json
import re
import shlex
from typing import Any

import pytest
import redis

from events.record import OPERATOR
from kairos.cli import app
from kairos.commands.merge import command as merge
from kairos.commands.profile import command as profile
from kairos.commands.unmerge import command as unmerge
from kairos.operators.words import statement
from kairos.profile.read import Profile
from profile_state.identity import edge, merge_id
from tests.commands.conftest import Site, Told
from tests.docs.pages import page, section


def view(who: str, price: int, **rest: Any) -> dict[str, Any]:
    product = {"product_id": "p1", "price": price}
    return {"type": "track", "event": "Product Viewed", "properties": product, **rest, **id_of(who)}


def id_of(who: str) -> dict[str, str]:
    kind, _, value = who.partition(":")
    return {{"user_id": "userId", "anonymous_id": "anonymousId"}[kind]: value}


def identify(user: str, anon: str, messageId: str = "", **traits: Any) -> dict[str, Any]:  # noqa: N803 - as SDKs say it
    more = {"messageId": messageId, "traits": traits}
    return {"type": "identify", "userId": user, "anonymousId": anon, **more}


def own(found: Profile) -> Any:
    """What a person is, apart from when one looked, and what others were said to be theirs."""
    parts = {name: getattr(found, name) for name in found.__struct_fields__}
    for name in ("as_of", "refused", "looked_back_to"):
        del parts[name]
    return parts


def everything(site: Site) -> dict[bytes, bytes | None]:
    """All that the ledger holds, apart from what workers take, and the engine says, meanwhile."""
    with redis.Redis.from_url(site.stack.settings.ledger) as ledger:
        keys = [
            key for key in ledger.keys("*") if not key.startswith((b"activations", b"position"))
        ]
        return {key: ledger.dump(key) for key in keys}


PAGE = "docs/identity.md"  # whose examples are run
HEADINGS = [  # of the sections with an example that runs
    heading
    for heading in re.findall(r"^## .+$", page(PAGE), re.MULTILINE)
    if "```sh\n" in section(PAGE, heading)
]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SENT = [
    (key, json.loads(call))
    for key, call in re.findall(r"^(browser|server) ({.*})$", page(PAGE), re.MULTILINE)
]

CART = {"cart_id": "c1", "value": 50}
CLAIM = {"type": "alias", "userId": "hal", "previousId": "user_id:ida"}


@pytest.fixture(scope="module", autouse=True)
def people(site: Site) -> None:
    """Everybody whom these tests are about: the ledger is written once in two seconds."""
    site.send(
        *(view("user_id:ana", price) for price in (5, 6)),
        *(view(f"anonymous_id:{who}-phone", 5) for who in ("ana", "bob", "sim", "dora")),
        *(identify(who, f"{who}-phone", firstName=who) for who in ("ana", "bob")),
        *(view("user_id:sim", price) for price in (5, 6)),
        {"type": "track", "event": "Cart Updated", "anonymousId": "eli-phone", "properties": CART},
        {"type": "track", "event": "Order Completed", "userId": "eli", "properties": CART},
        identify("fay", "fay-phone"),
        identify("fay", "fay-laptop"),
        {"type": "alias", "anonymousId": "gil-1", "previousId": "gil-2"},
        identify("gil", "gil-1"),
        identify("gil", "gil-2"),
        *(
            identify(who, "", email=f"{who}{n}@shop.example")
            for who in ("jan", "kim")
            for n in range(3)
        ),
        *(view(who, 5) for who in ("user_id:leo", "anonymous_id:twin", "user_id:twin")),
    )
    site.send(*(view(f"anonymous_id:{who}-phone", 5) for who in ("cy", "di")), key="browser")
    site.send(*(identify(who, f"{who}-phone") for who in ("cy", "di")), key="browser")
    site.send(identify("mia", "mias", messageId="m-mia"), key="browser")
    site.send(identify("hal", "shared"), identify("ida", "shared"), CLAIM, key="browser")
    site.send(CLAIM)
    for key, call in SENT:
        site.send(call, key=key)
    site.settle()


def test_a15_a_merge_by_mistake_is_taken_back_and_each_is_what_they_were(
    site: Site, told: Told
) -> None:
    before = {who: own(site.profile(f"user_id:{who}")) for who in ("ana", "bob")}
    assert list(before["ana"]["segments"]) == ["warm"]
    assert merge("user_id:ana", "user_id:bob", data=site.data, json=True) == 0
    said = told()
    assert (said["one"], said["other"]) == ("user_id:ana", "user_id:bob")
    together = site.profile("user_id:bob")
    assert (together.events, len(together.identifiers)) == (6, 4)
    assert list(together.segments) == ["warm"]
    assert said["change"]["overruled"] == ["2 of user_id, at most 1"]

    assert unmerge("user_id:bob", said["merge"], data=site.data, by="eve", json=True) == 0
    assert told()["by"] == "eve"
    after = {who: site.profile(f"user_id:{who}") for who in ("ana", "bob")}
    assert {who: own(found) for who, found in after.items()} == before
    assert [link.why for link in after["ana"].refused] == ["cut by an operator"]
    assert unmerge("user_id:bob", said["merge"], data=site.data, json=True) == 0
    assert "are cut already" in told()["already"]


def test_a_simulation_changes_nothing_and_shows_what_then_happens(site: Site, told: Told) -> None:
    ledger, newest = everything(site), site.newest
    assert merge("sim", "sim-phone", data=site.data, simulate=True, json=True) == 0
    tried = told()
    assert (tried["simulated"], tried["entry"]) == (True, None)
    assert (everything(site), site.newest) == (ledger, newest)

    assert merge("sim", "sim-phone", data=site.data, json=True) == 0
    done = told()
    assert done["entry"] > newest
    for part in ("entered", "left", "runs", "messages", "overruled"):
        assert done["change"][part] == tried["change"][part], part
    (person,) = done["change"]["after"]
    assert done["change"]["entered"] == [{"person": person["id"], "segment": "warm"}]
    assert done["change"]["messages"] == ["warm_visitor on webhook"]
    before = [one["identifiers"] for one in done["change"]["before"]]
    assert sorted(before) == [["anonymous_id:sim-phone"], ["user_id:sim"]]

    ledger, newest = everything(site), site.newest
    assert unmerge("sim", "sim-phone", data=site.data, simulate=True, json=True) == 0
    assert {e["segment"] for e in told()["change"]["left"]} == {"warm"}
    assert (everything(site), site.newest) == (ledger, newest)


def test_r27_a_simulation_says_that_a_run_ends_by_what_the_other_did(
    site: Site, told: Told
) -> None:
    assert merge("eli", "eli-phone", data=site.data, simulate=True, json=True) == 0
    (run,) = told()["change"]["runs"]
    assert (run["trigger"], run["key"], run["goes_on"]) == ("cart_abandoned", "c1", False)


def test_two_people_who_were_anonymous_first_are_joined_whole(site: Site, told: Told) -> None:
    """Joined by their first leaves, one would lose the device to the other and stay apart."""
    assert merge("user_id:cy", "user_id:di", data=site.data, simulate=True, json=True) == 0
    change = told()["change"]
    assert change["refused"] == []
    assert [one["identifiers"] for one in change["after"]] == [
        ["anonymous_id:cy-phone", "anonymous_id:di-phone", "user_id:cy", "user_id:di"]
    ]


def test_two_who_are_tied_by_a_chain_are_shown_it(
    site: Site, told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    assert unmerge("fay-phone", "fay-laptop", data=site.data) == 1
    said = capsys.readouterr().err
    first = merge_id("anonymous_id:fay-phone", "user_id:fay")
    second = merge_id("anonymous_id:fay-laptop", "user_id:fay")
    assert "no edge ties anonymous_id:fay-phone and anonymous_id:fay-laptop directly" in said
    assert all(x in said for x in (first, second, "cut one of these, such as `kairos unmerge"))
    assert unmerge("fay-phone", "fay-laptop", data=site.data, json=True) == 1
    assert {x["merge"] for x in told()["edges"]} == {first, second}
    person = site.profile("fay").id
    assert unmerge(person, "user_id:fay", data=site.data) == 1
    assert "2 edges tie user_id:fay to others" in capsys.readouterr().err
    assert unmerge(person, "fay-laptop", data=site.data, simulate=True, json=True) == 0
    assert sorted(one["identifiers"] for one in told()["change"]["after"]) == [
        ["anonymous_id:fay-laptop"],
        ["anonymous_id:fay-phone", "user_id:fay"],
    ]


def test_a_cut_says_by_what_the_two_are_still_joined(
    site: Site, told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    assert unmerge("gil-1", "gil-2", data=site.data, simulate=True, json=True) == 1
    said = told()
    ways = [merge_id(f"anonymous_id:gil-{n}", "user_id:gil") for n in (1, 2)]
    assert [x["merge"] for x in said["still"]] == ways
    assert unmerge("gil-1", "gil-2", data=site.data, simulate=True) == 1
    assert f"are still one person, by {ways[0]} (" in capsys.readouterr().out


def test_a_profile_lists_what_joins_a_person_and_what_does_not(
    site: Site, told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    joined = site.profile("mia").joined
    assert [(x.one, x.other, x.trust, x.message_id, x.why) for x in joined] == [
        ("anonymous_id:mias", "user_id:mia", "browser", "m-mia", "")
    ]
    device = "a shared device: 2 user ids are said to be its own"
    claim = "a browser's word joins no two people who are both identified"
    limit = "a limit: 2 of user_id, at most 1"
    assert {x.why for x in site.profile("shared").refused} == {device}
    for who in ("user_id:hal", "user_id:ida"):
        assert sorted(x.why for x in site.profile(who).refused) == [claim, limit, device]
        assert site.profile(who).joined == []
    assert profile("user_id:hal", data=site.data) == 0
    said = capsys.readouterr().out
    assert "not joined" in said
    assert merge_id("anonymous_id:shared", "user_id:hal") in said
    assert unmerge("user_id:ida", "shared", data=site.data, simulate=True, json=True) == 0
    (hal,) = (one for one in told()["change"]["after"] if "user_id:hal" in one["identifiers"])
    assert "anonymous_id:shared" in hal["identifiers"], "it is shared no more"


def test_a_merge_says_whom_a_limit_parts_by_it(site: Site, told: Told) -> None:
    assert merge("user_id:jan", "user_id:kim", data=site.data, simulate=True, json=True) == 0
    change = told()["change"]
    (lost,) = change["refused"]
    assert lost["why"] == "a limit: 6 of email, at most 5"
    assert len(change["after"]) == 2


def test_what_cannot_be_done_says_why(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    def said(code: int, expected: int = 1) -> str:
        assert code == expected
        found = capsys.readouterr()
        return found.err + found.out

    newest = site.newest
    assert "nobody is 'nemo'" in said(merge("leo", "nemo", data=site.data))
    assert "ask for anonymous_id:twin or user_id:twin" in said(
        merge("leo", "twin", data=site.data), 2
    )
    assert "are one person already" in said(merge("leo", "user_id:leo", data=site.data), 0)
    assert "and nothing joins" in said(unmerge("leo", "m_0123456789ab", data=site.data))
    assert "has no identifier 'user_id:twin'" in said(
        unmerge("leo", "user_id:twin", data=site.data)
    )
    assert "kairos up --data" in said(merge("leo", "twin", data=site.data / "none"), 2)
    assert site.newest == newest


def test_a_word_comes_after_every_earlier_one_also_by_a_clock_that_is_behind() -> None:
    earlier = edge(900, "op-z", "user_id:u", "anonymous_id:a", OPERATOR)
    said = statement([earlier], "user_id:u", "anonymous_id:a", 500, cut=True, by="", reason="")
    assert said.time == 901
    other = statement([earlier], "user_id:u", "anonymous_id:b", 500, cut=True, by="", reason="")
    assert other.time == 500


@pytest.mark.parametrize("heading", HEADINGS)
def test_every_example_of_the_page_says_what_it_says(
    site: Site, heading: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (_, command), (_, expected) = BLOCK.findall(section(PAGE, heading))[-2:]
    _, *words = shlex.split(command)
    call, bound, _ = app(words).parse_args([*words, "--data", str(site.data)])
    assert call(*bound.args, **bound.kwargs) == 0
    said = capsys.readouterr().out
    lines = iter(said.splitlines())
    for wanted in expected.splitlines():
        pattern = re.escape(wanted).replace("…", ".*")
        assert any(re.match(pattern, line) for line in lines), f"{wanted!r} is not in\n{said}"
