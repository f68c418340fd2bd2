"""`/v1/profiles/ID`: a person as a shop's own server reads them."""

from collector.credentials import from_head
from collector.door import Door
from collector.outcome import Ask, Outcome
from collector.request import Request, Response
from collector.respond import JSON, failure
from collector.taking import server_key_of
from events.naming import candidates

PATH = "v1/profiles/"  # and an identifier
_LONGEST = 300  # characters of one


def profile(request: Request, door: Door, _now_us: int) -> Outcome:
    """Answer with what is known of somebody, under a server's key alone."""
    alone = "profiles are read with a server's key alone"
    key = server_key_of(from_head(request), door, alone)
    if isinstance(key, Response):
        return key
    named = request.path.strip("/").removeprefix(PATH)
    if not named or len(named) > _LONGEST or not named.isprintable():
        return failure(404, "unknown_profile", "an identifier such as user_id:u1 was expected")
    return Ask(candidates(named), _told)


def _told(state: str, view: bytes, _now_us: int) -> Response:
    match state:
        case "found":
            body = b'{"success":true,"profile":' + view + b"}"
            return Response(200, body, (JSON, (b"cache-control", b"no-store")))
        case "nobody":
            return failure(404, "unknown_profile", "nobody has this identifier")
        case "several":
            several = "several people have it; name its type, such as user_id:u1 or email:a@b.c"
            return failure(409, "ambiguous_profile", several)
        case "behind":
            return failure(503, "engine_behind", "the engine has not read yet what came before")
        case _:
            return failure(503, "engine_away", "no engine answers; ask again")
