"""wrk as a load for the door: requests whose events are new each time, and what it says of them.

Closed loop: as many requests in flight as there are connections, so it finds the most that goes.
For what a request takes at a rate below that there is `benchmarks/generator.py`.
"""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.bed import BenchError
from benchmarks.workload import ROUND, TIME, Shop, stamped

CONNECTIONS = 64
BATCHES = 8  # different ones; what is new in each is its events' ids
_PATIENCE_S = 30.0  # beyond the time it was asked to take

_SCRIPT = """
local pieces = {%s}
local head = {["Authorization"] = "%s", ["Content-Type"] = "application/json"}
local nth = 0
request = function()
  nth = nth + 1
  local body = table.concat(pieces[nth %% #pieces + 1], "-" .. nth .. "-")
  return wrk.format("POST", nil, head, body)
end
"""
_DONE = """
done = function(summary, latency, requests)
  local lost = summary.errors
  io.write(string.format('\\n{"requests":%d,"us":%d,"refused":%d,"lost":%d}\\n', summary.requests,
    summary.duration, lost.status, lost.connect + lost.read + lost.write + lost.timeout))
end
"""


class Answered(msgspec.Struct, frozen=True):
    """What wrk counted."""

    requests: int  # answered
    us: int  # it took
    refused: int = 0  # answered with something else than 2xx or 3xx
    lost: int = 0  # connections that failed

    @property
    def per_s(self) -> float:
        """Requests a second."""
        return self.requests / self.us * 1e6


def missing() -> str:
    """Say what is missing on this machine, "" where nothing is."""
    if shutil.which("wrk") is None:
        return "wrk is not installed; `apt-get install wrk` has it on Debian"
    return ""


def bodies(events: int, now_ms: int, seed: int) -> list[bytes]:
    """Make requests of so many events each; 1 makes single calls, without a batch around them.

    In each `-r000-` stands where a number must make the ids new.
    """
    shop = Shop(seed, 10_000).calls(events * BATCHES * 2)
    fresh = [call.body for call in shop if call.copy_of < 0]
    made = []
    for nth in range(BATCHES):
        some = b",".join(fresh[nth * events : (nth + 1) * events])
        body = some if events == 1 else b'{"batch":[' + some + b'],"sentAt":"' + TIME + b'"}'
        made.append(stamped(body, now_ms, now_ms * 1000))
    return made


def script(made: Sequence[bytes], authorization: str) -> str:
    """Write the Lua that posts them, each time with another number.

    >>> "{[==[a]==],[==[b]==]}" in script([b"a-r000-b"], "Bearer k")
    True
    """
    pieces = (
        "{" + ",".join(f"[==[{piece.decode()}]==]" for piece in body.split(ROUND)) + "}"
        for body in made
    )
    return _SCRIPT % (",\n".join(pieces), authorization)


def run(url: str, seconds: float, folder: Path, lua: str = "") -> Answered:
    """Send for so long.

    Args:
        url: with the path.
        seconds: whole ones.
        folder: for the script.
        lua: what to send; "" asks with GET.

    Raises:
        BenchError: it failed, or a request was refused.
    """
    whole = folder / "load.lua"
    whole.write_text(lua + _DONE, encoding="utf-8")
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "-s", str(whole), url]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=seconds + _PATIENCE_S
    )
    last = done.stdout.strip().rpartition("\n")[2]
    if done.returncode or not last.startswith("{"):
        raise BenchError(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    found = msgspec.convert(json.loads(last), Answered)
    if found.refused or found.lost or not found.requests:
        raise BenchError(
            f"of {found.requests} requests {found.refused} were refused and {found.lost} lost"
        )
    return found
