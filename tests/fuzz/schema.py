"""Random calls against a real door, drawn from what it says of itself: python -m tests.fuzz.schema SECONDS.

Each server, with each kind of key and none; what fits the schemas, and what does not. Every answer is
as it is described, none is a 5xx but a 503 that says when to come again, and to whoever has no
server's key none says anything of the profile that is kept.
"""

import itertools
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, get_args

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import load_all_checks
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from kairos.settings import Http
from tests.e2e.planted import Planted, planted, told
from tests.fuzz.report import Report

ROUND = 25  # calls drawn together
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
DRAWN = settings(
    max_examples=ROUND,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class Asking:
    """Sends what is drawn, and notes what is wrong with the answers."""

    def __init__(self, door: Planted, report: Report) -> None:
        self._door = door
        self._report = report
        whole = schemathesis.openapi.from_url(f"{door.stack.url}/openapi.json")
        self._schema = whole.exclude(path="/v1/stream")  # its answer has no end
        self._drawn = {mode: self._schema.as_strategy(mode) for mode in GenerationMode}

    def round(self, kind: str, mode: GenerationMode) -> None:
        """Send a handful with a kind of key, or with none."""
        key = next((key for one, key in self._door.keys.items() if one == kind), "")
        headers = {"Authorization": f"Bearer {key}"} if key else {}

        def ask(case: Any) -> None:
            began = time.monotonic()
            answer = case.call(base_url=self._door.stack.url, headers=headers, timeout=30)
            self._report.ran(1000 * (time.monotonic() - began))
            for wrong in _wrong(case, answer, secretive=kind != "server"):
                self._report.found(
                    f"{kind}: {case.method} {case.path}: {wrong}",
                    case.as_curl_command(headers=headers),
                )

        drawn: Any = given(self._drawn[mode])  # what schemathesis draws has no types here
        DRAWN(drawn(ask))()


def _wrong(case: Any, answer: Any, *, secretive: bool) -> list[str]:
    found = []
    if answer.status_code >= 500 and not (
        answer.status_code == 503 and "retry-after" in answer.headers
    ):
        found.append(f"{answer.status_code}")
    if secretive and told(answer.content, answer.headers):
        found.append("it says something of the profile")
    try:
        case.validate_response(answer, checks=CHECKS)
    except FailureGroup as failures:
        found += [f"{one.title}: {answer.status_code}" for one in failures.exceptions]
    except Failure as failure:
        found.append(f"{failure.title}: {answer.status_code}")
    return found


def main(seconds: float) -> int:
    """Ask for so long, half of it each server; returns how many findings there are."""
    load_all_checks()
    report = Report("schema")
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    servers = get_args(Http)
    for http in servers:
        with tempfile.TemporaryDirectory() as folder, planted(Path(folder), http) as door:
            asking = Asking(door, report)
            until = time.monotonic() + seconds / len(servers)
            for kind, mode in itertools.cycle(itertools.product(("server", "browser", ""), modes)):
                if time.monotonic() > until:
                    break
                asking.round(kind, mode)
    return report.end()


if __name__ == "__main__":
    sys.exit(1 if main(float(sys.argv[1])) else 0)
