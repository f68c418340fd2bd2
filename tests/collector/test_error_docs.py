import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_RAISED = re.compile(
    r'\b(?:RefusedError|Rejected|failure|_?refused?)\(\s*(?:request,\s*)?(?:\d{3},\s*)?"([a-z_]+)"'
)


def test_every_error_code_is_documented_and_every_documented_code_exists() -> None:
    globs = ("collector/**/*.py", "events/*.py")
    sources = [source for glob in globs for source in ROOT.glob(glob)]
    code = "\n".join(
        line
        for source in sources
        for line in source.read_text().splitlines()
        if not line.lstrip().startswith(">>>")
    )
    raised = set(_RAISED.findall(code))
    page = (ROOT / "docs/errors.md").read_text()
    assert raised == set(re.findall(r"^\| \d{3} \| `([a-z_]+)` \|", page, re.MULTILINE))
