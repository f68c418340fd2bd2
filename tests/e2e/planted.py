"""A real installation whose one profile holds what no answer may say."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from collector.keys import Kind, first_keys
from kairos.embedded.stack import Stack
from kairos.profile.read import read
from kairos.settings import Collector, Http
from tests.e2e.stacks import eventually, post, workspace

USER, VISITOR = "u-planted", "a-planted"
# Nothing makes these up by chance, and none stands in a request that is sent afterwards.
TRAITS = {
    "email": "zq7canary@shop.example",
    "phone": "+4915112345678",
    "first_name": "Zq7canaryfirst",
    "plan": "zq7canaryplan",
    "nested": {"deep": ["zq7canarydeep"]},
}
CANARIES = (b"zq7canary", b"Zq7canary", b"15112345678")
FILES = {
    "workspace.yaml": "workspace: shop\n",
    "segments/planted.yaml": "segment: zq7canarysegment\nif: ['plan = zq7canaryplan']\n",
}


class Planted(NamedTuple):
    """An installation, and the keys to it."""

    stack: Stack
    keys: dict[Kind, str]


@contextmanager
def planted(folder: Path, http: Http) -> Iterator[Planted]:
    """Run everything, with somebody in it."""
    data = folder / "data"
    data.mkdir()
    keys = first_keys(data / "keys.json", "2026-11-25T00:00:00Z")
    shop = workspace(folder / "shop", FILES)
    with Stack(data, shop, door=Collector(http=http)) as stack:
        call = {"type": "identify", "userId": USER, "anonymousId": VISITOR, "traits": TRAITS}
        assert post(stack, keys["server"], [call]).status_code == 200

        def known() -> bool:
            found = read(stack.settings, USER, 5)
            return found is not None and "zq7canaryplan" in json.dumps(found.traits, default=str)

        assert eventually(known), "the engine did not take the profile in"
        yield Planted(stack, keys)


def told(content: bytes, headers: object) -> list[bytes]:
    """Return what an answer tells of the profile, which must be nothing."""
    whole = content + str(headers).encode()
    return [canary for canary in CANARIES if canary in whole]
