"""`kairos archive`, over a folder that nobody serves."""

import json
from pathlib import Path

import pytest

from events.archive.folder import Archive
from events.archive.segment import pack
from kairos.commands.archive import command
from tests.archive.test_segments import entries


def test_it_says_what_there_is_and_what_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(tmp_path) == 2
    assert "holds no segment" in capsys.readouterr().err
    archive = Archive(tmp_path, 0)
    paths = [archive.write(pack(0, n - 1, entries(n, n + 4))) for n in (0, 5, 10)]
    assert command(tmp_path) == 0
    assert "3 segments with 15 entries, 1970-01-01 00:00:01Z" in capsys.readouterr().out
    paths[1].write_bytes(b"kairos segment 1\n")
    assert command(tmp_path, json=True) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["segments"], said["entries"], len(said["problems"])) == (3, 10, 1)
    assert str(paths[1]) in said["problems"][0]
