"""What a server costs that does nothing: uvicorn, and an application that says hello.

    python -m benchmarks.bare DESCRIPTOR

serves on a listening socket that it inherits.
"""

import socket
import sys
from typing import Any

import uvicorn


async def hello(scope: Any, _receive: Any, send: Any) -> None:
    """Answer every request alike."""
    if scope["type"] == "http":
        head = [(b"content-length", b"5"), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"hello"})


def main() -> int:
    """Serve until a signal comes."""
    config = uvicorn.Config(hello, lifespan="off", access_log=False, log_level="error")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
    return 0


if __name__ == "__main__":
    sys.exit(main())
