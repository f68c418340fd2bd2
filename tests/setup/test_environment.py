"""The environments behind `make demo` and `make test`, made with a pip that only writes down."""

import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts.environment import Environment, SetUpError, pip_version

ROOT = Path(__file__).parents[2]


class Machine:
    """A checkout, and commands that do as little as they can."""

    def __init__(self, root: Path, *, ensurepip: bool = True, failing: str = "") -> None:
        self.root = root
        self.done: list[str] = []
        self.ensurepip = ensurepip
        self.failing = failing
        (root / "requirements").mkdir()
        (root / "requirements/run.lock").write_text("tiny==1.0\n")
        (root / "pyproject.toml").write_text("[project]\n")

    def run(self, command: Sequence[str]) -> bool:
        self.done.append(" ".join(command))
        if "venv" in command:
            if not self.ensurepip and "--without-pip" not in command:
                return False
            folder = Path(command[list(command).index("venv") + 1])
            (folder / "bin").mkdir(parents=True)
            (folder / "bin/python").touch()
            if "--without-pip" not in command:
                (folder / "bin/pip").touch()
        return not (self.failing and self.failing in self.done[-1])

    def environment(self) -> Environment:
        return Environment(self.root, "run", command=self.run)

    def ready(self) -> list[str]:
        """Make the environment, and return what had to be done for it."""
        self.done.clear()
        self.environment().ready()
        return [line.rpartition(" -m ")[2] for line in self.done]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_lock_is_installed_with_its_hashes_and_then_the_project_alone(machine: Machine) -> None:
    _, locked, project = machine.ready()
    assert locked.startswith("pip install --no-compile --require-hashes --only-binary :all: -r ")
    assert project.startswith("pip install --no-deps --no-build-isolation --editable ")


def test_a_second_run_has_nothing_to_do(machine: Machine) -> None:
    machine.ready()
    assert machine.ready() == []


def test_an_interrupted_one_is_made_anew(machine: Machine) -> None:
    machine.failing = "--require-hashes"
    with pytest.raises(SetUpError, match="network"):
        machine.ready()
    machine.failing = ""
    assert len(machine.ready()) == 3


def test_one_whose_python_is_gone_is_made_anew(machine: Machine) -> None:
    machine.ready()
    (machine.environment().bin / "python").unlink()
    assert len(machine.ready()) == 3


def test_a_checkout_that_moved_gets_another(machine: Machine, tmp_path: Path) -> None:
    machine.ready()
    there = tmp_path / "moved"
    there.mkdir()
    for name in (".venvs", "requirements", "pyproject.toml"):
        (tmp_path / name).rename(there / name)
    machine.root = there
    assert len(machine.ready()) == 3


def test_another_lock_is_another_environment_and_the_old_one_goes(machine: Machine) -> None:
    machine.ready()
    old = machine.environment().folder
    (machine.root / "requirements/run.lock").write_text("tiny==2.0\n")
    assert len(machine.ready()) == 3
    assert not old.exists()


def test_a_change_of_pyproject_alone_only_installs_the_project_again(machine: Machine) -> None:
    machine.ready()
    (machine.root / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    (project,) = machine.ready()
    assert "--editable" in project


def test_without_ensurepip_another_pip_does_the_work(tmp_path: Path) -> None:
    machine = Machine(tmp_path, ensurepip=False)
    *_, bare, locked, project = machine.ready()
    assert bare.endswith("--without-pip")
    for line in (locked, project):
        assert line.startswith(f"pip --python {machine.environment().bin / 'python'} install ")


def test_a_pip_that_is_too_old_is_known(tmp_path: Path) -> None:
    old = tmp_path / "pip"
    old.write_text("#!/bin/sh\necho pip 20.0.2 from /nowhere\n")
    old.chmod(old.stat().st_mode | stat.S_IXUSR)
    assert pip_version([str(old)]) == (20, 0, 2)


def setup(path: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    """Ask `scripts/setup` for nothing, with nothing but `path` to find Pythons on."""
    return subprocess.run(
        ["/bin/sh", str(ROOT / "scripts/setup"), "help"],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": f"{path}:/usr/bin-of-nobody", **env},
    )


def python(folder: Path, name: str, code: int) -> None:
    """A program that says it is Kairos's Python (code 0), or is not, and then says its name."""
    path = folder / name
    path.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exit {code}\necho {name}\n')
    path.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    for tool in ("dirname",):
        found = next(p for d in os.defpath.split(":") if (p := Path(d or "/bin") / tool).exists())
        (tmp_path / tool).symlink_to(found)
    return tmp_path


def test_the_first_python_that_answers_is_taken_not_the_first_that_is_there(path: Path) -> None:
    python(path, "python3.12", 127)  # a version manager's shim without that version
    python(path, "python3.11", 0)
    python(path, "python3", 0)
    assert setup(path).stdout == "python3.11\n"


def test_a_python_that_is_named_goes_first(path: Path) -> None:
    python(path, "python3.12", 0)
    python(path, "mine", 0)
    assert setup(path, PYTHON=str(path / "mine")).stdout == "mine\n"


def test_without_any_python_it_says_which_to_install(path: Path) -> None:
    python(path, "python3", 1)
    done = setup(path)
    assert done.returncode == 1
    assert "Kairos needs Python 3.11 or 3.12" in done.stderr


def test_standard_output_of_the_set_up_is_the_folder_alone() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/environment.py")],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")


def test_make_never_calls_make() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipes = [
        line for line in makefile.splitlines() if line.startswith("\t") and "sed" not in line
    ]
    assert recipes
    assert not [
        line for line in recipes if "$(MAKE)" in line or line.lstrip("\t@").startswith("make ")
    ]
