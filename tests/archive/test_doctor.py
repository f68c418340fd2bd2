"""What `kairos doctor` says of an archive."""

from pathlib import Path

import msgspec
import structlog

from events.archive.accepted import Accepted, accept
from kairos.doctor.archive import findings
from kairos.settings import Log, Settings, Upkeep
from tests.archive.rig import NOW, Installation, damage

DAY_S = 86_400


def said(settings: Settings, upkeep: Upkeep) -> list[tuple[str, str, str]]:
    settings = msgspec.structs.replace(settings, upkeep=upkeep)
    assert settings.archive is not None
    with structlog.testing.capture_logs():
        return [(one.what, one.state, one.found) for one in findings(settings, settings.archive)]


def test_it_names_what_keeps_the_archive_from_leading_back_or_from_its_bounds(
    filled: Installation, valkey: Path
) -> None:
    there = filled
    log = Log(f"valkey://{valkey}?name=doctor")
    settings = msgspec.structs.replace(there.settings, log=log)
    newest, before = there.kept.all()
    accept(there.archive.folder, Accepted(1, 2, "2026-11-28T10:00:00+00:00", "ana", "a test"))

    _, accepted, checkpoint = said(settings, Upkeep())
    assert accepted[2].endswith("accepted as lost on 2026-11-28 by ana: a test")
    assert checkpoint[:2] == ("checkpoint", "ok")
    assert f"up to entry {newest.entry}; 2 can be used" in checkpoint[2]

    *_, checkpoint, bounds = said(settings, Upkeep(DAY_S, retain_ms=1))
    assert checkpoint[1] == "warning"
    assert "too old" in checkpoint[2], f"it is of {NOW}"
    assert bounds[:2] == ("archive bounds", "warning")

    damage(newest.path, "flipped")
    *_, damaged, checkpoint = said(settings, Upkeep())
    assert (damaged[1], checkpoint[1]) == ("warning", "ok")
    assert str(newest.path) in damaged[2]
    damage(before.path, "cut")
    assert [one[1] for one in said(settings, Upkeep())][-1] == "warning"
    there.archive.release(there.archive.places()[0].last, "2026-11-28T10:00:00+00:00")
    *_, lost = said(settings, Upkeep())
    assert lost[1] == "wrong"
    assert "does not lead back any more" in lost[2]
    for one in (newest, before):
        one.path.unlink()
    *_, none, _ = said(settings, Upkeep(0, archive_mb=0))
    assert none == ("checkpoint", "warning", "there is none, so the archive lets go of nothing")
