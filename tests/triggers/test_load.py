"""Mistakes in a workspace: each is found, at its place, with what to do."""

import time

import pytest

from tests.shop import ADDRESSES
from triggers.load import load
from triggers.problems import WorkspaceError

GOOD = {
    "workspace.yaml": "workspace: shop\nchannels: {email: {caps: {marketing: 3 per 7d}}}\n",
    "segments/warm.yaml": "segment: warm\nif:\n  - count(product_viewed, last 7d) >= 3\n",
    "triggers/hello.yaml": (
        "trigger: hello\n"
        "when: {event: signed_up}\n"
        "if:\n"
        "  - in_segment(warm)\n"
        "do:\n"
        "  - send: {channels: [email], template: hello}\n"
        "deliver: {purpose: marketing}\n"
    ),
    "templates/hello.email.liquid": "---\nsubject: Hello\n---\nHello {{ first_name }}\n",
}


def problems(file: str, old: str, new: str) -> list[str]:
    files = dict(GOOD)
    assert old in files[file], "the change must change something"
    files[file] = files[file].replace(old, new)
    with pytest.raises(WorkspaceError) as error:
        load(files, ADDRESSES)
    return [str(p) for p in error.value.problems]


def test_the_good_one_loads() -> None:
    assert [t.name for t in load(GOOD, ADDRESSES).triggers] == ["hello"]


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("triggers/hello.yaml", "when:", "whne:", "triggers/hello.yaml:2:1: unknown key 'whne'. Did you mean 'when'?"),
        ("triggers/hello.yaml", "event: signed_up", "evnt: signed_up", "triggers/hello.yaml:2:8: unknown key 'evnt'. Did you mean 'event'?"),
        ("triggers/hello.yaml", "template: hello", "template: helo", "triggers/hello.yaml:6:41: the template 'helo' has no file for email: neither templates/helo.email.liquid nor templates/helo.liquid exists. Did you mean 'hello'?"),
        ("triggers/hello.yaml", "[email]", "[emial]", "triggers/hello.yaml:6:23: unknown channel 'emial'. Did you mean 'email'?"),
        ("triggers/hello.yaml", "[email]", "[]", "triggers/hello.yaml:6:22: a send needs at least one channel"),
        ("triggers/hello.yaml", "purpose: marketing", "purpose: markting", "triggers/hello.yaml:7:20: unknown purpose 'markting'. Did you mean 'marketing'?"),
        ("triggers/hello.yaml", "purpose: marketing", "priority: 5", "triggers/hello.yaml:6:11: no purpose"),
        ("triggers/hello.yaml", "in_segment(warm)", "in_segment(worm)", "triggers/hello.yaml:4:16: unknown segment 'worm'. Did you mean 'warm'?"),
        ("triggers/hello.yaml", "in_segment(warm)", "cuont(product_viewed) > 1", "triggers/hello.yaml:4:5: unknown function 'cuont'. Did you mean 'count'?"),
        ("triggers/hello.yaml", "in_segment(warm)", "count(product_viewed", "triggers/hello.yaml:4:25: brackets do not balance"),
        ("triggers/hello.yaml", "in_segment(warm)", "timezone = Europe/Berlin", "triggers/hello.yaml:4:14: text with + - * or / in it needs quotes"),
        ("triggers/hello.yaml", "in_segment(warm)", "plan = pro and", "triggers/hello.yaml:4:19: "),
        ("triggers/hello.yaml", "in_segment(warm)", "sum(order_completed, last 7d) > 5", "triggers/hello.yaml:4:9: sum(...) needs a property, such as sum(order_completed.total)"),
        ("triggers/hello.yaml", "in_segment(warm)", "since(order_completed) = 3", "triggers/hello.yaml:4:5: since(...) is compared by < <= > >= with a duration"),
        ("triggers/hello.yaml", "trigger: hello\n", "trigger: hello\nstatus: lve\n", "triggers/hello.yaml:2:9: unknown word 'lve'. Did you mean 'live'?"),
        ("triggers/hello.yaml", "trigger: hello\n", "trigger: hello\nreentry: sometimes\n", "triggers/hello.yaml:2:10: `once`, `always`, `cooldown 7d` or `max 3 per 30d` was expected, found 'sometimes'"),
        ("triggers/hello.yaml", "trigger: hello\n", "trigger: hello\ntrigger: hello\n", "triggers/hello.yaml:2:1: 'trigger' stands here a second time"),
        ("triggers/hello.yaml", "event: signed_up", "event: signed_up, then_no: x", "triggers/hello.yaml:2:7: `then_no: EVENT` and `within: 30m` belong together"),
        ("triggers/hello.yaml", "event: signed_up", "event: signed_up, then_no: x, within: 30", "triggers/hello.yaml:2:46: a duration such as 30s, 30m, 2h or 7d was expected, found '30'"),
        ("triggers/hello.yaml", "event: signed_up", "event: signed_up, then_no: x, within: 36501d", "triggers/hello.yaml:2:46: a duration of at most 36500d was expected, found '36501d'"),
        ("triggers/hello.yaml", "in_segment(warm)", "count(product_viewed, last 99999w) >= 3", "triggers/hello.yaml:4:32: a duration of at most 36500d was expected, found '99999w'"),
        ("triggers/hello.yaml", "do:\n", "do:\n  - wait: 999999999d\n", "triggers/hello.yaml:6:11: a duration of at most 36500d was expected, found '999999999d'"),
        ("triggers/hello.yaml", "purpose: marketing", "purpose: marketing, caps: {email: 1 per 99999d}", "triggers/hello.yaml:7:45: a duration of at most 36500d was expected, found '99999d'"),
        ("triggers/hello.yaml", "event: signed_up", "segment: enterd warm", "triggers/hello.yaml:2:17: `entered NAME` or `exited NAME` was expected"),
        ("triggers/hello.yaml", "event: signed_up", "sequence: [signed_up], within: 10m", "triggers/hello.yaml:2:18: a sequence has two steps at least; for one event write `event`"),
        ("triggers/hello.yaml", "event: signed_up", "sequence: signed_up, within: 10m", "triggers/hello.yaml:2:18: a list was expected, found text"),
        ("triggers/hello.yaml", "event: signed_up", "sequence: [a, b]", "triggers/hello.yaml:2:18: a sequence needs `within: 10m`"),
        ("triggers/hello.yaml", "event: signed_up", "sequence: [a, b], within: ten minutes", "triggers/hello.yaml:2:34: a duration such as 30s, 30m, 2h or 7d was expected, found 'ten minutes'"),
        ("triggers/hello.yaml", "event: signed_up", "sequence: [a, b sam id], within: 10m", "triggers/hello.yaml:2:22: `EVENT` or `EVENT same PROPERTY` was expected, found 'b sam id'. Did you mean 'same'?"),
        ("triggers/hello.yaml", "event: signed_up", "sequence: [a, Product Viewed], within: 10m", "triggers/hello.yaml:2:22: `EVENT` or `EVENT same PROPERTY` was expected, found 'Product Viewed'. An event of several words is written with _, such as product_viewed"),
        ("triggers/hello.yaml", "event: signed_up", "sequence: [a same id, b], within: 10m", "triggers/hello.yaml:2:21: no step comes before this one whose id could be the same"),
        ("triggers/hello.yaml", "event: signed_up", "sequence: [a, b, c], without: b, within: 10m", "triggers/hello.yaml:2:38: 'b' is a step in the middle, so without it nothing is complete"),
        ("triggers/hello.yaml", "event: signed_up", "sequence: [a, b], within: 10m, then_no: x", "triggers/hello.yaml:2:39: `then_no` goes with event, not with sequence"),
        ("triggers/hello.yaml", "event: signed_up", "event: signed_up, without: x", "triggers/hello.yaml:2:26: `without` goes with sequence, not with event"),
        ("triggers/hello.yaml", "event: signed_up", "sequence: [a, b], within: 10m, event: signed_up", "triggers/hello.yaml:2:7: one of event, sequence, absence, segment, changed, crosses, every, date, at, item, api was expected, found event and sequence"),
        ("triggers/hello.yaml", "event: signed_up", "segment: entered warm, where: [event.a = 1]", "triggers/hello.yaml:2:31: `where` goes with event or sequence or absence or api, not with segment"),
        ("triggers/hello.yaml", "in_segment(warm)", "opened_last(0, email)", "triggers/hello.yaml:4:5: opened_last(...) takes a whole number from 1 to 100 first"),
        ("triggers/hello.yaml", "in_segment(warm)", "opened_last(101, email)", "triggers/hello.yaml:4:5: opened_last(...) takes a whole number from 1 to 100 first"),
        ("triggers/hello.yaml", "in_segment(warm)", "opened_last(1.5, email)", "triggers/hello.yaml:4:5: opened_last(...) takes a whole number from 1 to 100 first"),
        ("triggers/hello.yaml", "in_segment(warm)", "opened_last(email)", "triggers/hello.yaml:4:5: opened_last(...) takes a whole number from 1 to 100 first"),
        ("triggers/hello.yaml", "in_segment(warm)", "opened_last(2)", "triggers/hello.yaml:4:5: opened_last(...) takes a number and a channel alone"),
        ("triggers/hello.yaml", "in_segment(warm)", "opened_last(2, email, last 7d)", "triggers/hello.yaml:4:5: opened_last(...) takes a number and a channel alone"),
        ("triggers/hello.yaml", "in_segment(warm)", "opened_last(2, emial)", "triggers/hello.yaml:4:20: unknown channel 'emial'. Did you mean 'email'?"),
        ("triggers/hello.yaml", "in_segment(warm)", "count(signed_up where in_segment(warm)) > 1", "triggers/hello.yaml:4:27: a filter looks at properties of the counted event alone; in_segment(...) stands beside it"),
        ("triggers/hello.yaml", "in_segment(warm)", "count(signed_up where a = 1 and since(b) > 1d) > 1", "triggers/hello.yaml:4:37: a filter looks at properties of the counted event alone; since(...) stands beside it"),
        ("triggers/hello.yaml", "in_segment(warm)", "count(3, signed_up) > 1", "triggers/hello.yaml:4:5: count(...) takes no number"),
        ("triggers/hello.yaml", "purpose: marketing", "purpose: marketing, caps: {email: 0 per 7d}", "triggers/hello.yaml:7:45: `0 per 7d` lets nothing through"),
        ("triggers/hello.yaml", "purpose: marketing", "purpose: marketing, caps: {email: 3 per 0d}", "triggers/hello.yaml:7:45: `3 per 0d` limits nothing; a cap such as `3 per 7d` was expected"),
        ("triggers/hello.yaml", "purpose: marketing", "purpose: marketing, caps: {emial: 3 per 7d}", "triggers/hello.yaml:7:38: unknown channel 'emial'. Did you mean 'email'?"),
        ("triggers/hello.yaml", "purpose: marketing", "purpose: marketing, caps: {email: 1 per 1d, calendar: daily}", "triggers/hello.yaml:7:65: `true` or `false` was expected, found 'daily'"),
        ("triggers/hello.yaml", "purpose: marketing", "purpose: marketing, caps: {email: 1 per 1d, calender: true}", "triggers/hello.yaml:7:55: unknown channel 'calender'. Did you mean 'calendar'?"),
        ("triggers/hello.yaml", "purpose: marketing", "purpose: marketing, caps: {email: 1 per 36h, calendar: true}", "triggers/hello.yaml:7:45: with `calendar: true` a cap counts whole days, such as `1 per 1d`; found '1 per 36h'"),
        ("triggers/hello.yaml", "purpose: marketing", "purpose: marketing, caps: {calendar: true}", "triggers/hello.yaml:7:38: no cap stands beside it that it could concern, such as `channel: 1 per 1d`"),
        ("workspace.yaml", "marketing: 3 per 7d", "marketing: 3 per 12h, calendar: true", "workspace.yaml:2:38: with `calendar: true` a cap counts whole days, such as `1 per 1d`; found '3 per 12h'"),
        ("workspace.yaml", "marketing: 3 per 7d", "marketing: 3 per 7d, calendar: 7d", "workspace.yaml:2:58: `true` or `false` was expected, found '7d'"),
        ("workspace.yaml", "marketing: 3 per 7d", "markting: 3 per 7d", "workspace.yaml:2:27: unknown purpose 'markting'. Did you mean 'marketing'?"),
        ("workspace.yaml", "marketing: 3 per 7d", "transactional: 3 per 7d", "workspace.yaml:2:42: 'transactional' has no caps, so this one would limit nothing"),
        ("workspace.yaml", "workspace: shop", "workspace: shop\npurposes: {calendar: {default: allowed}}", "workspace.yaml:2:12: 'calendar' has a meaning of its own in `caps`; give the purpose another name"),
        ("workspace.yaml", "workspace: shop", "workspace: shop\npurposes: {transactional: {quiet_hours: on}}", "workspace.yaml:2:41: transactional sends have no caps or quiet hours"),
        ("triggers/hello.yaml", "purpose: marketing", "purpose: marketing, quiet_hours: 21-8", "triggers/hello.yaml:7:44: quiet hours such as 21:00-08:00 were expected, found '21-8'"),
        ("triggers/hello.yaml", "purpose: marketing", "purpose: marketing, priority: high", "triggers/hello.yaml:7:41: a whole number was expected, found text"),
        ("segments/warm.yaml", "count(product_viewed, last 7d) >= 3", "in_segment(warm)", "segments/warm.yaml:3:3: segments ask for each other in a circle: warm -> warm"),
        ("segments/warm.yaml", "count(product_viewed, last 7d) >= 3", "event.value > 3", "segments/warm.yaml:3:5: a segment has no event"),
        ("segments/warm.yaml", "count(product_viewed, last 7d) >= 3", "ltv is high", "segments/warm.yaml:3:12: workspace.yaml sets no bands for 'ltv'. It has bands for: none yet"),
        ("workspace.yaml", "workspace: shop", "workspace: shop\ntimezone: Europe/Berln", "workspace.yaml:2:11: unknown time zone 'Europe/Berln'. Did you mean 'Europe/Berlin'?"),
        ("workspace.yaml", "workspace: shop", "workspace: &a shop", "workspace.yaml:1:12: anchors and aliases are not allowed"),
        ("workspace.yaml", "workspace: shop", "workspace: !!python/object:os.system shop", "workspace.yaml:1:12: tags such as"),
        ("workspace.yaml", "workspace: shop\n", "workspace: [shop\n", "this is no YAML"),
        ("workspace.yaml", "workspace: shop\n", "workspace: shop\n# a\x00b\n", "workspace.yaml:2:4: this is no YAML: the character U+0000 is not allowed"),
        ("segments/warm.yaml", "count(product_viewed, last 7d) >= 3", "not " * 50 + "seen", "segments/warm.yaml:3:5: a condition of more than 50 levels"),
        ("segments/warm.yaml", "count(product_viewed, last 7d) >= 3", "price > 1" + " + 1" * 60, "segments/warm.yaml:3:5: a condition of more than 50 levels"),
        ("segments/warm.yaml", "count(product_viewed, last 7d) >= 3", "price > " + "9" * 3_000, "segments/warm.yaml:3:13: a number beyond ±(2^53-1)"),
        ("segments/warm.yaml", "count(product_viewed, last 7d) >= 3", "price > " + "9" * 5_000, "segments/warm.yaml:3:5: at most 4000 characters fit a condition, found 5008"),
        ("templates/hello.email.liquid", "{{ first_name }}", "{{ first_name | upcse }}", "templates/hello.email.liquid:4:1: unknown filter 'upcse'. Did you mean 'upcase'?"),
        ("templates/hello.email.liquid", "subject: Hello", "subject: Hello\npurpose: transactional", "go together"),
    ],
)  # fmt: skip
def test_r57_a_mistake_is_named_with_its_place(
    file: str, old: str, new: str, expected: str
) -> None:
    found = problems(file, old, new)
    assert any(expected in problem for problem in found), found


