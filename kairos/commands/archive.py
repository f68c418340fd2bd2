"""`kairos archive`: what the archive holds, and whether all of it can be read."""

from pathlib import Path

from events.archive.folder import Archive
from events.archive.segment import Head
from kairos.profile.links import moment
from kairos.say import as_json, failed
from kairos.settings import Settings, SettingsError


def command(folder: Path | None = None, *, json: bool = False) -> int:
    """Read the whole archive, and name each segment that is damaged or missing.

    It needs no engine, and disturbs none. Exit code 1: a segment is damaged or missing.

    Parameters
    ----------
    folder
        Of the archive; else KAIROS_ARCHIVE, else kairos-data/archive.
    json
        Print one JSON object; times are ms since 1970.
    """
    try:
        asked = folder or Settings.from_env().archive or Path("kairos-data") / "archive"
    except SettingsError as error:
        return failed("archive", error, json=json)
    archive = Archive(asked, 0)
    places = archive.places()
    if not places:
        return failed("archive", f"{archive.folder} holds no segment", json=json)
    surveyed = list(archive.surveyed())
    heads = [one for one in surveyed if isinstance(one, Head)]
    problems = [one for one in surveyed if isinstance(one, str)]
    found = {
        "folder": str(archive.folder),
        "segments": len(places),
        "bytes": sum(place.path.stat().st_size for place in places),
        "plain_bytes": sum(head.size for head in heads),
        "entries": sum(head.entries for head in heads),
        "first_ms": heads[0].first_ms if heads else None,
        "last_ms": heads[-1].last_ms if heads else None,
        "problems": problems,
    }
    if json:
        as_json(found)
    else:
        span = f", {moment(heads[0].first_ms)} to {moment(heads[-1].last_ms)}" if heads else ""
        print(f"{len(places):,} segments with {found['entries']:,} entries{span}")
        print("\n".join(problems) or "all of it can be read")
    return 1 if problems else 0
