"""Around an outbound request: who was dialled, who listened, and a server with a certificate."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpcore
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PUBLIC = "93.184.215.14"  # never reached: dialling it ends on this machine
Answers = Callable[[str, int], Awaitable[Sequence[str]]]


class Dialler(httpcore.AsyncNetworkBackend):
    """Writes down whom it shall dial, and dials this machine instead, or nobody.

    Args:
        port: on this machine; None where nobody is there.
        silent: addresses that never answer.
    """

    def __init__(self, port: int | None = None, silent: Sequence[str] = ()) -> None:
        self.dialled: list[tuple[str, int]] = []
        self._port = port
        self._silent = silent
        self._real = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.dialled.append((host, port))
        if host in self._silent:
            await asyncio.sleep(timeout or 30)
            raise httpcore.ConnectTimeout(host)
        if self._port is None:
            raise httpcore.ConnectError(host)
        return await self._real.connect_tcp(
            "127.0.0.1", self._port, timeout, local_address, socket_options
        )


def answering(*answers: Sequence[str]) -> tuple[Answers, list[str]]:
    """A resolver that gives one answer after the other, the last for good; and what it was asked."""
    asked: list[str] = []

    async def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return resolve, asked


class Listening:
    """A socket on loopback that nobody should have connected to."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self.port: int = server.getsockname()[1]

    def connections(self) -> int:
        """Count those since the last look; the kernel has made each before the client knows."""
        found = 0
        while True:
            try:
                self._server.accept()[0].close()
            except BlockingIOError:
                return found
            found += 1


@contextmanager
def listening() -> Iterator[Listening]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield Listening(server)


def certified(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for a name, and a client's that trusts it alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "server.pem"
    path.write_bytes(private + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cadata=pem.decode())
