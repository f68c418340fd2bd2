"""The oracle, on histories so small that the answer is plain."""

import ast
from pathlib import Path
from typing import Any

import orjson

from benchmarks import oracle
from benchmarks.oracle import Fact, facts_of, first_difference, hash_of


def body(message: str, second: int, **said: Any) -> bytes:
    return orjson.dumps(
        {"messageId": message, "timestamp": f"1970-01-01T00:00:{second:02}Z", **said}
    )


VISIT = body("m1", 1, anonymousId="a", context={"locale": "de-DE"})
LATER = body("m2", 5, anonymousId="a", userId="u", traits={"plan": "pro"})
EARLIER = body("m3", 3, userId="u", traits={"plan": "free"})


def test_it_shares_no_code_with_the_engine() -> None:
    tree = ast.parse(Path(oracle.__file__).read_text(encoding="utf-8"))
    modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    modules |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert modules == {"hashlib", "collections.abc", "datetime", "typing", "orjson"}


def test_the_latest_trait_stands_and_a_merge_takes_the_leaves_together() -> None:
    assert facts_of([VISIT, LATER, EARLIER]) == {
        "anonymous_id:a user_id:u": {
            "anonymous_id:a": Fact(1, 1000, 1000, (("locale", '"de-DE"'),)),
            "user_id:u": Fact(2, 3000, 5000, (("plan", '"pro"'),)),
        }
    }


def test_order_and_copies_do_not_matter() -> None:
    there, back = facts_of([VISIT, LATER, EARLIER]), facts_of([EARLIER, LATER, VISIT, LATER])
    assert hash_of(there) == hash_of(back)


def test_a_lost_event_is_seen_and_named() -> None:
    expected, found = facts_of([VISIT, LATER, EARLIER]), facts_of([VISIT, LATER])
    assert hash_of(expected) != hash_of(found)
    assert first_difference(expected, found).startswith("anonymous_id:a user_id:u: the oracle has")
