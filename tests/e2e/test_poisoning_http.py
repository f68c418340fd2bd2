"""R49: a browser's key is public, so nothing that is sent with it may read anybody's traits."""

import json
from collections.abc import Iterator
from itertools import product
from typing import get_args

import httpx
import pytest

from collector.handle import _ROUTES
from kairos.profile.read import read
from kairos.settings import Http
from tests.e2e.planted import CANARIES, TRAITS, USER, VISITOR, Planted, planted, told

NAMES = ("mail/brevo", "mail/nobody", "hooks/stripe", f"hooks/{USER}")
PATHS = [
    *_ROUTES,
    *(f"v1/{name}" for name in NAMES),
    *(f"{start}projects/{{key}}/settings" for start in ("", "v1/")),
    *(f"v1/{name}" for name in ("profiles", f"profiles/{USER}", f"users/{USER}/traits", "export")),
]
WHO = {"userId": USER, "anonymousId": VISITOR}
CALLS = [
    {**WHO, "type": "identify", "traits": {"favourite": "red"}},
    {**WHO, "type": "alias", "previousId": f"user_id:{USER}", "userId": "somebody"},
    {**WHO, "type": "track", "event": "Seen", "properties": {"{{ email }}": "{{ plan }}"}},
]
BODIES = [
    *(json.dumps(call).encode() for call in CALLS),
    json.dumps({"batch": CALLS}).encode(),
    json.dumps({"items": [{"id": USER}]}).encode(),
    b"",
    b"{",
]


@pytest.fixture(scope="module", params=get_args(Http))
def door(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Planted]:
    with planted(tmp_path_factory.mktemp("poisoning"), request.param) as found:
        yield found


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT"])
def test_r49_no_answer_to_a_browsers_key_says_a_trait_of_anybody(
    door: Planted, method: str
) -> None:
    key = door.keys["browser"]
    bodies = BODIES if method == "POST" else BODIES[:1]
    with httpx.Client(base_url=door.stack.url, auth=(key, ""), timeout=20) as client:
        for path, body in product(PATHS, bodies):
            where = "/" + path.format(key=key)
            with client.stream(method, where, params=WHO, content=body) as answer:
                endless = answer.headers.get("content-type") == "text/event-stream"
                content = next(answer.iter_raw(), b"") if endless else answer.read()
                assert answer.status_code < 500, (where, body)
                assert told(content, answer.headers.multi_items()) == [], (where, body)


def test_r49_what_must_not_be_said_is_there_to_be_said(door: Planted) -> None:
    found = read(door.stack.settings, USER, 5)
    assert found is not None
    kept = json.dumps([found.traits, found.addresses], default=str).encode()
    assert all(canary in kept for canary in CANARIES), "or nothing could be found in an answer"
    assert TRAITS.keys() <= found.traits.keys()
