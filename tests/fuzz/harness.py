"""One target under atheris: python -m tests.fuzz.harness NAME SECONDS FOLDER.

What crashes it stands in the folder afterwards; of what took long, the slowest inputs do, since what is
instrumented takes longer than what is not: `tests.fuzz.again` measures them without.
"""

import importlib
import re
import sys
import time
from hashlib import blake2b
from pathlib import Path
from random import Random

import atheris

LONGEST = 32 * 1024  # bytes
KEPT = 10  # of the slow ones
OURS = ["collector", "events", "profile_state", "triggers"]


class Slow:
    """The slowest inputs, as files that are named after their ms."""

    def __init__(self, folder: Path, from_ms: float) -> None:
        self._folder = folder
        self._from_ms = from_ms
        self._worst_ms = 0.0
        self._kept: list[tuple[float, Path]] = []
        folder.mkdir()

    def note(self, ms: float, data: bytes) -> None:
        """Keep an input if it is one of the slowest."""
        if ms > self._worst_ms:
            self._worst_ms = ms
            (self._folder.parent / "worst").write_text(f"{ms:.1f}")
        if ms <= self._from_ms or (len(self._kept) == KEPT and ms <= self._kept[0][0]):
            return
        path = self._folder / blake2b(data, digest_size=8).hexdigest()
        path.write_bytes(data)
        self._kept = sorted([*(one for one in self._kept if one[1] != path), (ms, path)])
        while len(self._kept) > KEPT:
            self._kept.pop(0)[1].unlink()


def main(name: str, seconds: int, folder: Path) -> None:
    """Throw random input at a target for so long. It does not return: libFuzzer ends the process."""
    with atheris.instrument_imports(include=OURS):
        target = importlib.import_module(f"tests.fuzz.targets.{name}")
    corpus = folder / "corpus"
    corpus.mkdir()
    seeds = target.seeds()
    # Parsers in C show no path to a word, so those of the seeds are handed out to try.
    words = sorted({word for seed in seeds for word in re.findall(rb"[A-Za-z_]{2,40}", seed)})
    (folder / "words").write_bytes(b"".join(b'"' + word + b'"\n' for word in words))
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
        target.one(seed)  # what is loaded once is no input's fault
    slow = Slow(folder / "slow", target.SLOW_MS)

    def one(data: bytes) -> None:
        began = time.process_time()
        target.one(data)
        slow.note(1000 * (time.process_time() - began), data)

    def mutated(data: bytes, longest: int, seed: int) -> bytes | None:
        chance = Random(seed)
        found: bytes | None = target.changed(data, chance) if chance.random() < 0.5 else None
        if found is None or len(found) > longest:
            found = atheris.Mutate(data, longest)
        return found

    options = (
        f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-artifact_prefix={folder}/",
        f"-dict={folder / 'words'}", "-print_final_stats=1", "-timeout=20", "-rss_limit_mb=2048",
    )  # fmt: skip
    own = {"custom_mutator": mutated} if hasattr(target, "changed") else {}
    atheris.Setup([sys.argv[0], *options, str(corpus)], one, **own)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
