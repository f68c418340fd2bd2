"""Our pages: plain HTML that no script, no other host and no cookie has a part in.

They show what a link says and ask for one answer; the link alone says whose they are, so it goes to
nobody else: no referrer, no cache, no index.
"""

from base64 import b64encode
from hashlib import sha256
from html import escape

from collector.links.words import WORDS, Language, spoken
from collector.request import Headers, Request, Response

_STYLE = (
    ":root{color-scheme:light dark}"
    "*{box-sizing:border-box}"
    "body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;"
    "font:1.0625rem/1.6 system-ui,sans-serif;background:#f4f3ef;color:#24231f}"
    "main{width:100%;max-width:30rem;padding:2.25rem 2rem;background:#fff;border-radius:1rem;"
    "box-shadow:0 1px 2px #0001,0 12px 40px #0000000f}"
    "h1{margin:0 0 1rem;font-size:1.5rem;line-height:1.25;letter-spacing:-.01em}"
    "p{margin:0 0 1rem}.what{font-weight:600}.soft{color:#6b6960;font-size:.9375rem}"
    "form{margin:1.75rem 0 0}form+p{margin-top:1.25rem}"
    "label{display:flex;gap:.9rem;align-items:center;padding:.85rem .25rem;cursor:pointer;"
    "border-top:1px solid #8883}label:last-of-type{border-bottom:1px solid #8883;"
    "margin-bottom:1.75rem}"
    "input{flex:none;width:1.25rem;height:1.25rem;margin:0;accent-color:#245c4f}"
    "button{font:inherit;font-weight:600;width:100%;padding:.75rem 1.25rem;border:0;"
    "border-radius:.6rem;background:#245c4f;color:#fff;cursor:pointer}"
    "button:hover{background:#1c4a40}"
    "button.quiet{margin-top:.75rem;background:none;color:inherit;box-shadow:inset 0 0 0 1px #8886}"
    "button:focus-visible,a:focus-visible,input:focus-visible{outline:3px solid #6fb3a2;"
    "outline-offset:2px}"
    "a{color:#245c4f}main>:last-child{margin-bottom:0}"
    "@media(prefers-color-scheme:dark){input{accent-color:#6fb3a2}body{background:#171815;color:#e9e7e0}"
    "main{background:#22231f;box-shadow:none}.soft{color:#a3a197}a{color:#8fcdbd}"
    "button{background:#3f8573}button:hover{background:#4a9884}}"
)
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
PRIVATE: Headers = (
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex, nofollow"),
)
_HEADERS: Headers = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    *PRIVATE,
)


def page(language: Language, title: str, *parts: str, status: int = 200) -> Response:
    """Make a page.

    Args:
        language: of it.
        title: text.
        parts: HTML.
        status: of the answer.

    >>> page("en", "Hi & bye", said("1 < 2")).body.decode().partition("<main>")[2]
    '<h1>Hi &amp; bye</h1><p>1 &lt; 2</p></main>'
    """
    name = escape(title)
    html = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{name}</h1>{''.join(parts)}</main>"
    )
    late = ((b"retry-after", b"5"),) if status == 503 else ()
    language_of = (b"content-language", language.encode())
    return Response(status, html.encode(), (*_HEADERS, language_of, *late))


def said(text: str, kind: str = "") -> str:
    """Write a paragraph, of a class of the style's where it is named."""
    return f"<p{f' class={kind}' if kind else ''}>{escape(text)}</p>"


def button(text: str, name: str = "", value: str = "", kind: str = "") -> str:
    """Write a button that posts its form."""
    named = f' name="{escape(name)}" value="{escape(value)}"' if name else ""
    return f"<button{named}{f' class={kind}' if kind else ''}>{escape(text)}</button>"


def tick(text: str, name: str, value: str, *, ticked: bool) -> str:
    """Write a box to tick, and how it stood."""
    there = f'name="{escape("was" if ticked else "off")}" value="{escape(value)}"'
    box = f'name="{escape(name)}" value="{escape(value)}"{" checked" if ticked else ""}'
    return (
        f"<input type=hidden {there}>"
        f"<label><input type=checkbox {box}><span>{escape(text)}</span></label>"
    )


def form(*parts: str) -> str:
    """Write a form that is posted to where its page came from."""
    return f'<form method="post">{"".join(parts)}</form>'


def link(text: str, path: str) -> str:
    """Write a link, as a paragraph."""
    return f'<p class=soft><a href="{escape(path)}">{escape(text)}</a></p>'


def unknown(request: Request) -> Response:
    """Answer a link that is none of ours."""
    return _short(request, "unknown", 404)


def busy(request: Request) -> Response:
    """Ask for another try."""
    return _short(request, "busy", 503)


def unreadable(request: Request) -> Response:
    """Answer a form that is none of ours."""
    return _short(request, "unreadable", 400)


def language_of(request: Request) -> Language:
    """Return the language that a page is asked for in."""
    return spoken(request.header(b"accept-language").decode("latin-1"))


def _short(request: Request, name: str, status: int) -> Response:
    language = language_of(request)
    words = WORDS[language]
    return page(language, words[name], said(words[f"{name}_what"]), status=status)
