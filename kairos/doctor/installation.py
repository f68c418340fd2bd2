"""This machine: Python, packages, the server of the embedded stack, time zones."""

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kairos.doctor.base import Finding, ok, wrong
from kairos.embedded.servers import ServerError, binary

PACKAGE = "kairos-cdp"
OLDEST = 7  # of Valkey and Redis: functions, and streams as we use them


def findings() -> Iterator[Finding]:
    """Look at what every command needs."""
    yield _python()
    yield _packages()
    yield _server()
    yield _time_zones()


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] in ((3, 11), (3, 12)):
        return ok("python", found)
    return wrong("python", found, "Bytewax has wheels for 3.11 and 3.12; use one of them")


def _packages() -> Finding:
    try:
        needed = requires(PACKAGE) or []
    except PackageNotFoundError:
        return wrong("packages", f"{PACKAGE} is not installed", "use `scripts/setup run` or pip")
    names = [re.split(r"[^A-Za-z0-9._-]", line)[0] for line in needed if "extra ==" not in line]
    missing = [name for name in names if not _installed(name)]
    if missing:
        return wrong("packages", f"missing: {', '.join(missing)}", "install the package again")
    return ok("packages", f"{len(names)} of {len(names)}")


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return name == "uvloop" and sys.platform == "win32"
    return True


def _server() -> Finding:
    try:
        path = binary()
        said = subprocess.run([path, "--version"], check=True, capture_output=True, text=True)
    except (ServerError, OSError, subprocess.SubprocessError) as error:
        return wrong("server", str(error), "`kairos up` and `kairos demo` need it")
    found = re.search(r"v=(\d+)[\d.]*", said.stdout)
    if found is None or int(found[1]) < OLDEST:
        return wrong("server", said.stdout.strip(), f"version {OLDEST} or newer is needed")
    return ok("server", f"{path}, {found[0].removeprefix('v=')}")


def _time_zones() -> Finding:
    try:
        ZoneInfo("Europe/Berlin")
    except ZoneInfoNotFoundError as error:
        return wrong("time zones", str(error), "install the package tzdata")
    return ok("time zones", f"tzdata {version('tzdata')}")
