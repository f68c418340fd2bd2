"""What a run comes to: how much was tried, the worst of it, and what is wrong."""

MOST = 20  # findings that are shown


class Report:
    """Of one thing that random input was thrown at.

    >>> report = Report("door")
    >>> report.ran(1.5)
    >>> report.end()
    door: 1 tried, at worst 2 ms, 0 findings
    0
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tried = 0
        self._worst_ms = 0.0
        self._findings: dict[str, str] = {}  # what is wrong -> the first input that shows it

    def ran(self, ms: float, times: int = 1) -> None:
        """Count what was tried, the slowest of which took so long."""
        self._tried += times
        self._worst_ms = max(self._worst_ms, ms)

    def found(self, wrong: str, shown_by: str) -> None:
        """Keep a finding, once."""
        self._findings.setdefault(wrong, shown_by)

    def end(self) -> int:
        """Print it; returns how many findings there are."""
        number = len(self._findings)
        lines = [
            f"{self._name}: {self._tried} tried, at worst {self._worst_ms:.0f} ms, {number} findings"
        ]
        for wrong, shown_by in list(self._findings.items())[:MOST]:
            lines += [f"  {wrong}", f"    {shown_by}"]
        print("\n".join(lines), flush=True)
        return number
