"""A workspace that an earlier release let in goes on, whatever this one would say of a new one."""

import pytest

from events.record import Version
from tests.shop import Shop
from triggers.load import hash_of
from triggers.problems import WorkspaceError

FILES = {
    "triggers/hello.yaml": """
trigger: hello
when: {event: signed_up}
do: [{send: {channels: [email], template: hi}}]
deliver: {purpose: product, quiet_hours: off}
""",
    "templates/hi.liquid": "---\nsubject: Hi\n---\nHi",
}
STRAY = {
    "templates/hi.liquid": "---\nsubject: Hi\n---\nHi {first_name}",
    "templates/hi.email.deutsch.liquid": "---\nsubject: Hallo\n---\nHallo",
}


def test_it_is_read_again_and_recovered_and_no_new_one_is_let_in() -> None:
    shop = Shop(FILES)
    shop.know("ana", email="ana@shop.example")
    files = {**shop.files, **STRAY}
    shop.say([Version(hash_of(files), files, "")])
    shop.do("signed_up", user="ana")
    assert [one.version for one in shop.sent_by("hello")] == [hash_of(files)]
    shop.wait(5_000)
    shop.open()
    shop.know("bob", email="bob@shop.example")
    shop.do("signed_up", user="bob")
    assert len(shop.sent_by("hello")) == 2
    shop.compare()
    with pytest.raises(WorkspaceError, match="nobody fills"):
        shop.engine.adopt({**files, "templates/more.liquid": "---\nsubject: More\n---\nMore"})
