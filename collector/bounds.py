"""How much a client may ask of a connection, and for how long."""

import msgspec


class Bounds(msgspec.Struct, frozen=True):
    """Bounds of a server and of each of its connections; a body's are the application's.

    >>> Bounds().head_bytes
    32768
    """

    connections: int = 10_000
    head_bytes: int = 32 * 1024  # of a request line and its header fields
    pipelined: int = 32  # requests of one connection that wait for their answers
    head_seconds: float = 10.0  # for a whole head; also from connecting to the first byte
    idle_seconds: float = 75.0  # between two requests
    write_seconds: float = 20.0  # for a client to take what is ready for it
    linger_seconds: float = 2.0  # after an answer to what was not read to its end
    drain_seconds: float = 10.0  # for what is in flight when the server stops
