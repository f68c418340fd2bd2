"""Which of a template's files a person is sent, by their language, and what loading says of them."""

import pytest

from channels.base import addresses
from events.record import encode
from tests.shop import WORKSPACE, Shop, an_event
from triggers.languages import is_language, spoken
from triggers.load import load
from triggers.problems import WorkspaceError
from triggers.templates import MissingError, choices, choose, parse, render

HELLO = """
trigger: hello
when: {event: seen}
reentry: always
do: [{send: {channels: [email], template: hello}}]
deliver: {purpose: product}
"""
FILES = {
    "templates/hello.liquid": "Hello {{ first_name }}",
    "templates/hello.de.liquid": "Hallo {{ vorname }}",
    "templates/hello.pt.liquid": "Olá",
    "templates/hello.email.pt-br.liquid": "Oi",
    "templates/hello.sms.liquid": "SMS",
    "templates/hello.sms.fr.liquid": "SMS, bonjour",
}


@pytest.mark.parametrize(
    ("traits", "channel", "text"),
    [
        ({}, "email", "Hello {{ first_name }}"),
        ({"language": "de"}, "email", "Hallo {{ vorname }}"),
        ({"language": "DE-at"}, "email", "Hallo {{ vorname }}"),
        ({"language": "pt-BR"}, "email", "Oi"),
        ({"locale": "pt_BR"}, "email", "Oi"),
        ({"language": "pt-PT"}, "email", "Olá"),
        ({"language": "pt-BR"}, "sms", "Olá"),
        ({"language": "fr"}, "sms", "SMS, bonjour"),
        ({"language": "fr"}, "email", "Hello {{ first_name }}"),
        ({"language": "it"}, "sms", "SMS"),
        ({"language": "de", "locale": "pt-BR"}, "email", "Hallo {{ vorname }}"),
        ({"language": "it", "locale": "de"}, "email", "Hello {{ first_name }}"),
        ({"language": "deutsch", "locale": "de-DE"}, "email", "Hallo {{ vorname }}"),
        ({"language": ["de"], "locale": ""}, "email", "Hello {{ first_name }}"),
        ({"language": "sms"}, "email", "Hello {{ first_name }}"),
        ({"language": "../de"}, "email", "Hello {{ first_name }}"),
    ],
)
def test_the_most_exact_language_goes_first(
    traits: dict[str, object], channel: str, text: str
) -> None:
    path = choose("hello", channel, FILES, spoken(traits))
    assert path is not None
    assert FILES[path] == text
    assert path in choices("hello", channel, FILES)


def test_a_tag_of_any_length_is_cheap_and_harmless() -> None:
    assert spoken({"language": "de" + "-aa" * 100_000, "locale": "fr"}) == ("fr",)


def test_no_channel_is_a_language() -> None:
    assert not [name for name in addresses() if is_language(name)]


def facts_of(files: dict[str, str], **context: str) -> dict[str, object]:
    """Return what the message that Ana is sent carries."""
    shop = Shop({"triggers/hello.yaml": HELLO, **files})
    shop.know("ana", email="ana@shop.example", first_name="Ana", vorname="Anna", language="de")
    shop.do("seen", user="ana", context=context)
    [sent] = shop.sent
    return sent.facts


def test_the_language_comes_along_where_a_template_has_one_and_nowhere_else() -> None:
    plain = {path: text for path, text in FILES.items() if path == "templates/hello.liquid"}
    assert facts_of(plain, locale="pt-BR") == {"first_name": "Ana"}
    assert facts_of(FILES, locale="pt-BR") == {
        "first_name": "Ana",
        "vorname": "Anna",
        "language": "de",
        "locale": "pt-BR",
    }


def test_what_the_browser_says_is_the_language_of_who_stated_none() -> None:
    shop = Shop({"triggers/hello.yaml": HELLO, **FILES})
    shop.know("ana", email="ana@shop.example")
    shop.do("seen", user="ana", context={"locale": "pt-BR"})
    [sent] = shop.sent
    assert (
        choose("hello", "email", FILES, spoken(sent.facts)) == "templates/hello.email.pt-br.liquid"
    )


def test_a_former_trigger_keeps_the_files_of_all_its_languages() -> None:
    workspace = load(
        {"workspace.yaml": WORKSPACE, "triggers/hello.yaml": HELLO, **FILES}, addresses()
    )
    assert workspace.named["hello"].files == (
        "triggers/hello.yaml",
        "templates/hello.de.liquid",
        "templates/hello.email.pt-br.liquid",
        "templates/hello.liquid",
        "templates/hello.pt.liquid",
    )


