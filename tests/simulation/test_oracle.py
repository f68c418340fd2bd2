"""The oracle knows nothing of what it judges."""

import ast
import sys
from pathlib import Path

ORACLE = Path(__file__).parent / "oracle"
TOLD = {"tests.simulation.shop", "tests.simulation.history"}


def test_the_oracle_imports_the_standard_library_and_the_description_of_the_shop() -> None:
    for file in ORACLE.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                own = name.startswith("tests.simulation.oracle") or name in TOLD
                assert own or name.partition(".")[0] in sys.stdlib_module_names, (file.name, name)
