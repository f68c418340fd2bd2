"""`kairos suppressions` against a running engine: a list from elsewhere holds for whoever has the address."""

import io
from pathlib import Path
from typing import Any

import pytest

from kairos.commands.suppressions import add, lift, list_
from tests.commands.conftest import Site, Told


def addresses(site: Site, who: str) -> dict[str, str | None]:
    """Return a person's addresses, and why each leads nowhere."""
    return {one["address"]: one.get("lost") for one in site.profile(who).addresses}


def identified(site: Site, user: str, address: str, nth: int) -> None:
    traits = {"email": address}
    site.send({"type": "identify", "userId": user, "traits": traits, "messageId": f"{user}-{nth}"})
    site.settle()


def listed(site: Site, told: Told) -> dict[str, dict[str, Any]]:
    assert list_(data=site.data, json=True) == 0
    return {one["address"]: one for one in told()["addresses"]}


def test_a_list_holds_for_who_has_the_address_now_or_later_until_it_is_lifted(
    site: Site, told: Told, tmp_path: Path
) -> None:
    file = tmp_path / "bounces.csv"
    file.write_text(
        "status,reason,Email,created\n"
        '5.1.1,"550 no, really",Mia.Old@Shop.example,1700000000\n'
        "5.1.1,,mia.new@shop.example,1700000000\n"
        "5.1.1,,not-an-address,1700000000\n"
    )
    identified(site, "mia-1", "mia.old@shop.example", 1)
    assert addresses(site, "mia-1") == {"mia.old@shop.example": None}
    assert add(file, reason="mailbox gone", data=site.data, json=True) == 1
    assert told() == {"suppressed": 2, "unread": [4], "applied": True}
    assert addresses(site, "mia-1") == {"mia.old@shop.example": "550 no, really"}

    identified(site, "mia-2", "mia.new@shop.example", 1)
    assert addresses(site, "mia-2") == {"mia.new@shop.example": "mailbox gone"}
    found = listed(site, told)
    assert found["mia.old@shop.example"]["person"] == site.profile("mia-1").id
    assert found["mia.new@shop.example"]["reason"] == "mailbox gone"

    assert lift("MIA.new@shop.example", data=site.data, json=True) == 0
    assert told() == {"lifted": "mia.new@shop.example", "applied": True}
    assert addresses(site, "mia-2") == {"mia.new@shop.example": None}
    assert listed(site, told).keys() & {"mia.old@shop.example", "mia.new@shop.example"} == {
        "mia.old@shop.example"
    }


def test_people_read_it_in_lines(
    site: Site,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = b"tim@shop.example\n+49 170 1234567\n\nTim@shop.example\n" + b"odd\n" * 12
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines)))
    assert add(Path("-"), data=site.data) == 1
    odd = ", ".join(str(n) for n in range(5, 15))
    assert capsys.readouterr().out.splitlines() == [
        "2 addresses are suppressed",
        f"12 lines hold no address: {odd} and 2 more",
    ]
    assert list_(data=site.data) == 0
    said = capsys.readouterr().out
    assert said.startswith("address")
    assert "tim@shop.example" in said
    assert "+491701234567" in said
    assert lift("+491701234567", data=site.data) == lift("tim@shop.example", data=site.data) == 0
    assert capsys.readouterr().out.splitlines() == [
        "+491701234567 is good again",
        "tim@shop.example is good again",
    ]
    assert list_(data=site.data) == 0
    assert "tim@shop.example" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"a@b.example\n\xff", "UTF-8 was expected"),
        (b"name\nana\n", "at least one address was expected, found none"),
        (b'a@b.example\n"' + b"x" * 140_000, "line 2: this is no list"),
    ],
)
def test_what_is_no_list_suppresses_nobody(
    site: Site, told: Told, tmp_path: Path, content: bytes | None, expected: str
) -> None:
    file, before = tmp_path / "list.csv", site.newest
    if content is not None:
        file.write_bytes(content)
    assert add(file, data=site.data, json=True) == 2
    assert expected in told()["error"]
    assert site.newest == before


def test_what_is_no_address_is_not_lifted(site: Site, told: Told) -> None:
    assert lift("ana", data=site.data, json=True) == 1
    assert "found 'ana'" in told()["error"]
