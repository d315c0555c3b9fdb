"""The whole system on a secured bus, each part with its own user: it trades, and no part lacks a permission."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from bus import Bus, FromStart, StreamGone, read
from cli.config.file import DEFAULT_FILE
from schemas.subjects import Stream
from schemas.units import VenueId
from tests.bus.secure.running import as_user, free_port, make_directory, running_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]
START_TIMEOUT_S = 300.0
"""The parts are ten processes, which take minutes to start on a busy machine."""


@asynccontextmanager
async def part(root: Path, user: str, *arguments: str) -> AsyncIterator[None]:
    """Run a command of the program as a user of the bus."""
    environment = {**os.environ, "OPENSQT_BUS_CONTEXT": str(root / "contexts" / f"{user}.json")}
    with (root / "parts.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cli", *arguments, env=environment, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        assert process.returncode is None, f"{arguments} ended:\n{(root / 'parts.log').read_text()[-2000:]}"
        process.send_signal(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(15):
                await process.wait()
        if process.returncode is None:
            process.kill()


@asynccontextmanager
async def running_parts(root: Path, page: int) -> AsyncIterator[None]:
    configuration, venue = str(DEFAULT_FILE), free_port()
    of_venue = ("--venue", "sim", "--venue-url", f"http://127.0.0.1:{venue}")
    store = ("--store", str(root / "venue.sqlite"), "--port", str(venue))
    async with AsyncExitStack() as stack:
        for user, arguments in (
            ("admin", ("apply", configuration, "--keep")),
            ("sys", ("venue", "--config", configuration, *store)),
            ("market-sim", ("market", *of_venue)),
            ("account-sim", ("account", *of_venue)),
            ("gateway-sim", ("gateway", *of_venue)),
            ("engine", ("engine",)),
            ("liveserver", ("liveserver", "--http-port", str(page), "--drain-s", "0.1")),
        ):
            await stack.enter_async_context(part(root, user, *arguments))
        yield


async def until_stored(bus: Bus, stream: Stream, subject: str) -> None:
    while True:
        with suppress(StreamGone):
            async for batch in read(bus, stream, (subject,), FromStart()):
                if batch.messages:
                    return
        await asyncio.sleep(0.5)


async def test_it_trades_and_no_part_lacks_a_permission(tmp_path: Path) -> None:
    make_directory(tmp_path, (VenueId("sim"),))
    page = free_port()
    async with running_server(tmp_path), running_parts(tmp_path, page), as_user(tmp_path, "operator") as bus:
        async with asyncio.timeout(START_TIMEOUT_S):
            # From the market over the engine and the gateway to the venue and back.
            await until_stored(bus, Stream.ORDERS, "order.sim.*.report")
            await until_stored(bus, Stream.ENGINE, "engine.sim.*.decision")
            await until_stored(bus, Stream.PARTS, "part.liveserver.*")
    assert "Violation" not in (tmp_path / "bus.log").read_text()
    assert "permissions violation" not in (tmp_path / "parts.log").read_text()
