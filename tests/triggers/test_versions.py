"""D12: an edit starts new runs on the new version; running ones keep theirs, unless it says otherwise."""

import pytest

from tests.shop import ADDRESSES, DAY, HOUR, MINUTE, SECOND, WORKSPACE, Shop, at
from triggers.load import load
from triggers.loading.formers import FOLDER

TEMPLATES = {
    f"templates/{name}.liquid": f"---\nsubject: {name}\n---\n<p>{name}</p>\n"
    for name in ("old", "new")
}


def journey(wait: str, template: str = "old", rest: str = "", **more: str) -> dict[str, str]:
    return {
        "triggers/journey.yaml": f"""
trigger: journey
{rest}
when: {{event: signed_up}}
do:
  - wait: {wait}
  - send: {{channels: [email], template: {template}}}
  - wait: 1h
  - if: in_segment(vips)
    then: [{{send: {{channels: [email], template: {template}}}}}]
deliver: {{purpose: product}}
""",
        "segments/vips.yaml": "segment: vips\nif: [vip = true]\n",
        **TEMPLATES,
        **more,
    }


def edit(shop: Shop, files: dict[str, str]) -> None:
    """Bring files into force, and nothing else."""
    shop.files = {"workspace.yaml": shop.files["workspace.yaml"], **files}
    shop.engine.adopt(shop.files)
    shop.run()


def sent(shop: Shop, user: str) -> list[str | None]:
    return [one.template for one in shop.sent_by("journey") if one.leaf == f"user_id:{user}"]


def started(files: dict[str, str]) -> Shop:
    shop = Shop(files)
    for user in ("ana", "bob"):
        shop.know(user, email=f"{user}@shop.example", vip=True)
    shop.do("signed_up", user="ana")
    shop.wait(MINUTE)
    return shop


def test_d12_a_running_run_keeps_its_version_and_new_ones_take_the_new() -> None:
    shop = started(journey("2d"))
    old = shop.engine.state.workspace
    edit(shop, journey("1d", "new"))
    shop.do("signed_up", user="bob")
    shop.wait(DAY + 2 * HOUR)
    assert (sent(shop, "ana"), sent(shop, "bob")) == ([], ["new", "new"])
    shop.engine.drain()
    shop.open()
    shop.wait(DAY)
    assert sent(shop, "ana") == ["old", "old"]
    assert old is not None
    assert {one.version for one in shop.sent_by("journey") if one.leaf == "user_id:ana"} == {
        old.hash
    }


def test_d12_a_template_that_is_gone_serves_the_runs_that_began_with_it() -> None:
    shop = started(journey("1h"))
    files = journey("1h", "new")
    del files["templates/old.liquid"]
    edit(shop, files)
    shop.wait(2 * HOUR + MINUTE)
    assert sent(shop, "ana") == ["old", "old"]


def test_d12_migrate_live_moves_the_running_and_recomputes_their_waits_at_once() -> None:
    shop = started(journey("30d"))
    shop.wait(3 * DAY)
    edit(shop, journey("2d", "new", "migrate: live"))
    shop.wait(MINUTE)
    assert sent(shop, "ana") == ["new"], "two days are over"
    shop = started(journey("2d"))
    edit(shop, journey("30d", "new", "migrate: live"))
    shop.wait(29 * DAY)
    assert sent(shop, "ana") == []
    shop.wait(DAY)
    assert sent(shop, "ana") == ["new"]


def test_d12_migrate_live_recomputes_an_absence() -> None:
    def cart(within: str, rest: str = "") -> dict[str, str]:
        return {
            "triggers/journey.yaml": f"""
trigger: journey
{rest}
when: {{event: cart_updated, then_no: ordered, within: {within}}}
do: [{{send: {{channels: [webhook]}}}}]
deliver: {{purpose: product}}
"""
        }

    for later, first, second in (("", 0, 1), ("migrate: live", 1, 1)):
        shop = Shop(cart("3h"))
        shop.do("cart_updated", user="ana")
        shop.wait(HOUR)
        edit(shop, cart("30m", later))
        shop.wait(MINUTE)
        assert len(shop.sent_by("journey")) == first
        shop.wait(3 * HOUR)
        assert len(shop.sent_by("journey")) == second