@pytest.mark.parametrize("part", ["[", "{a: ", "- ", "? "])
def test_a_file_of_brackets_is_refused_before_it_takes_long(part: str) -> None:
    began = time.process_time()
    with pytest.raises(WorkspaceError, match=r"a\.yaml:\d+:\d+: deeper than 20 levels"):
        load({**GOOD, "segments/a.yaml": "segment: a\nif:\n  " + part * 8_000}, ADDRESSES)
    assert time.process_time() - began < 2, "s; it took 90 s"


def test_every_mistake_is_found_in_one_go() -> None:
    files = dict(GOOD)
    files["triggers/hello.yaml"] = (
        files["triggers/hello.yaml"].replace("hello}", "gone}").replace("[email]", "[email, fax]")
    )
    files["segments/warm.yaml"] = "segment: warm\nif: ['count(']"
    with pytest.raises(WorkspaceError) as error:
        load(files, ADDRESSES)
    assert len(error.value.problems) == 3


def test_two_triggers_with_one_name() -> None:
    with pytest.raises(
        WorkspaceError,
        match=r"z\.yaml:1:10: the trigger 'hello' is already defined in triggers/hello\.yaml",
    ):
        load({**GOOD, "triggers/z.yaml": GOOD["triggers/hello.yaml"]}, ADDRESSES)


def test_a_file_in_the_wrong_place_is_not_silently_ignored() -> None:
    with pytest.raises(
        WorkspaceError, match=r"trigger/hello\.yaml:1:1: nobody reads hello\.yaml here"
    ):
        load({**GOOD, "trigger/hello.yaml": "trigger: x"}, ADDRESSES)


def test_scalars_are_text_until_the_schema_says_otherwise() -> None:
    files = {**GOOD, "workspace.yaml": "workspace: NO\nquiet_hours: 21:00-08:00\n"}
    workspace = load(files, ADDRESSES)
    assert workspace.name == "NO"
    assert workspace.quiet is not None
    assert (workspace.quiet.start, workspace.quiet.end) == (1260, 480)
