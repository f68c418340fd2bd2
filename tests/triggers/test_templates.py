"""Templates: what a marketer gets wrong is named by file and line; what a trait holds is text."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.workspace_folder import read_folder
from triggers.templates import (
    FOLDER,
    LINKS,
    MissingError,
    TemplateError,
    choose,
    parse,
    render,
    text_of,
)

OUT = {"unsubscribe_url", "preferences_url"}  # the ways out of a message
FULL = """---
subject: "{{ first_name | default: 'Hello' }}, your cart"
purpose: marketing
---
<p>Dear {{ first_name | default: "there" }},</p>
<p>{% for item in event.items %}{{ item.name }}<br>{% endfor %}</p>
"""


def filled(body: str, channel: str = "sms", **traits: object) -> str:
    subject, text, html = render(parse("t.liquid", body), traits, {}, channel)
    assert subject == ""
    return html or text


def test_subject_text_and_html() -> None:
    template = parse("templates/cart.email.liquid", FULL)
    event = {"items": [{"name": "Tea"}, {"name": "Salt & pepper"}]}
    subject, text, html = render(template, {"first_name": "Ana"}, event, "email")
    assert subject == "Ana, your cart"
    assert text == "Dear Ana,\n\nTea\nSalt & pepper"
    assert "Salt &amp; pepper<br>" in html
    assert template.purpose == "marketing"


def test_variables_are_what_the_template_reads() -> None:
    assert parse("t.liquid", FULL).variables() == {"first_name", "event.items"}
    text = "{% assign x = plan %}{{ x }}{{ event.cart.id }}{{ a[b.c] }}{{ event.items[0].sku }}"
    assert parse("t.liquid", text).variables() == {
        "plan",
        "event.cart.id",
        "a",
        "b.c",
        "event.items",
    }


def test_what_is_missing_is_empty() -> None:
    assert filled("a{{ nothing }}b{{ nothing.at.all }}c{{ event.x }}") == "abc"


def test_a_trait_is_text_and_never_a_template_nor_markup() -> None:
    evil = "{{ secret }}<script>alert(1)</script>"
    assert filled("{{ name }}", name=evil, secret="s") == evil
    html = filled("<p>{{ name }}</p>", "email", name=evil, secret="s")
    assert html == "<p>{{ secret }}&lt;script&gt;alert(1)&lt;/script&gt;</p>"


def test_a_property_reaches_no_python_attribute() -> None:
    assert filled("{{ d.items }}{{ d.__class__ }}{{ s.upper }}", d={"items": 3}, s="x") == "3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("---\nsubjet: a\n---\n", "t.liquid:2: unknown key 'subjet'. Did you mean 'subject'?"),
        ("---\npurpose: x\nsubject: 12\n---\n", "t.liquid:3: a text was expected for 'subject'"),
        ("---\nsubject: a\nsubject: b\n---\n", "t.liquid:3: found duplicate key"),
        ("---\nsubject: {{ a }}\n---\n", "t.liquid:2: .*put the text in quotes"),
        ("---\nsubject: !!python/object:os.system a\n---\n", "t.liquid:2: tags and anchors"),
        ("---\nsubject: 2026-99-99\n---\n", "t.liquid:2: month must be .*put the text in quotes"),
        ("---\nsubject: 0x_\n---\n", "t.liquid:2: .*put the text in quotes"),
        ("---\n\nsubject: a\x00\n---\n", r"t.liquid:3: this is no YAML: the character U\+0000"),
        ("---\nsubject: a\n", "t.liquid:1: the front matter has no closing line"),
        ("---\n- a\n---\n", "t.liquid:2: 'subject: …' was expected, found list"),
        ("---\nsubject: '{{ a | upcse }}'\n---\n", "t.liquid:2: unknown filter 'upcse'"),
        ("---\nsubject: a\n---\n\n{{ a | upcse }}", "t.liquid:5: .*Did you mean 'upcase'"),
        ("a\n\n{% if x %}b", "t.liquid:3: expected tag endif"),
        ("a\n{% elsif %}", "t.liquid:2: "),
        ("a\n{{ a {{ b }}", "t.liquid:2: '{{' is not closed, '}}' was expected"),
        ("a\n{% if b", "t.liquid:2: '{%' is not closed, '%}' was expected"),
        ("---\nsubject: " + "[" * 300 + "\n---\n", "t.liquid:2: more than 200 brackets"),
        ("---\nsubject: " + "a" * 5000 + "\n---\n", "t.liquid:2: the front matter has more than"),
        ("{% include 'other' %}", "t.liquid:1: unexpected tag 'include'"),
        ("\n{{ a | safe }}", "t.liquid:2: unknown filter 'safe'"),
        ("\n{{ (1..9) | join }}", "t.liquid:2: a range .* may only stand in a 'for'"),
        ("{% if a %}{% assign r = (1..9) %}{% endif %}", "t.liquid:1: a range"),
        ("a" * 300_000, "t.liquid:1: at most 262144 characters"),
        (
            "---\nrequire: first_name\n---\n",
            r"t.liquid:2: 'require: \[first_name, event.order_id\]' was",
        ),
        ("---\nsubject: a\nrequire: [1]\n---\n", "t.liquid:3: 'require: .*found \\[1\\]"),
        (
            "---\nrequire: [firstName]\n---\n",
            "t.liquid:2: .*found 'firstName'. Did you mean 'first_name'",
        ),
        ("---\nrequire: [event.orderId]\n---\n", "t.liquid:2: .*Did you mean 'event.order_id'"),
        ("---\nrequire: [event]\n---\n", "t.liquid:2: the name of a trait, or event.PROPERTY, was"),
        (
            "---\nrequire: [address.]\n---\n",
            "t.liquid:2: the name of a trait, or event.PROPERTY, was",
        ),
    ],
)
def test_errors_say_where_and_what(text: str, message: str) -> None:
    with pytest.raises(TemplateError, match="^" + message):
        parse("t.liquid", text)


@pytest.mark.parametrize("piece", ["{{", "{%", "{% raw %}", "{{ (", "{% if a %}", "{% comment %}"])
def test_hostile_32_kb_are_refused_fast(piece: str) -> None:
    start = time.process_time()
    with pytest.raises(TemplateError):
        parse("t.liquid", piece * (32_000 // len(piece)))
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize(
    "bomb",
    [
        "{% for i in (1..100000000) %}x{% endfor %}",
        "{% for i in (1..9999) %}{% for j in (1..9999) %}{% endfor %}{% endfor %}",
        "{% assign a = x %}{% for i in (1..99) %}{% assign a = a | append: a %}{% endfor %}",
        "{{ x" + " | replace: 'a', x" * 5 + " }}",
        "{{ x | split: '' | join: x | split: '' | join: x }}",
        "{{ x" + " | base64_encode" * 100 + " }}",
        "{{ n" + " | times: n" * 9 + " }}",
        "{{ 1 | divided_by: 0 }}",
    ],
)
def test_a_bomb_is_an_error_and_cheap(bomb: str) -> None:
    template = parse("t.liquid", bomb)
    start = time.perf_counter()
    with pytest.raises(TemplateError, match=r"^t\.liquid: "):
        render(template, {"x": "a" * 8000, "n": 10**4000}, {}, "sms")
    assert time.perf_counter() - start < 1.0


def test_an_error_does_not_tell_what_the_trait_was() -> None:
    template = parse("t.liquid", "{{ name | divided_by: 'x' | slice: name }}")
    with pytest.raises(TemplateError) as error:
        render(template, {"name": "very-private"}, {}, "sms")
    assert "very-private" not in str(error.value)


def test_text_of_hostile_markup_is_linear() -> None:
    start = time.perf_counter()
    for piece in ("<script", "<", "<p", "<!--", "<style>a", "</p", "&amp"):
        text_of(piece * (200_000 // len(piece)))
    assert time.perf_counter() - start < 2.0


EXAMPLES = sorted((Path(__file__).parents[2] / "examples").rglob("*.liquid"))
ORDER = "---\nrequire: [first_name, event.order_id, event.cart.items]\n---\n{{ first_name }}"
WHOLE: dict[str, Any] = {"order_id": "o1", "cart": {"items": ["Tea"]}}


@pytest.mark.parametrize("channel", ["email", "sms"])
@pytest.mark.parametrize("name", [{}, {"first_name": None}, {"first_name": ""}])
def test_f7_a_missing_first_name_is_the_default(channel: str, name: dict[str, Any]) -> None:
    template = parse("t.liquid", "Dear {{ first_name | default: 'friend' }}!")
    assert render(template, name, {}, channel)[1] == "Dear friend!"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
@pytest.mark.parametrize("channel", ["email", "sms"])
def test_f7_no_message_of_the_examples_has_a_raw_placeholder(path: Path, channel: str) -> None:
    links = dict.fromkeys(LINKS, "https://id.shop.example/")
    parts = render(parse(path.name, path.read_text(encoding="utf-8")), {}, {}, channel, links)
    assert parts[1]
    assert not [mark for mark in ("{{", "}}", "{%", "%}") if mark in "".join(parts)]


@pytest.mark.parametrize(
    ("facts", "event", "missing"),
    [
        ({}, {}, ("first_name", "event.order_id", "event.cart.items")),
        ({"first_name": "Ana"}, {**WHOLE, "order_id": None}, ("event.order_id",)),
        ({"first_name": " \n"}, WHOLE, ("first_name",)),
        ({"first_name": []}, WHOLE, ("first_name",)),
        ({"first_name": "Ana"}, {**WHOLE, "cart": {"items": []}}, ("event.cart.items",)),
        ({"first_name": "Ana"}, {**WHOLE, "cart": "c1"}, ("event.cart.items",)),
    ],
)
@pytest.mark.parametrize("channel", ["email", "sms"])
def test_f7_what_the_template_requires_and_is_not_there_is_named(
    facts: dict[str, Any], event: dict[str, Any], missing: tuple[str, ...], channel: str
) -> None:
    with pytest.raises(MissingError) as error:
        render(parse("t.liquid", ORDER), facts, event, channel)
    assert error.value.names == missing


@pytest.mark.parametrize("there", ["Ana", 0, False, ["Ana"]])
def test_nought_and_false_are_values(there: object) -> None:
    assert render(parse("t.liquid", ORDER), {"first_name": there}, WHOLE, "sms")[1]


def test_what_is_required_is_read() -> None:
    assert parse("t.liquid", ORDER).variables() == {"first_name", "event.order_id", "event.cart.items"}  # fmt: skip


def cpu_ms(run: Callable[[], object]) -> float:
    """Return the CPU that a call takes, the best of three."""
    spent = []
    for _ in range(3):
        start = time.process_time()
        run()
        spent.append((time.process_time() - start) * 1000)
    return min(spent)


R55_SECRET = "r55-of-the-environment"
R55_FACTS: dict[str, Any] = {
    "x": "text", "n": 7, "d": {"a": 1}, "none": None, "secret": R55_SECRET + "-trait",
    "name": "{{ secret }}<b>", "kb": "a" * 1024, "a": -(10**10), "b": 10**300,
}  # fmt: skip
R55_REACHING = [
    "{{ x.__class__ }}",
    "{{ x.__class__.__mro__[1].__subclasses__ }}",
    "{{ d.__init__.__globals__.os.environ }}{{ n.real }}{{ none.__class__ }}",
    "{{ x['__class__'] }}{{ d['__class__']['__base__'] }}{{ event.__class__ }}",
    "{{ environ.R55 }}{{ env.R55 }}{{ os.environ.R55 }}{{ self }}{{ _ }}{{ globals }}",
    "{% for a in x.__class__ %}{{ a }}{% endfor %}{% assign y = d.__dict__ %}{{ y }}",
]
# Each builds 2^30 characters or goes around 10^10 times, if it is let.
R55_GROWING = [
    "{% for i in (1..10000000000) %}x{% endfor %}",
    "{% for i in (1..9999) %}{% for j in (1..1000001) %}{% endfor %}{% endfor %}",
    "{% for i in (1..10000000000) reversed limit: 9999999999 %}{{ i }}{% endfor %}",
    "{% for i in (1..10000000000) offset: 9999999999 %}{{ i }}{% endfor %}",
    "{% for i in (a..b) reversed %}{{ i }}{% endfor %}",
    "{% liquid for i in (1..10000000000) reversed\n echo i\n endfor %}",
    "{% tablerow i in (1..10000000000) %}{{ i }}{% endtablerow %}",
    "{% tablerow i in (1..10000000000) offset: 9999999999 %}{{ i }}{% endtablerow %}",
    "{% assign a = kb %}{% for i in (1..20) %}{% assign a = a | append: a %}{% endfor %}{{ a }}",
    "{% assign a = kb %}{% for i in (1..20) %}{% capture a %}{{ a }}{{ a }}{% endcapture %}{% endfor %}",
    "{{ kb | split: '' | join: kb | split: '' | join: kb }}",
]


@pytest.mark.parametrize("channel", ["email", "sms"])
@pytest.mark.parametrize("text", R55_REACHING)
def test_r55_no_attribute_of_python_is_reached(
    text: str, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("R55", R55_SECRET)
    template = parse("t.liquid", text)
    assert "".join(render(template, R55_FACTS, {}, channel)) == ""
    assert cpu_ms(lambda: render(template, R55_FACTS, {}, channel)) < 10


@pytest.mark.parametrize("channel", ["email", "sms"])
@pytest.mark.parametrize("text", R55_GROWING)
def test_r55_a_loop_or_a_text_without_end_is_an_error_at_once(text: str, channel: str) -> None:
    template = parse("t.liquid", text)

    def run() -> str:
        with pytest.raises(TemplateError) as error:
            render(template, R55_FACTS, {}, channel)
        return str(error.value)

    assert len(run()) < 200
    assert cpu_ms(run) < 10


def test_r55_an_unknown_filter_is_an_error_at_once() -> None:
    def run() -> str:
        with pytest.raises(TemplateError) as error:
            parse("t.liquid", "{{ x | open: '/etc/passwd' }}")
        return str(error.value)

    assert run().startswith("t.liquid:1: unknown filter 'open'.")
    assert cpu_ms(run) < 10


@pytest.mark.parametrize(
    ("channel", "body"),
    [("email", "<p>{{ secret }}&lt;b&gt;</p>"), ("sms", "<p>{{ secret }}<b></p>")],
)
def test_r55_a_trait_with_liquid_in_it_is_text(channel: str, body: str) -> None:
    template = parse("t.liquid", "---\nsubject: '{{ name }}'\n---\n<p>{{ name }}</p>")
    subject, text, html = render(template, R55_FACTS, {}, channel)
    assert (html or text) == body
    assert subject == "{{ secret }}<b>"
    assert R55_SECRET not in subject + text + html
    assert cpu_ms(lambda: render(template, R55_FACTS, {}, channel)) < 10


@pytest.mark.parametrize("channel", ["email", "sms"])
def test_r55_no_value_of_the_environment_is_in_any_output(
    channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("R55", R55_SECRET)
    said: list[str] = []
    for text in [*R55_REACHING, *R55_GROWING, *(path.read_text("utf-8") for path in EXAMPLES)]:
        try:
            said += render(parse("t.liquid", text), {"kb": "a" * 1024, "x": ""}, {}, channel)
        except TemplateError as error:
            said.append(str(error))
    values = [value for value in os.environ.values() if len(value) > 6]
    assert R55_SECRET in values
    assert not [value for value in values for one in said if value in one]


@pytest.mark.parametrize("folder", ["shop", "campaigns"])
def test_every_mail_of_the_examples_that_needs_consent_has_a_way_out(folder: str) -> None:
    files = read_folder(Path(__file__).parents[2] / "examples" / folder)
    named = {path.split("/")[1].split(".")[0] for path in files if path.startswith(FOLDER)}
    mails = [path for name in named if (path := choose(name, "email", files)) is not None]
    parsed = [parse(path, files[path]) for path in mails if "renewal_short" not in path]
    assert [p.path for p in parsed if p.purpose != "transactional" and not p.links >= OUT] == []
    assert any(p.links for p in parsed)


def test_links_are_the_messages_own_and_no_variables() -> None:
    text = "---\nrequire: [name, preferences_url]\n---\n{{ unsubscribe_url }}{{ name }}"
    template = parse("t.liquid", text)
    assert template.links == OUT
    assert template.variables() == {"name"}
    links = {"unsubscribe_url": "https://a/", "preferences_url": "https://b/"}
    facts = {"name": "Ana", "unsubscribe_url": "https://evil.example/"}
    assert render(template, facts, {}, "sms", links)[1] == "https://a/Ana"
    with pytest.raises(MissingError) as missing:
        render(template, {**facts, **links}, {}, "sms", {"unsubscribe_url": "https://a/"})
    assert missing.value.names == ("preferences_url",)
    with pytest.raises(MissingError) as missing:
        render(template, {}, {}, "sms")
    assert missing.value.names == ("name", "preferences_url", "unsubscribe_url")
