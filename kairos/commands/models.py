"""`kairos models`: the versions of each model, and how good they are."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from events.record import Learned, decode
from events.sources.base import Log, LogUnavailableError
from flows.learner import AT
from kairos.operators.drawn import CALIBRATION, NotDrawnError, draw, draw_lift
from kairos.profile.beside import beside
from kairos.say import as_json, columns, failed, moment
from kairos.settings import SettingsError
from kairos.where import engine
from models.base import MADE_FOR, QUALITY, Version
from profile_state.stores.base import LedgerLostError
from triggers.lift import LIFT
from triggers.modelled import Modelled
from triggers.state import MODEL

FROM = ("people", "examples")  # what a version is learnt from
STRIDE = 256  # entries read at a time while looking back
LOOK_BACK = 200_000  # entries


def command(
    name: str | None = None, *, versions: int = 5, data: Path | None = None, json: bool = False
) -> int:
    """Show what the workspace's models say: the version in force, those before it, and how good they are.

    Parameters
    ----------
    name
        A model; without it all of them.
    versions
        How many of them to look for in the log, the newest first.
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object.
    """
    try:
        found = _read(data, name, versions)
    except _NoModelError as error:
        failed("models", error, json=json)
        return 1
    except (SettingsError, LedgerLostError, LogUnavailableError) as error:
        return failed("models", error, json=json)
    if json:
        as_json({model: told.plain() for model, told in found.items()})
        return 0
    for model, told in found.items():
        print("\n".join(told.lines(model)))
    if not found:
        print("the workspace in force asks for no model; docs/models.md says how to")
    return 0


def report(
    name: str,
    *,
    out: Path = Path(),
    trigger: bool = False,
    versions: int = 200,
    data: Path | None = None,
    json: bool = False,
) -> int:
    """Draw a model: what it foretold beside what came, and how good each version was; or a trigger's lift.

    Parameters
    ----------
    name
        A model, or with --trigger a trigger with a goal and a hold-out.
    out
        The folder for NAME.png; needs the extra `plots`.
    trigger
        Draw by how much a trigger lifted its goal, over time.
    versions
        How many of them to look for in the log, the newest first.
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object.
    """
    path = out / f"{name}.png"
    try:
        if trigger:
            draw_lift(name, _lifts(data, name, versions), path)
        else:
            draw(name, _read(data, name, versions)[name].past, path)
    except (_NoModelError, NotDrawnError) as error:
        failed("models report", error, json=json)
        return 1
    except (SettingsError, LedgerLostError, LogUnavailableError, OSError) as error:
        return failed("models report", error, json=json)
    if json:
        as_json({"file": str(path)})
    else:
        print(path)
    return 0


COMMANDS = {"report": report}


class _NoModelError(LookupError):
    """The workspace in force asks for no such model."""


def _read(data: Path | None, name: str | None, versions: int) -> "dict[str, _Told]":
    """Read the models of the workspace in force, or one of them."""
    with beside(engine(data)) as running:
        mark = running.store.peek()
        workspace = running.workspace(mark)
        models, seen = ({}, {}) if workspace is None else (workspace.models, workspace.seen)
        if name is not None and name not in models:
            raise _NoModelError(f"the workspace in force asks for no model {name!r}")
        return {
            model: _Told(
                _in_force(mark.learned.get(MODEL + one.key), seen[model].mark),
                one,
                list(_past(running.log, MODEL + one.key, versions)),
            )
            for model, one in models.items()
            if name in (None, model)
        }


def _lifts(data: Path | None, trigger: str, versions: int) -> list[Version]:
    """Read what a trigger brought, as the log says it, the newest first."""
    with beside(engine(data)) as running:
        workspace = running.workspace(running.store.peek())
        if workspace is None or trigger not in workspace.lifted:
            raise _NoModelError(
                f"the workspace in force has no trigger {trigger!r} with a goal and a holdout"
            )
        return list(_past(running.log, LIFT + trigger, versions))


def _in_force(version: Version | None, mark: float) -> Version | None:
    """Return a version where it speaks of what the workspace asks for now.

    >>> _in_force({"bias": 1.0, MADE_FOR: 5.0}, 6.0) is None
    True
    """
    return version if version is not None and version.get(MADE_FOR) == mark else None


class _Told:
    """A model, with its versions."""

    def __init__(self, version: Version | None, model: Modelled, past: list[Version]) -> None:
        self._version = version
        self._model = model
        self.past = past

    def plain(self) -> dict[str, Any]:
        """Return all of it in plain values."""
        version = None if self._version is None else _plain(self._version)
        return {
            "version": version,
            "scores": list(self._model.scores),
            "past": [_plain(one) for one in self.past],
        }

    def lines(self, model: str) -> Iterator[str]:
        """Say all of it."""
        if self._version is None:
            yield f"{model}: no version yet; it comes when enough is known, see docs/models.md"
            return
        told = _plain(self._version)
        yield f"{model}: as of {moment(told['at'])}, from {_from(told)}"
        yield f"  scores   {', '.join(self._model.scores)}"
        if hasattr(self._model.module, "shown"):
            shown = self._model.module.shown(self._version, self._model.options)
            yield from (f"  {line}" for line in shown)
        else:
            yield f"  numbers  {_listed(told['numbers'])}"
        if told["quality"]:
            yield f"  quality  {_listed(told['quality'])}"
        rows = [
            (moment(one["at"]), _from(one), _listed(one["quality"]))
            for one in map(_plain, self.past)
        ]
        yield from (f"  {line}" for line in columns([("versions", "from", "quality"), *rows]))


def _from(told: dict[str, Any]) -> str:
    return ", ".join(f"{told[what]:,} {what}" for what in FROM if what in told)


def _plain(version: Version) -> dict[str, Any]:
    beside = (AT, MADE_FOR, *FROM)
    return {
        "at": int(version[AT]),
        **{what: int(version[what]) for what in FROM if what in version},
        "quality": {
            name.removeprefix(QUALITY): value
            for name, value in version.items()
            if name.startswith(QUALITY) and not name.startswith(CALIBRATION)
        },
        "numbers": {
            name: value
            for name, value in version.items()
            if name not in beside and not name.startswith(QUALITY)
        },
    }


def _listed(figures: Mapping[str, float]) -> str:
    """Write figures in a line, without the details of others.

    >>> _listed({"r": 0.24259, "came": 1882.0, "came.low": 1700.0})
    'r 0.2426, came 1882'
    """
    return ", ".join(
        f"{name} {value:.0f}" if abs(value) >= 1000 else f"{name} {value:.4g}"
        for name, value in figures.items()
        if "." not in name
    )


def _past(log: Log, what: str, wanted: int) -> Iterator[Version]:
    """Yield what the log says of something, the newest first; entries that say nothing are not decoded."""
    needle = what.encode()
    before = log.last(0) + 1
    for _ in range(LOOK_BACK // STRIDE):
        entries = log.back(0, before, STRIDE)
        for entry in entries:
            if wanted > 0 and needle in entry.payload:
                for said in _learned(entry.payload, what):
                    yield said
                    wanted -= 1
        if wanted <= 0 or len(entries) < STRIDE:
            return
        before = entries[-1].id


def _learned(payload: bytes, what: str) -> Iterator[Version]:
    try:
        records = decode(payload)
    except ValueError:  # a newer release's, or a dead letter; the engine says so
        return
    for said in reversed(records):
        if isinstance(said, Learned) and said.what == what:
            yield said.values
