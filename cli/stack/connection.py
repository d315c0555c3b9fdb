"""Locate the bus of a running stack and connect to it."""

import asyncio
import os
import shlex
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from bus import (
    Bus,
    BusContext,
    InvalidContext,
    NotAuthorized,
    choose_context,
    connect,
    context_from_environment,
    read_context,
)
from bus.client.context import CONTEXT_VARIABLE, URL_VARIABLE
from cli.errors import CommandError
from cli.program import data_dir_option, program
from cli.stack.data_dir import DataDir, default_data_dir

DEFAULT_PORT = 4222
DEFAULT_URL = f"nats://127.0.0.1:{DEFAULT_PORT}"
CONNECT_TIMEOUT_S = 2.0


class BusPlace(NamedTuple):
    """The options that locate the bus: `--bus-url`, `--data-dir`, `--bus-context`. None of them is required."""

    url: str | None = None
    data_dir: Path | None = None
    context: Path | None = None

    @property
    def is_named(self) -> bool:
        """Whether it is named otherwise than by a data directory: by an option or in the environment."""
        return (
            self.url is not None
            or self.context is not None
            or (self.data_dir is None and _is_in_environment())
        )


class BusAddress(NamedTuple):
    """Where the bus is, and how that is known."""

    url: str
    note: str = ""
    """Set when nothing was named and no stack was found: `default port; no stack runs in /home/ann/data`."""
    option: str = ""
    """The option that addresses the same bus in another command, with a leading space."""
    data: DataDir | None = None
    """The data directory of the stack, if it runs on this machine."""
    context: BusContext | None = None
    """None if there are no credentials."""
    origin: str = ""
    """What names the bus: `--bus-context engine.json`, `OPENSQT_BUS_URL=nats://bus:4222`."""

    def __str__(self) -> str:
        return f"{self.url} ({self.note})" if self.note else self.url


def locate_bus(place: BusPlace) -> BusAddress:
    """Return the bus of the options, of the environment, of the stack in the default directory, or the default port.

    Raises: CommandError when the options contradict each other, a file cannot be used, or no stack runs in the directory
    that is named.
    """
    found = locate_running_bus(place)
    return found or BusAddress(DEFAULT_URL, f"default port; {_missing_stack(DataDir(default_data_dir()))}")


def locate_running_bus(place: BusPlace) -> BusAddress | None:
    """Return the bus of the options, of the environment, or of the stack in the default directory; else None.

    Raises: CommandError like `locate_bus`.
    """
    try:
        return _named_bus(place) or _bus_in(place.data_dir)
    except InvalidContext as error:
        raise CommandError(str(error)) from error


def _named_bus(place: BusPlace) -> BusAddress | None:
    url, data_dir, file = place
    if data_dir is not None and (url is not None or file is not None):
        name = "--bus-context" if url is None else "--bus-url"
        raise CommandError(f"{name} and --data-dir both say where the bus is: give one of them")
    if not place.is_named:
        return None
    if url is None and file is None:
        context, option = context_from_environment(), ""
        names = [
            f"{each}={os.environ[each]}" for each in (CONTEXT_VARIABLE, URL_VARIABLE) if os.environ.get(each)
        ]
        origin = " ".join(names)
    else:
        context = choose_context(url, file)
        options = [f"--bus-context {shlex.quote(str(file))}"] if file is not None else []
        options += [f"--bus-url {shlex.quote(url)}"] if url is not None else []
        origin = " ".join(options)
        option = f" {origin}"
    assert context is not None, "it is named"
    return BusAddress(context.url, option=option, context=context, origin=origin)


def _is_in_environment() -> bool:
    return bool(os.environ.get(CONTEXT_VARIABLE) or os.environ.get(URL_VARIABLE))


def _bus_in(data_dir: Path | None) -> BusAddress | None:
    """Return the bus of the stack that runs in a directory; None if none runs in the default one."""
    data = DataDir((data_dir or default_data_dir()).absolute())
    record = data.read()
    option = data_dir_option(None if data_dir is None else data.root)
    if record is not None:
        # A stack of an earlier version has no context.
        context = (
            read_context(data.bus_context) if data.bus_context.exists() else BusContext(url=record.bus_url)
        )
        origin = f"{data.bus_context}"
        return BusAddress(record.bus_url, option=option, data=data, context=context, origin=origin)
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

    Raises: CommandError when the bus does not answer within `CONNECT_TIMEOUT_S`, or rejects the credentials.
    """
    where = address.context or BusContext(url=address.url)
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await _check_port(address.url)
                bus = await stack.enter_async_context(connect(where, name=name))
        except TimeoutError as error:
            if address.data is not None and address.data.read() is not None:
                raise CommandError(
                    f"the bus at {address} does not answer within {CONNECT_TIMEOUT_S:g} s, though its `up` runs: nothing "
                    f"can be stored, decided or commanded; continue or restart nats-server (log: {address.data.bus})"
                ) from error
            raise _no_bus(address) from error
        except (OSError, ValueError) as error:
            raise _no_bus(address) from error
        except (NotAuthorized, InvalidContext) as error:
            raise CommandError(_rejected(address, error)) from error
        yield bus


def _no_bus(address: BusAddress) -> CommandError:
    if address.data is not None and address.data.read() is not None:
        return CommandError(
            f"no bus at {address}, though its `up` runs, which restarts it: retry in a few seconds "
            f"(log: {address.data.bus})"
        )
    return CommandError(
        f"no bus at {address}: start one with: {program()} up; or choose another with --bus-url or --data-dir"
    )


def _rejected(address: BusAddress, error: Exception) -> str:
    origin = f" (from {address.origin})" if address.origin else f" ({address.note})" if address.note else ""
    has_credentials = address.context is not None and address.context != BusContext(url=address.url)
    remedy = "" if has_credentials else ", or the data directory of its `up` with --data-dir"
    return f"{error}{remedy}{origin}"


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
    """Check that at least one of the servers is there: `connect` would retry for ever.

    Raises: OSError or ValueError of the last one.
    """
    servers = url.split(",")
    for number, server in enumerate(servers, start=1):
        parts = urlsplit(server if "//" in server else f"nats://{server}")
        try:
            _, writer = await asyncio.open_connection(parts.hostname or "", parts.port or DEFAULT_PORT)
        except OSError:
            if number == len(servers):
                raise
        else:
            writer.close()
            return