def test_status_description_and_owner_are_always_those_of_the_latest_file() -> None:
    shop = started(journey("1d"))
    edit(shop, journey("1d", rest="status: paused\nowner: somebody else"))
    assert shop.engine.state.workspace is not None
    assert not shop.engine.state.workspace.formers
    edit(shop, journey("3d", "new", rest="status: paused"))
    shop.do("signed_up", user="bob")
    shop.wait(2 * DAY)
    assert sent(shop, "ana") == [], "waits went on, and the send is held"
    edit(shop, journey("3d", "new"))
    shop.wait(2 * HOUR)
    assert sent(shop, "ana") == ["old", "old"]
    assert sent(shop, "bob") == []


def test_a_trigger_that_is_taken_out_ends_its_runs() -> None:
    shop = started(journey("1d"))
    files = journey("1d")
    del files["triggers/journey.yaml"]
    edit(shop, files)
    shop.wait(2 * DAY)
    assert shop.refusals("journey")[-1] == "ended:trigger_removed"


def test_a_version_that_fits_no_more_ends_its_runs() -> None:
    shop = started(journey("1d"))
    files = journey("2d", "new")
    files["triggers/journey.yaml"] = files["triggers/journey.yaml"].replace("vips", "others")
    files["segments/others.yaml"] = "segment: others\nif: [vip = true]\n"
    del files["segments/vips.yaml"]
    edit(shop, files)
    shop.wait(2 * DAY)
    assert shop.refusals("journey")[-1] == "ended:version_removed"


def test_a_run_goes_on_with_its_version_through_many_edits_which_then_are_forgotten() -> None:
    shop = started(journey("10d"))
    for nth in range(1, 10):
        edit(shop, journey(f"{nth}d", "new"))
        shop.wait(SECOND)
    folders = {path.split("/")[2] for path in shop.engine.state.files if path.startswith(FOLDER)}
    assert len(folders) == 1, "nobody began on those in between"
    shop.wait(10 * DAY + 2 * HOUR)
    assert sent(shop, "ana") == ["old", "old"]
    edit(shop, journey("1d", "new"))
    shop.wait(MINUTE)
    assert not any(path.startswith(FOLDER) for path in shop.engine.state.files)


def test_what_a_former_version_remembers_is_remembered_as_long_as_it_is_needed() -> None:
    def counting(event: str) -> dict[str, str]:
        return {
            "triggers/journey.yaml": f"""
trigger: journey
when: {{event: signed_up}}
do:
  - wait: 1d
  - if: 'count({event}, since entry) >= 2'
    then: [{{send: {{channels: [webhook]}}}}]
deliver: {{purpose: product}}
"""
        }

    shop = Shop(counting("visited"))
    shop.do("signed_up", user="ana")
    edit(shop, counting("bought"))
    shop.wait(MINUTE)
    for _ in range(2):
        shop.do("visited", user="ana")
    shop.wait(2 * DAY)
    assert len(shop.sent_by("journey")) == 1
    edit(shop, counting("clicked"))
    shop.wait(MINUTE)
    cells = shop.person("user_id:ana").leaves["user_id:ana"].cells
    assert not any("visited" in key for key in cells), "and no longer"


@pytest.mark.parametrize("seed", range(3))
def test_edits_while_people_wait_decide_the_same_however_often_the_engine_dies(seed: int) -> None:
    def lived(dies: bool) -> Shop:
        shop = Shop(journey("2d"), start=at("9:00"))
        for nth in range(8):
            user = f"u{(nth + seed) % 5}"
            shop.know(user, email=f"{user}@shop.example", vip=nth % 2 == 0)
            shop.do("signed_up", user=user)
            shop.wait(5 * HOUR)
            edit(shop, journey(f"{1 + (nth + seed) % 3}d", "new" if nth % 2 else "old"))
            shop.wait(SECOND * (nth % 3))
            if dies:
                shop.engine.drain()
                shop.open()
        shop.wait(10 * DAY)
        return shop

    one, other = lived(dies=False), lived(dies=True)
    assert [(a.id, a.decided) for a in one.sent] == [(a.id, a.decided) for a in other.sent]
    assert one.engine.state.files == other.engine.state.files
    assert len(one.sent) >= 6


def test_a_version_is_named_by_what_is_written_whatever_else_a_release_knows() -> None:
    """A name that changed with a release would end every run that waits when it is installed."""

    def version(**change: str) -> str:
        files = {"workspace.yaml": WORKSPACE, **journey("1d")}
        for old, new in change.items():
            files["triggers/journey.yaml"] = files["triggers/journey.yaml"].replace(old, new)
        return load(files, ADDRESSES).named["journey"].version

    assert version() == "a8601ae3"
    assert version(deliver="status: shadow\nowner: crm\ndescription: d\ndeliver") == version()
    assert version(signed_up="signed_in") != version()
