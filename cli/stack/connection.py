"""Locate the bus of a running stack and connect to it."""

import asyncio
import shlex
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from bus import Bus, connect
from cli.errors import CommandError
from cli.program import data_dir_option, program
from cli.stack.data_dir import DataDir, default_data_dir

DEFAULT_PORT = 4222
DEFAULT_URL = f"nats://127.0.0.1:{DEFAULT_PORT}"
CONNECT_TIMEOUT_S = 2.0


class BusAddress(NamedTuple):
    """Where the bus is, and how that is known."""

    url: str
    note: str = ""
    """Set when nothing was named and no stack was found: `default port; no stack runs in /home/ann/data`."""
    option: str = ""
    """The option that addresses the same bus in another command, with a leading space."""
    data: DataDir | None = None
    """The data directory of the stack, if it runs on this machine."""

    def __str__(self) -> str:
        return f"{self.url} ({self.note})" if self.note else self.url


def locate_bus(url: str | None, data_dir: Path | None) -> BusAddress:
    """Return the bus that the options name, else that of the stack in the default directory, else the default port.

    Raises: CommandError when both options are given, or no stack runs in the directory that is named.
    """
    found = locate_running_bus(url, data_dir)
    return found or BusAddress(DEFAULT_URL, f"default port; {_missing_stack(DataDir(default_data_dir()))}")


def locate_running_bus(url: str | None, data_dir: Path | None) -> BusAddress | None:
    """Return the bus that the options name, else that of the stack in the default directory, else None.

    Raises: CommandError like `locate_bus`.
    """
    if url is not None and data_dir is not None:
        raise CommandError("--bus-url and --data-dir both say where the bus is: give one of them")
    if url is not None:
        return BusAddress(url, option=f" --bus-url {shlex.quote(url)}")
    data = DataDir((data_dir or default_data_dir()).absolute())
    record = data.read()
    option = data_dir_option(None if data_dir is None else data.root)
    if record is not None:
        return BusAddress(record.bus_url, option=option, data=data)
    if data_dir is None:
        return None
    if data.holder() is not None:
        hint = "retry in a few seconds"
    else:
        hint = f"start it with: {program()} up{option}" if data.root.is_dir() else "check the name"
    raise CommandError(f"--data-dir: {_missing_stack(data)}; {hint}")


@asynccontextmanager
async def connect_to_bus(address: BusAddress, name: str) -> AsyncIterator[Bus]:
    """Connect to a bus that must be running; `name` identifies the connection on the server.

    Raises: CommandError when the bus does not answer within `CONNECT_TIMEOUT_S`.
    """
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await _check_port(address.url)
                bus = await stack.enter_async_context(connect(address.url, name=name))
        except TimeoutError as error:
            if address.data is not None and address.data.read() is not None:
                raise CommandError(
                    f"the bus at {address} does not answer within {CONNECT_TIMEOUT_S:g} s, though its `up` runs: nothing "
                    f"can be stored, decided or commanded; continue or restart nats-server (log: {address.data.bus})"
                ) from error
            raise _no_bus(address) from error
        except (OSError, ValueError) as error:
            raise _no_bus(address) from error
        yield bus


def _no_bus(address: BusAddress) -> CommandError:
    return CommandError(
        f"no bus at {address}: start one with: {program()} up; or choose another with --bus-url or --data-dir"
    )


def _missing_stack(data: DataDir) -> str:
    """Return why there is no running stack in a directory."""
    if not data.root.is_dir():
        return f"there is no directory {data.root}"
    if data.holder() is not None:
        return f"the stack in {data.root} is starting or stopping (process {data.holder()})"
    ended = data.recorded()
    if ended is not None:
        return f"the stack in {data.root} has ended without cleaning up (process {ended.pid} is gone)"
    return f"no stack runs in {data.root}"


async def _check_port(url: str) -> None:
    # `connect` retries until the server is there; a refused connection has to fail at once.
    parts = urlsplit(url if "//" in url else f"nats://{url}")
    _, writer = await asyncio.open_connection(parts.hostname or "", parts.port or DEFAULT_PORT)
    writer.close()
