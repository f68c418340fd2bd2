"""`/kairos.js`, the script that web pages load: as it is written, without what only eyes need.

There is no build: comment lines go, and space beside punctuation.
"""

import gzip
import re
from hashlib import blake2b
from pathlib import Path

from collector.request import Headers, Request, Response

PATH = "kairos.js"
# A text, which stays as it is; what takes the line ends behind it along, or those before it; the
# rest. A line end stays behind `}`, where it may end a statement.
_SPACED = re.compile(
    r"('[^'\n]*'|`[^`\n]*`)| ?([,{])\s*|\s*(}) ?| ?(=>|===|!==|>=|<=|&&|\|\||[=?:+*<>]) ?"
)
# An hour is how late a fix comes to a visitor. Its name never changes, so a year would be wrong.
_CACHED = b"public, max-age=3600, stale-while-revalidate=86400"  # seconds


def stripped(source: str) -> str:
    r"""Leave out comment lines, and space beside punctuation that is in no text.

    It is no parser. A test holds our source to what it relies on: texts in `'` or backquotes, on
    one line each, and comments on lines of their own.

    >>> stripped("  // why\n  const f = () => {\n    g('a = b')\n  }\n  f()\n")
    "const f=()=>{g('a = b')}\nf()\n"
    """
    lines = (line.strip() for line in source.splitlines())
    code = "".join(f"{line}\n" for line in lines if line and not line.startswith("//"))
    return _SPACED.sub(lambda found: next(filter(None, found.groups())), code)


SCRIPT = stripped((Path(__file__).parent / "browser" / PATH).read_text("utf-8")).encode()
PACKED = gzip.compress(SCRIPT, 9, mtime=0)
# Weak: both encodings have it.
_TAG = f'W/"{blake2b(SCRIPT, digest_size=9).hexdigest()}"'.encode()
_NO_GZIP = re.compile(rb"gzip\s*;\s*q=0(?:\.0*)?\s*(?:,|$)")
_HEAD: Headers = (
    (b"cache-control", _CACHED),
    (b"etag", _TAG),
    (b"vary", b"Accept-Encoding"),
)


def script(request: Request) -> Response:
    """Answer with the script, or say that the browser has it already.

    >>> script(Request("GET", "/kairos.js", headers={b"accept-encoding": b"gzip"})).headers[-1]
    (b'content-encoding', b'gzip')
    >>> script(Request("GET", "/kairos.js", headers={b"if-none-match": _TAG})).status
    304
    """
    known = {tag.strip() for tag in request.header(b"if-none-match").split(b",")}
    if _TAG in known or b"*" in known:
        return Response(304, b"", _HEAD)
    head = (*_HEAD, (b"content-type", b"text/javascript; charset=utf-8"))
    if _takes_gzip(request.header(b"accept-encoding")):
        return Response(200, PACKED, (*head, (b"content-encoding", b"gzip")))
    return Response(200, SCRIPT, head)


def _takes_gzip(accepted: bytes) -> bool:
    """Say whether a client reads gzip.

    >>> _takes_gzip(b"br, gzip;q=0.8"), _takes_gzip(b"gzip;q=0, *"), _takes_gzip(b"")
    (True, False, False)
    """
    return b"gzip" in accepted.lower() and not _NO_GZIP.search(accepted.lower())
