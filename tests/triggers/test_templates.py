"""Templates: what a marketer gets wrong is named by file and line; what a trait holds is text."""

import time

import pytest

from triggers.templates import TemplateError, parse, render, text_of

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
