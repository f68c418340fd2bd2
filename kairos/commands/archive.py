"""`kairos archive`: what the archive holds, and whether all of it can be read."""

import time
from datetime import UTC, datetime
from pathlib import Path

from events.archive.accepted import Accepted, accept
from events.archive.folder import Archive, ArchiveError, Loss
from events.archive.segment import Head
from events.sources.base import LogUnavailableError
from kairos.say import as_json, failed, moment
from kairos.settings import Settings, SettingsError
from kairos.where import engine
from profile_state.checkpoints.folder import CheckpointDamagedError, Checkpoints

DEFAULT = Path("kairos-data") / "archive"


def command(folder: Path | None = None, *, json: bool = False) -> int:
    """Read the whole archive, and name each segment and checkpoint that is damaged or missing.

    It needs no engine, and disturbs none. Exit code 1: something is damaged or missing, and
    nobody has accepted that.

    Parameters
    ----------
    folder
        Of the archive; else KAIROS_ARCHIVE, else kairos-data/archive.
    json
        Print one JSON object; times are ms since 1970.
    """
    try:
        archive = Archive(_folder(folder), 0)
        places = archive.places()
        if not places:
            return failed("archive", f"{archive.folder} holds no segment", json=json)
        surveyed, note = list(archive.surveyed()), archive.let_go()
    except (SettingsError, LogUnavailableError) as error:
        return failed("archive", error, json=json)
    heads = [one for one in surveyed if isinstance(one, Head)]
    accepted = [one.said for one in surveyed if isinstance(one, Accepted)]
    checkpoints, damaged = _checkpoints(Checkpoints(archive.folder))
    problems = [one.said for one in surveyed if isinstance(one, Loss)] + damaged
    found = {
        "folder": str(archive.folder),
        "segments": len(places),
        "bytes": sum(place.path.stat().st_size for place in places),
        "plain_bytes": sum(head.size for head in heads),
        "entries": sum(head.entries for head in heads),
        "first_ms": heads[0].first_ms if heads else None,
        "last_ms": heads[-1].last_ms if heads else None,
        "let_go": None if note is None else {"upto": note.upto, "when": note.when},
        "accepted": accepted,
        "checkpoints": checkpoints,
        "problems": problems,
    }
    if json:
        as_json(found)
    else:
        span = f", {moment(heads[0].first_ms)} to {moment(heads[-1].last_ms)}" if heads else ""
        print(f"{len(places):,} segments with {found['entries']:,} entries{span}")
        if note is not None:
            print(f"what came before entry {note.upto + 1} was let go of, last on {note.when[:10]}")
        for one in checkpoints:
            print(f"checkpoint of {moment(one['made_ms'])} up to entry {one['entry']}")
        for said in accepted:
            print(said)
        print("\n".join(problems) or "all of it can be read")
    return 1 if problems else 0