def problems(**files: str) -> list[str]:
    named = {f"templates/{name}.liquid": text for name, text in files.items()}
    with pytest.raises(WorkspaceError) as error:
        load({"workspace.yaml": WORKSPACE, "triggers/hello.yaml": HELLO, **named}, addresses())
    return [str(problem) for problem in error.value.problems]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"hello.de": "Hallo", "hello.sms": "Hi"},
            "templates/hello.de.liquid:1:1: this file is for one language, and everybody else on "
            "email has none; add templates/hello.email.liquid or templates/hello.liquid",
        ),
        (
            {"hello": "Hi", "hello.dee": "Hallo"},
            "templates/hello.dee.liquid:1:1: a channel, or a language tag in lower case, such as de "
            "or pt-br, was expected behind the name, found 'dee'.",
        ),
        (
            {"hello": "Hi", "hello.emial": "Hi"},
            "templates/hello.emial.liquid:1:1: a channel, or a language tag in lower case, such as "
            "de or pt-br, was expected behind the name, found 'emial'. Did you mean 'email'?",
        ),
        (
            {"hello": "Hi", "hello.email.pt_BR": "Oi"},
            "templates/hello.email.pt_BR.liquid:1:1: a language tag in lower case, such as de or "
            "pt-br, was expected behind the channel, found 'pt_BR'. Did you mean 'pt-br'?",
        ),
        (
            {"hello": "Hi", "hello.de.email": "Hallo"},
            "templates/hello.de.email.liquid:1:1: a channel, or a language tag in lower case, such "
            "as de or pt-br, was expected behind the name, found 'de.email'. Did you mean 'email.de'?",
        ),
        ({"hello": "Hi", "hello.de": "\n{{ a | upcse }}"}, "templates/hello.de.liquid:2:1: unknown filter 'upcse'. Did you mean 'upcase'?"),
    ],
)  # fmt: skip
def test_mistakes_with_languages_are_said_at_their_file(
    files: dict[str, str], message: str
) -> None:
    assert problems(**files) == [message]


def test_a_template_whose_name_has_a_dot_is_no_language_of_another() -> None:
    files = {
        "triggers/hello.yaml": HELLO,
        "triggers/other.yaml": HELLO.replace("hello", "hello.again"),
        "templates/hello.liquid": "Hi",
        "templates/hello.again.liquid": "Again",
        "templates/unused.draft.liquid": "{{ not even Liquid",
    }
    load({"workspace.yaml": WORKSPACE, **files}, addresses())


def test_f7_what_a_template_requires_comes_along_and_holds_no_decision_up() -> None:
    required = "---\nrequire: [first_name, event.order_id]\n---\nHello"
    shop = Shop({"triggers/hello.yaml": HELLO, "templates/hello.liquid": required})
    shop.know("ana", email="ana@shop.example", first_name="Ana", plan="pro")
    shop.do("seen", user="ana", order_id="o1", price=3)
    [sent] = shop.sent
    assert (sent.facts, sent.event) == ({"first_name": "Ana"}, {"order_id": "o1"})
    with pytest.raises(MissingError) as error:
        render(parse("t.liquid", required), sent.facts, {}, "email")
    assert error.value.names == ("event.order_id",)


@pytest.mark.parametrize("traits", [{}, {"first_name": ""}])
def test_f7_a_send_that_lacks_what_it_requires_is_refused_and_the_reason_names_it(
    traits: dict[str, str],
) -> None:
    requiring = HELLO.replace(
        "template: hello", "template: hello, require: [first_name, plan, Size]"
    )
    shop = Shop({"triggers/hello.yaml": requiring, "templates/hello.liquid": "Hello"})
    shop.know("ana", email="ana@shop.example", plan="pro", **traits)
    event = an_event("seen", user="ana", time=shop.now, message_id="m")
    shop.log.append(0, encode([event]))
    [work] = shop.engine.process(shop.engine.read())
    refused = [(e.reason, e.detail) for e in work.explanations if e.outcome == "refused"]
    assert refused == [("missing", "first_name, size")]


@pytest.mark.parametrize(
    ("text", "token", "name"),
    [
        ("Hi {first_name},", "{first_name}", "first_name"),
        ("---\nsubject: 'Hi {$Name}'\n---\nHi", "{$Name}", "name"),
        ("Hi *|FNAME|*,", "*|FNAME|*", "fname"),
        ("Hi %FIRSTNAME%,", "%FIRSTNAME%", "firstname"),
        ("Hi %%first_name%%,", "%%first_name%%", "first_name"),
        ("Hi {{ first_name }} {{ x }}{last.name}", "{last.name}", "last.name"),
    ],
)
def test_f7_a_placeholder_of_another_tool_is_a_mistake_at_its_line(
    text: str, token: str, name: str
) -> None:
    line = text.count("\n", 0, text.index(token)) + 1
    [said] = problems(hello=text)
    assert said == (
        f"templates/hello.liquid:{line}:1: nobody fills {token}; write {{{{ {name} }}}}, "
        f"or {{{{ '{token}' }}}} where the text is to stand as it is"
    )


@pytest.mark.parametrize(
    "text",
    [
        "<style>p {color: red} @media print {a{b:c}}</style>",
        "50 % off %A, 100%",
        "https://shop.example/?q=%C3%84PFEL%20UND%20B%C3%BCRSTEN%21",
        "{{ '{first_name}' }}{% if a %}{% endif %}{% comment %}{first_name}{% endcomment %}",
        "{ } {} {1} { a b } * | a | *",
    ],
)
def test_what_only_looks_like_a_placeholder_loads(text: str) -> None:
    load({"workspace.yaml": WORKSPACE, "triggers/hello.yaml": HELLO, "templates/hello.liquid": text}, addresses())  # fmt: skip
