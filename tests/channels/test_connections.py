"""Connections that are kept: as many as requests at once, and none that is of no use any more."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable

import httpcore
import pytest

from channels.delivery.connections import Connections
from channels.delivery.pinned import Pinned

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers each request after a moment; counts the connections that it had and has."""

    def __init__(self, each: int = 1000, answer: bytes = ANSWER) -> None:
        self.had = 0
        self.has = 0
        self._each = each
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.had += 1
        self.has += 1
        try:
            for _ in range(self._each):
                await reader.readuntil(b"\r\n\r\n{}")
                await asyncio.sleep(0.01)
                writer.write(self._answer)
                await writer.drain()
            await asyncio.sleep(0.03)  # until the client has put the connection by
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client left
        finally:
            self.has -= 1
            writer.close()


Post = Callable[[], Awaitable[bytes]]


def run(server: Server, story: Callable[[Post], Awaitable[None]], patience: float = 5.0) -> None:
    """Tell a story of posts over one set of connections; at its end none is open."""

    async def telling() -> None:
        connections = Connections(Pinned(), ssl.create_default_context(), patience)
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        url = httpcore.URL(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/")

        async def post() -> bytes:
            async with (
                connections.one(url) as connection,
                connection.stream("POST", url, content=b"{}") as answer,
            ):
                return b"".join([chunk async for chunk in answer.aiter_stream()])

        await story(post)
        await connections.close()
        await left(server, 0)
        listener.close()
        await listener.wait_closed()

    asyncio.run(telling())


async def left(server: Server, connections: int) -> None:
    """Wait until the server has no more connections than these."""
    async with asyncio.timeout(5):
        while server.has > connections:  # noqa: ASYNC110 - counted by the server's own tasks
            await asyncio.sleep(0.005)


def test_there_are_as_many_as_requests_at_once_however_many_requests() -> None:
    server = Server()

    async def lane(post: Post) -> None:
        for _ in range(5):
            assert await post() == b"ok"

    async def story(post: Post) -> None:
        await asyncio.gather(*(lane(post) for _ in range(8)))
        await asyncio.gather(*(lane(post) for _ in range(8)))
        assert server.has == 8

    run(server, story)
    assert server.had == 8


def test_one_that_the_receiver_closed_is_replaced() -> None:
    server = Server(each=1)

    async def story(post: Post) -> None:
        for _ in range(3):
            assert await post() == b"ok"
            await left(server, 0)
            await asyncio.sleep(0.02)  # until the word of it is here

    run(server, story)
    assert server.had == 3


def test_those_that_waited_too_long_are_closed_beside_one_that_works() -> None:
    server = Server()

    async def story(post: Post) -> None:
        await asyncio.gather(*(post() for _ in range(6)))
        assert server.has == 6
        for _ in range(40):  # 0.4 s at least
            await post()
        await left(server, 1)

    run(server, story, patience=0.3)


@pytest.mark.parametrize("answer", [b"\xff nonsense\r\n\r\n", ANSWER.replace(b": 2", b": 9")])
def test_one_whose_answer_went_wrong_serves_no_other_request(answer: bytes) -> None:
    server = Server(each=1, answer=answer)

    async def story(post: Post) -> None:
        for _ in range(2):
            with pytest.raises(httpcore.RemoteProtocolError):
                await post()

    run(server, story)
    assert server.had == 2


def test_one_whose_answer_was_given_up_serves_no_other_request() -> None:
    server = Server()

    async def story(post: Post) -> None:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.005):
                    await post()
        await left(server, 0)
        assert await post() == b"ok"

    run(server, story)
