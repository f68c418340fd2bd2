"""What the door itself asks for, at addresses that were checked: certificates, confirmations."""

import time
from urllib.parse import urlsplit

import httpx

_MOST_BYTES = 64 * 1024
_SECONDS = 5.0  # for everything together
_AGAIN = 30.0  # seconds after which an address that failed is asked again
_FAILED = 1_000  # addresses that failed and are remembered


class Fetcher:
    """GETs over TLS, without redirects, proxies or cookies.

    Args:
        base: asked in place of each address's own scheme and host.
    """

    def __init__(self, base: str = "") -> None:
        self._base = base
        self._failed: dict[str, float] = {}

    async def get(self, url: str) -> bytes | None:
        """Return what stands there, None where it could not be had."""
        now = time.monotonic()
        if now < self._failed.get(url, 0.0):
            return None
        try:
            found = await self._get(url)
        except (httpx.HTTPError, TimeoutError):
            found = None
        if found is None:
            while len(self._failed) >= _FAILED:
                del self._failed[next(iter(self._failed))]
            self._failed[url] = now + _AGAIN
        return found

    async def _get(self, url: str) -> bytes | None:
        if self._base:
            parts = urlsplit(url)
            url = f"{self._base}{parts.path}{'?' if parts.query else ''}{parts.query}"
        body = b""
        async with (
            httpx.AsyncClient(timeout=_SECONDS, trust_env=False) as client,
            client.stream("GET", url) as answer,
        ):
            if answer.status_code != 200:
                return None
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > _MOST_BYTES:
                    return None
        return body
