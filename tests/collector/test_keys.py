import stat
from pathlib import Path

import pytest

from collector.keys import KeyRing, create

NOW = "2026-11-25T00:00:00Z"


def test_a_saved_ring_holds_the_hash_and_not_the_key(tmp_path: Path) -> None:
    text, key = create("browser", "web", NOW)
    path = tmp_path / "keys.json"
    KeyRing([key]).save(path)
    assert text not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KeyRing.load(path).find(text) == key
    assert [p.name for p in tmp_path.iterdir()] == ["keys.json"]


def test_keys_rotate_with_overlap() -> None:
    old, old_key = create("server", "shop", NOW)
    new, new_key = create("server", "shop", NOW)
    both = KeyRing([old_key]).having(new_key)
    assert both.find(old)
    assert both.find(new)
    assert both.without(old_key.id).find(old) is None
    assert old_key.id != new_key.id


def test_a_missing_file_holds_no_keys_and_a_damaged_one_says_where(tmp_path: Path) -> None:
    assert KeyRing.load(tmp_path / "none.json").keys == ()
    path = tmp_path / "keys.json"
    path.write_text('[{"id": 1}]')
    with pytest.raises(ValueError, match=r"keys\.json: Expected `str`, got `int`.*\$\[0\]\.id"):
        KeyRing.load(path)


@pytest.mark.parametrize("source", ["", "Web", "a b", "a\n", "x" * 65])
def test_a_source_group_is_a_plain_word(source: str) -> None:
    with pytest.raises(ValueError, match="were expected, such as 'web'"):
        create("browser", source, NOW)