def checkpoint(*, data: Path | None = None, json: bool = False) -> int:
    """Make a checkpoint of the ledger now, while the engine goes on.

    An empty ledger is filled from the newest one, and segments that it stands for may go. The
    two newest are kept. `kairos run archive` makes one by itself, see KAIROS_CHECKPOINT_S.

    Parameters
    ----------
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object; times are ms since 1970.
    """
    # Only this one needs a server.
    from kairos.checkpoints.make import CheckpointError, make  # noqa: PLC0415

    began = time.monotonic()
    try:
        made = make(engine(data), time.time_ns() // 1_000_000)
    except (SettingsError, CheckpointError) as error:
        return failed("archive checkpoint", error, json=json)
    said = {
        "path": str(made.checkpoint.path),
        "entry": made.checkpoint.entry,
        "made_ms": made.head.made_ms,
        "bytes": made.size,
        "snapshot_bytes": made.snapshot,
        "copies": made.head.copies,
        "seconds": round(time.monotonic() - began, 2),
    }
    if json:
        as_json(said)
    else:
        print(
            f"{made.checkpoint.path}: {made.size / 1024**2:,.1f} MB of a ledger of "
            f"{made.snapshot / 1024**2:,.1f} MB, up to entry {made.checkpoint.entry}, in "
            f"{said['seconds']} s"
        )
    return 0


def warm(*, data: Path | None = None, json: bool = False) -> int:
    """Read the past for definitions that are warming, while the engine goes on; ends when they are not.

    `kairos run archive` does so by itself within seconds. Nothing is read that no definition waits for.

    Parameters
    ----------
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object.
    """
    # Only this one reads a workspace.
    from channels.base import addresses  # noqa: PLC0415
    from flows import warming  # noqa: PLC0415
    from flows.open import open_whole  # noqa: PLC0415
    from profile_state.stores.base import LedgerLostError  # noqa: PLC0415
    from profile_state.stores.redis import RedisStore  # noqa: PLC0415

    began = time.monotonic()
    try:
        settings = engine(data)
        source, ledger = open_whole(settings), RedisStore(settings.ledger)
        try:
            done = warming.warm(source, ledger, addresses(), pause=time.sleep)
        finally:
            ledger.close()
            source.close()
    except (SettingsError, LogUnavailableError, LedgerLostError) as error:
        return failed("archive warm", error, json=json)
    said = {**done._asdict(), "seconds": round(time.monotonic() - began, 2)}
    if json:
        as_json(said)
    elif not done.passes:
        print("nothing is warming")
    else:
        print(
            f"the past of {done.leaves:,} leaves was read in {done.passes:,} passes, and is in the log "
            f"as {done.records:,} records, in {said['seconds']} s"
        )
    return 0


def accept_(
    which: str,
    *,
    reason: str,
    by: str | None = None,
    folder: Path | None = None,
    json: bool = False,
) -> int:
    """Go on for good without a stretch of the archive that is damaged or missing.

    Nothing is deleted: your word becomes a file in the folder, and from then on whoever reads
    the past passes over exactly that stretch. `kairos archive` and `kairos doctor` go on naming it.

    Parameters
    ----------
    which
        A segment's file, or FIRST..LAST, as `kairos archive` names them.
    reason
        Why; it stays with your word.
    by
        Who says so; else your login name.
    folder
        Of the archive; else KAIROS_ARCHIVE, else kairos-data/archive.
    json
        Print one JSON object.
    """
    # It brings half the engine along, which making a checkpoint once a day is to do without.
    from kairos.operators.words import speaker  # noqa: PLC0415

    try:
        archive = Archive(_folder(folder), 0)
        first, last = _lost(archive, which)
        one = Accepted(
            first, last, datetime.now(UTC).isoformat(timespec="seconds"), speaker(by), reason
        )
        path = accept(archive.folder, one)
    except (SettingsError, LogUnavailableError, OSError) as error:
        return failed("archive accept", error, json=json)
    if json:
        as_json({"path": str(path), "first": first, "last": last})
    else:
        print(f"{one.said}\nwritten into {path}; deleting that file takes it back")
    return 0


def _lost(archive: Archive, which: str) -> tuple[int, int]:
    """Find the loss that is meant; nobody accepts what can be read."""
    losses = [one for one in archive.surveyed() if isinstance(one, Loss)]
    for one in losses:
        names = [place.path.name for place in archive.places() if place.last == one.last]
        if which == f"{one.first}..{one.last}" or Path(which).name in names:
            return one.first, one.last
    known = "; ".join(f"{one.first}..{one.last}" for one in losses) or "nothing"
    raise ArchiveError(f"{which!r} is no loss of {archive.folder}; lost is {known}")


def _checkpoints(kept: Checkpoints) -> tuple[list[dict[str, int]], list[str]]:
    """Read all checkpoints: those that are good, and what is wrong with the others."""
    good, damaged = [], []
    for one in kept.all():
        try:
            made_ms = kept.verify(one).made_ms
            size = one.path.stat().st_size
            good.append({"entry": one.entry, "made_ms": made_ms, "bytes": size})
        except CheckpointDamagedError as error:
            damaged.append(str(error))
    return good, damaged


def _folder(asked: Path | None) -> Path:
    return asked or Settings.from_env().archive or DEFAULT


COMMANDS = {"checkpoint": checkpoint, "accept": accept_, "warm": warm}
