"""Vouchers: `{{ voucher.POOL }}` in a template is one code of a pool, the message's own.

Which pools a message needs is known once it is filled, since a template may ask for one in a branch
that others do not take. So what it asks for is noted while it is filled with stand-ins.
"""

from collections.abc import Iterator, Mapping

HEAD = "voucher"  # the word in templates
EXAMPLE = "EXAMPLE-CODE"  # stands where there is no code yet, and in previews
NAME = r"[a-z][a-z0-9_-]{0,31}"  # of a pool


class Codes(Mapping[str, str]):
    """The codes of one message by pool; one that it has none of is noted, and an example stands there.

    With `examples` nothing is lacking: an example may be shown.

    >>> codes = Codes({"summer": "S-1"})
    >>> codes["summer"], codes["winter"], codes.lacking
    ('S-1', 'EXAMPLE-CODE', {'winter'})
    """

    def __init__(self, known: Mapping[str, str] | None = None, *, examples: bool = False) -> None:
        self.known = dict(known or {})
        self.lacking: set[str] = set()
        self._examples = examples

    def __repr__(self) -> str:
        return f"Codes({sorted(self.known)})"  # whoever reads a code may spend it

    def __getitem__(self, pool: str) -> str:
        if pool not in self.known and not self._examples:
            self.lacking.add(pool)
        return self.known.get(pool, EXAMPLE)

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)
