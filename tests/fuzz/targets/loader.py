"""Workspaces: any files load, or every problem in them is named at its place."""

from pathlib import Path

from tests.shop import WORKSPACE
from triggers.load import load
from triggers.problems import WorkspaceError

_EXAMPLES = Path(__file__).parents[3] / "examples"
# An operator's own files, read once an edit, by YAML in pure Python: 32 KB of honest text take longer
# than 50 ms. It is there to find what is not linear.
SLOW_MS = 1_000.0  # of CPU
_ADDRESSES = {"email": "email", "sms": "phone", "log": None, "web": None, "push": "push_token"}
PATHS = ("workspace.yaml", "segments/a.yaml", "triggers/a.yaml", "offers.yaml", "webhooks/a.yaml")


def seeds() -> list[bytes]:
    """Each file of the examples; the first byte says what it is."""
    found = []
    for path in sorted(_EXAMPLES.rglob("*.yaml")):
        kind = path.name if path.name in PATHS else f"{path.parent.name}/a.yaml"
        if kind in PATHS:
            found.append(bytes((PATHS.index(kind),)) + path.read_bytes())
    return found


def heavy() -> list[bytes]:
    """Some 32 KB each of what costs most."""
    workspace, segment = b"\0workspace: ", b"\1segment: a\nif: "
    shapes = [
        b"[" * 32_000, b"{a: " * 8_000, b"\n  " + b"- " * 16_000, b"a\n" * 16_000, b"? " * 16_000,
        b"\n" + b"\n".join(b"k%d: 1" % n for n in range(3_500)), b'"' + b"\\n" * 16_000, b"#\n" * 16_000,
        b"[" + b", ".join([b"plan = pro"] * 2_600) + b"]", b"|\n" + b" a\n" * 10_000,
    ]  # fmt: skip
    return [start + shape for start in (workspace, segment) for shape in shapes]


def one(data: bytes) -> None:
    """Load a workspace of which one file is drawn."""
    path = PATHS[(data[0] if data else 0) % len(PATHS)]
    try:
        load({"workspace.yaml": WORKSPACE, path: data[1:].decode(errors="replace")}, _ADDRESSES)
    except WorkspaceError as error:
        placed = [one for one in error.problems if one.line > 0 and one.column > 0 and one.message]
        if not placed or placed != list(error.problems):
            raise RuntimeError("a problem says neither where nor why") from error
