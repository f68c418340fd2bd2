"""Problems in a workspace, said so that a marketer can mend them."""

import msgspec


class Problem(msgspec.Struct, frozen=True, order=True):
    """One mistake: where, what was expected, what was found, what to do.

    >>> str(Problem("triggers/a.yaml", 3, 5, "unknown key 'whne'. Did you mean 'when'?"))
    "triggers/a.yaml:3:5: unknown key 'whne'. Did you mean 'when'?"
    """

    file: str
    line: int  # from 1
    column: int  # from 1
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class WorkspaceError(Exception):
    """A workspace that cannot be loaded, with every problem found in it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(p) for p in sorted(problems)))
        self.problems = sorted(problems)
