"""Questions about people, answered by the engine from memory: as of what it has read, at once.

The ledger would be a second or two behind. Whoever asks puts a question into a list of the
ledger's, with the entry of the log that the answer must know of; a thread of the engine's process
takes the engine's turn while that waits for the log, and replies.
"""

import threading
import time

import msgspec
import structlog

from events.record import Join
from flows.engine import Engine
from flows.loading import bring_in
from flows.profile_view import choices_of, view_of
from profile_state.questions import Question, Reply
from profile_state.stores.base import LedgerLostError
from profile_state.stores.redis import RedisStore
from triggers.core import Batch

WAIT_S = 1.0  # for a question, so that a stop is noticed
PAUSE_S = 0.5  # while the ledger is away
BEHIND_S = 0.5  # that the engine may need to read up to what the asker knows of
LOOK_S = 0.001

log = structlog.get_logger()


def listen(engine: Engine, url: str, stop: threading.Event) -> None:
    """Answer until `stop` is set.

    Args:
        engine: which runs in another thread.
        url: of the ledger.
        stop: set it to end.
    """
    store = RedisStore(url, engine.partition)
    decode = msgspec.msgpack.Decoder(Question).decode
    while not stop.is_set():
        try:
            asked = store.question(WAIT_S)
            if asked is None:
                continue
            question = decode(asked)
            if question.until > time.time():
                store.reply(
                    question.place, msgspec.msgpack.encode(_answer(engine, store, question))
                )
        except LedgerLostError:
            stop.wait(PAUSE_S)  # the engine itself says so
        except msgspec.DecodeError:
            log.warning("a question that no release of ours asks")
    store.close()


def _answer(engine: Engine, store: RedisStore, question: Question) -> Reply:
    until = time.monotonic() + BEHIND_S
    while engine.position < question.entry:
        if time.monotonic() > until:
            return Reply("behind")
        time.sleep(LOOK_S)
    with engine.turn:
        state = engine.state
        bring_in(state, store, [_asking_for(question.identifiers)])
        found = {
            p.id: p for i in question.identifiers if (p := state.find(i)) is not None and p.ids
        }
        state.forget_absent()
        if len(found) != 1:
            return Reply("several" if found else "nobody")
        (person,) = found.values()
        asked = question.channel
        view = choices_of(person, state, asked) if asked else view_of(person, state)
        return Reply("found", msgspec.json.encode(view))


def _asking_for(identifiers: list[str]) -> Batch:
    """Return what needs these identifiers' people; it is never applied."""
    return Batch(0, 0, [Join("", 0, i, i, cut=False, by="", reason="") for i in identifiers])
