"""Audit the locks: known holes through pip-audit, and requirements/minimum.txt in any case.

pip-audit ends well when its service knows none of the packages, so its exit code alone says
nothing; this reads what was audited. Where no service answers, it says so, and the minimum
versions still hold.
"""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import orjson
from packaging.requirements import Requirement

REQUIREMENTS = Path(__file__).parents[1] / "requirements"
LOCK = REQUIREMENTS / "dev.lock"  # contains run.lock
SERVICES = ("pypi", "osv")


class Audit(NamedTuple):
    """What a service knew."""

    audited: int
    unknown: int
    holes: list[str]


def pins(lock: str) -> dict[str, str]:
    r"""Return name -> version of a lock.

    >>> pins("h11==0.16.0 \\\n    --hash=sha256:00\nuvloop==0.23.0 ; sys_platform != 'win32'")
    {'h11': '0.16.0', 'uvloop': '0.23.0'}
    """
    lines = [line for line in lock.splitlines() if "==" in line and not line.startswith((" ", "#"))]
    found = [Requirement(line.removesuffix("\\").strip()) for line in lines]
    return {pin.name: next(iter(pin.specifier)).version for pin in found}


def below(lock: str, minimum: str) -> list[str]:
    """Return the pins of a lock that are below the minimum versions.

    >>> below("h11==0.14.0", "h11>=0.16  # request smuggling")
    ['h11 0.14.0, but h11>=0.16: request smuggling']
    """
    pinned = pins(lock)
    found = []
    for line in minimum.splitlines():
        written, _, why = line.partition("#")
        if not written.strip():
            continue
        wanted = Requirement(written)
        version = pinned.get(wanted.name)
        if version is not None and not wanted.specifier.contains(version, prereleases=True):
            found.append(f"{wanted.name} {version}, but {written.strip()}: {why.strip()}")
    return found


def judged(output: str) -> Audit | None:
    """Read what pip-audit prints with `-f json`; None where it broke off.

    >>> judged('{"dependencies":[{"name":"a","skip_reason":"not found"}]}')
    Audit(audited=0, unknown=1, holes=[])
    >>> judged("") is None
    True
    """
    try:
        packages = orjson.loads(output)["dependencies"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    holes = [
        f"{p['name']} {p['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'no version'}"
        for p in packages
        for hole in p.get("vulns", ())
    ]
    unknown = sum("skip_reason" in p for p in packages)
    return Audit(len(packages) - unknown, unknown, holes)


def asked(service: str) -> Audit | None:
    """Ask a service about the lock; None where it does not answer."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes"]
    options = ["-r", str(LOCK), "-s", service, "-f", "json", "--timeout", "15"]
    done = subprocess.run([*command, *options], check=False, capture_output=True, text=True)
    return judged(done.stdout)


def main() -> int:
    """Audit; 1 where a pin is known to be vulnerable."""
    low = below(LOCK.read_text(encoding="utf-8"), (REQUIREMENTS / "minimum.txt").read_text("utf-8"))
    for hole in low:
        print(f"audit: {hole}", file=sys.stderr)
    if low:
        return 1
    for service in SERVICES:
        found = asked(service)
        if found is None or not found.audited:
            print(f"audit: the {service} service does not answer", file=sys.stderr)
            continue
        for hole in found.holes:
            print(f"audit: {hole}", file=sys.stderr)
        if found.holes:
            return 1
        if not found.unknown:
            print(f"audit: {found.audited} packages, no known hole ({service})")
            return 0
        print(f"audit: {service} does not know {found.unknown} packages", file=sys.stderr)
    print(
        "\n*** NOT AUDITED: no advisory service knew every package. Only the versions in\n"
        "*** requirements/minimum.txt were compared. Run scripts/audit.py where the services\n"
        "*** can be reached.\n",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
