"""A nats-server with a configuration of its own, for tests of users and permissions."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import nkeys

from bus.service.embedded_server import find_nats_server


def nkey_pair() -> tuple[bytes, str]:
    """Return the seed and the public key of a new user."""
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    return seed, nkeys.from_seed(bytearray(seed)).public_key.decode()


@asynccontextmanager
async def secured_server(folder: Path, configuration: str) -> AsyncIterator[str]:
    """Run a server with JetStream and this configuration on a free port; yield its URL."""
    ports, file = folder / "ports", folder / "server.conf"
    ports.mkdir()
    file.write_text(
        f"listen: 127.0.0.1:-1\nports_file_dir: {json.dumps(str(ports))}\n"
        f"jetstream {{ store_dir: {json.dumps(str(folder))} }}\n{configuration}"
    )
    process = await asyncio.create_subprocess_exec(
        find_nats_server(), "-c", str(file), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(10):
            yield await _url(ports)
    finally:
        process.terminate()
        await process.wait()


async def _url(ports: Path) -> str:
    while (url := _published(ports)) is None:  # noqa: ASYNC110 - a file appears
        await asyncio.sleep(0.01)
    return url


def _published(ports: Path) -> str | None:
    for path in ports.glob("*.ports"):
        with suppress(json.JSONDecodeError, OSError):  # not completely written yet
            return str(json.loads(path.read_text())["nats"][0])
    return None
