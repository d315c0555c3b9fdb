"""A TCP load balancer that chooses among ready servers, as a Kubernetes Service or HAProxy does."""

import asyncio
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

CHECK_EVERY_S = 0.2
CHUNK = 65536


class Balancer:
    """Forwards each connection to the ready backend with the fewest; a backend is ready while /ready answers 200."""

    def __init__(self) -> None:
        self.port = 0
        self.refused = 0
        """Connections for which no backend was found."""
        self._open: Counter[int] = Counter()
        """Connections by backend port; all backends are keys."""
        self._ready: set[int] = set()
        self._changed = asyncio.Event()

    def add(self, port: int) -> None:
        """Add a backend on this machine."""
        self._open[port] = 0

    async def wait_ready(self, port: int, *, is_ready: bool = True) -> None:
        """Return when a backend is seen as ready, or as not ready."""
        while (port in self._ready) is not is_ready:
            self._changed.clear()
            await self._changed.wait()

    async def check(self) -> None:
        """Ask all backends whether they are ready, for ever."""
        while True:
            answers = await asyncio.gather(*(asyncio.to_thread(_is_ready, port) for port in self._open))
            ready = {port for port, answer in zip(list(self._open), answers, strict=False) if answer}
            if ready != self._ready:
                self._ready = ready
                self._changed.set()
            await asyncio.sleep(CHECK_EVERY_S)

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        try:
            port = min(self._ready, key=lambda each: self._open[each])
            upstream = await asyncio.open_connection("127.0.0.1", port)
        except (OSError, ValueError):  # refused, or none is ready
            self.refused += 1
            writer.close()
            return
        self._open[port] += 1
        try:
            await asyncio.gather(_copy(reader, upstream[1]), _copy(upstream[0], writer))
        finally:
            self._open[port] -= 1


@asynccontextmanager
async def balancing() -> AsyncIterator[Balancer]:
    """Run a balancer on a free port."""
    balancer = Balancer()
    server = await asyncio.start_server(balancer.forward, "127.0.0.1", 0)
    balancer.port = server.sockets[0].getsockname()[1]
    checks = asyncio.create_task(balancer.check())
    try:
        yield balancer
    finally:
        checks.cancel()
        server.close()


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()
