"""Make the environment that a lock describes, once, and print its bin folder.

    python scripts/environment.py run   requirements/run.lock alone: what the product needs
    python scripts/environment.py dev   requirements/dev.lock: tests and checks beside it
    python scripts/environment.py clients   requirements/clients.lock: SDKs that tests run, alone
    python scripts/environment.py fuzz   requirements/fuzz.lock: what throws random input at us

An environment is named after its Python and its lock, and it is complete when its stamp says so,
which is written last: one that was interrupted is made anew, and a complete one costs a look at
the stamp. It cannot be made elsewhere and moved: its scripts carry its path.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]
KINDS = ("run", "dev", "clients", "fuzz")
STRANGERS = ("clients",)  # without our own packages in it
STAMP = "complete"
PIP_TARGETS_OTHERS = (22, 3)  # the first pip that knows --python

# What a person may have set for themselves and would send packages elsewhere; where packages come
# from (an index, links, certificates, the cache) stays theirs to set.
ELSEWHERE = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV")

Run = Callable[[Sequence[str]], bool]


class SetUpError(Exception):
    """The environment cannot be made; the message says the one command that helps."""


def run(command: Sequence[str]) -> bool:
    """Run a command, its output on standard error; False where it fails or is not there."""
    env = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    env["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    try:
        done = subprocess.run(command, check=False, stdout=sys.stderr, env=env)
    except OSError:
        return False
    return done.returncode == 0


def digest(*contents: bytes) -> str:
    """Return a short name for these contents.

    >>> digest(b"a", b"b") == digest(b"ab")
    False
    """
    return hashlib.sha256(b"".join(hashlib.sha256(c).digest() for c in contents)).hexdigest()[:12]


class Environment:
    """One environment of a checkout.

    Args:
        root: the checkout.
        kind: one of KINDS.
        python: the interpreter to make it with, of the version that runs this.
        command: runs a command and says whether it succeeded.
    """

    def __init__(
        self, root: Path, kind: str, python: str = sys.executable, command: Run = run
    ) -> None:
        self._python = python
        self._command = command
        self._root = root
        self._ours = kind not in STRANGERS
        self.lock = root / "requirements" / f"{kind}.lock"
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        self._family = f"{kind}-{version}-"
        self.folder = root / ".venvs" / f"{self._family}{digest(self.lock.read_bytes())}"
        self.bin = self.folder / "bin"
        project = (root / "pyproject.toml").read_bytes()
        self._locked = f"{root}\n"  # scripts carry the path, so a checkout that moved needs another
        self._whole = f"{root}\n{digest(project)}\n"

    def __repr__(self) -> str:
        return f"Environment({self.folder.name!r})"

    def ready(self) -> None:
        """Make it, or what is missing of it.

        Raises:
            SetUpError: with what to do.
        """
        stamp = self._stamp()
        if stamp == self._whole:
            return
        if not stamp.startswith(self._locked):
            self._make()
        if self._ours:
            # Scripts and metadata follow pyproject.toml; the code is read from the checkout.
            self._pip("install", "--no-deps", "--no-build-isolation", "--editable", str(self._root))
        (self.folder / STAMP).write_text(self._whole, encoding="utf-8")
        self._remove_older()

    def _stamp(self) -> str:
        if not (self.bin / "python").exists():  # also where the Python it links to is gone
            return ""
        try:
            return (self.folder / STAMP).read_text(encoding="utf-8")
        except OSError:
            return ""

    def _make(self) -> None:
        began = time.monotonic()
        lines = self.lock.read_text(encoding="utf-8").splitlines()
        count = sum(line[:1].isalpha() for line in lines)
        say(f"setting up, once: {count} packages into {self.folder.relative_to(self._root)}")
        self._remove(self.folder)
        self._bare()
        # What is imported is compiled then; to compile all of it takes as long as to install it.
        only = ("--no-compile", "--require-hashes", "--only-binary", ":all:")
        self._pip("install", *only, "-r", str(self.lock))
        say(f"set up in {time.monotonic() - began:.0f} s")

    def _bare(self) -> None:
        venv = [self._python, "-m", "venv", str(self.folder)]
        if find_spec("ensurepip") is not None and self._command(venv):
            return
        # Debian keeps ensurepip in python3-venv; a pip that is installed can do its work.
        self._remove(self.folder)
        if not self._command([*venv, "--without-pip"]):
            raise SetUpError(f"{self._python} cannot make a virtual environment; {VENV_MISSING}")

    def _pip(self, *arguments: str) -> None:
        python = str(self.bin / "python")
        quietly = ("--quiet", "--no-input")
        own = [python, "-m", "pip"]
        pip = own if (self.bin / "pip").exists() else [*self._other_pip(), "--python", python]
        if not self._command([*pip, *arguments, *quietly]):
            raise SetUpError(
                "pip did not install the packages; what it says stands above. Is the network, or "
                "the package index that pip is configured for, within reach?"
            )

    def _other_pip(self) -> list[str]:
        for pip in ([self._python, "-m", "pip"], ["pip3"], ["pip"]):
            if pip_version(pip) >= PIP_TARGETS_OTHERS:
                return pip
        raise SetUpError(f"this Python has neither ensurepip nor pip 22.3 or newer; {VENV_MISSING}")

    def _remove_older(self) -> None:
        for other in self.folder.parent.glob(f"{self._family}*"):
            if other != self.folder:
                self._remove(other)

    def _remove(self, folder: Path) -> None:
        (folder / STAMP).unlink(missing_ok=True)  # first: half a removal is not complete either
        shutil.rmtree(folder, ignore_errors=True)


VENV_MISSING = "on Debian and Ubuntu, `apt install python3-venv` adds what is missing"


def pip_version(pip: Sequence[str]) -> tuple[int, ...]:
    """Ask a pip for its version; `()` where there is none.

    >>> pip_version(["no-such-pip"])
    ()
    """
    try:
        said = subprocess.run([*pip, "--version"], check=False, capture_output=True, text=True)
    except OSError:
        return ()
    words = said.stdout.split()
    if said.returncode != 0 or len(words) < 2:
        return ()
    return tuple(int(part) for part in words[1].split(".") if part.isdigit())


def say(text: str) -> None:
    """Tell the person; standard output belongs to the program that is started next."""
    print(f"kairos: {text}", file=sys.stderr, flush=True)


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Let one process at a time make environments in this checkout."""
    (root / ".venvs").mkdir(exist_ok=True)
    with (root / ".venvs" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(arguments: Sequence[str]) -> int:
    """Make the environment of the kind that is asked for, and print where its programs are."""
    if len(arguments) != 1 or arguments[0] not in KINDS:
        print(f"usage: scripts/setup {'|'.join(KINDS)}", file=sys.stderr)
        return 2
    environment = Environment(ROOT, arguments[0])
    try:
        with alone(ROOT):
            environment.ready()
    except SetUpError as error:
        say(str(error))
        return 1
    print(environment.bin)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
