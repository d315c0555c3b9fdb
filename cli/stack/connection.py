"""Locate the bus of a running stack and connect to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from bus import Bus, connect
from cli.errors import CommandError
from cli.stack.data_dir import DataDir, default_data_dir

DEFAULT_PORT = 4222
DEFAULT_URL = f"nats://127.0.0.1:{DEFAULT_PORT}"
CONNECT_TIMEOUT_S = 2.0


def bus_url(option: str | None, data_dir: Path | None) -> str:
    """Return the URL given as an option, else that of the stack running in the data directory, else the default."""
    url = running_bus_url(option, data_dir)
    return DEFAULT_URL if url is None else url


def running_bus_url(option: str | None, data_dir: Path | None) -> str | None:
    """Return the URL given as an option, else that of the stack running in the data directory, else None."""
    if option is not None:
        return option
    record = DataDir(data_dir or default_data_dir()).read()
    return None if record is None else record.bus_url


@asynccontextmanager
async def connect_to_bus(url: str, name: str) -> AsyncIterator[Bus]:
    """Connect to a bus that must be running; `name` identifies the connection on the server.

    Raises: CommandError when the bus does not answer within `CONNECT_TIMEOUT_S`.
    """
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await _check_port(url)
                bus = await stack.enter_async_context(connect(url, name=name))
        except (TimeoutError, OSError, ValueError) as error:
            raise CommandError(
                f"no bus at {url}: start one with `opensqt up`, or choose another with --bus-url or --data-dir"
            ) from error
        yield bus


async def _check_port(url: str) -> None:
    # `connect` retries until the server is there; a refused connection has to fail at once.
    parts = urlsplit(url if "//" in url else f"nats://{url}")
    _, writer = await asyncio.open_connection(parts.hostname or "", parts.port or DEFAULT_PORT)
    writer.close()
