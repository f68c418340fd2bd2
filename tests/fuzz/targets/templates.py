"""Templates: parsed and filled for a mail and for a text message, or said to be wrong."""

from pathlib import Path

from triggers.leftovers import leftovers
from triggers.templates import TemplateError, parse, render

_EXAMPLES = Path(__file__).parents[3] / "examples"
# Parsed once a version: 3,000 tags in 32 KB take Liquid 200 ms. It is there to find what is not linear.
SLOW_MS = 500.0  # of CPU
_FACTS = {
    "first_name": "Ana <b>", "plan": "pro", "n": 7, "price": 9.5, "none": None, "yes": True,
    "items": [{"id": "p1", "name": "Shoe"}, {"id": "p2"}], "long": "ab " * 300,
}  # fmt: skip
_EVENT = {"order": {"total": 12.5, "items": ["a", "b"]}, "url": "https://shop.example/?a=1&b=2"}


def seeds() -> list[bytes]:
    """The templates of the examples, and what they leave out of the language."""
    written = [path.read_bytes() for path in sorted(_EXAMPLES.rglob("*.liquid"))]
    return [
        *written,
        b"{% for one in items %}{{ one.name | default: 'x' | upcase }}{% endfor %}",
        b"{% assign x = long | split: ' ' | join: ', ' %}{% if n > 3 %}{{ x | truncate: 9 }}{% endif %}",
        b"---\nsubject: Hi {{ first_name }}\npurpose: marketing\n---\n<p>{{ event.order.total }}</p>",
        b"{% case plan %}{% when 'pro' %}{{ price | times: 2 | round }}{% endcase %}",
        b"{{ 'now' | date: '%Y' }}{% capture y %}{{ url }}{% endcapture %}{{ y | replace: 'a', 'b' }}",
    ]


def heavy() -> list[bytes]:
    """Some 32 KB each of what costs most."""
    return [
        b"{{ a.b.c }}" * 2_900,
        b"{% case n %}" + b"{% when 7 %}x" * 2_400 + b"{% endcase %}",
        b"{{ long" + b" | append: long" * 2_000 + b"}}",
        b"{{ long | split: ' ' | join: ' ' | split: 'a' | join: long }}" * 200,
        b"{% for i in (1..100000000) %}{{ i }}{% endfor %}",
        b"{% for i in (1..10000000000) reversed %}{{ i }}{% endfor %}",
        b"{% for i in (1..10000000000) offset: 9999999999 %}{{ i }}{% endfor %}",
        b"{a" * 10_000 + b"}", b"%A" * 16_000, b"*|a" * 10_000, b"{% comment %}{a}{% endcomment %}" * 900,
        b"{% for a in items %}" * 12 + b"{{ long }}" + b"{% endfor %}" * 12,
        b"{% if n %}" * 1_500 + b"{% endif %}" * 1_500,
        b"<" * 32_000, b"&" * 32_000, b"{{" * 16_000, b"---\nsubject: " + b"[" * 4_000 + b"\n---\n",
    ]  # fmt: skip


def one(data: bytes) -> None:
    """Parse a template, and fill it where that works."""
    try:
        text = data.decode(errors="replace")
        template = parse("templates/a.liquid", text)
        template.variables()
        leftovers(text)
        for channel in ("email", "sms"):
            render(template, _FACTS, _EVENT, channel)
    except TemplateError as error:
        if not error.message:
            raise RuntimeError("it does not say why") from error
