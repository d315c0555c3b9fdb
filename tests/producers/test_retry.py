"""What the bus has stored is asked for until there is an answer."""

import asyncio
import signal

import pytest

from bus import Bus, Logger, Refused, connect, provision
from producers.retry import last_stored
from schemas import subjects
from schemas.subjects import Stream
from schemas.units import Symbol, VenueId
from tests.conftest import NewServer
from tests.schemas.examples import TICKER

LEVEL = subjects.open_orders(VenueId("sim"), Symbol("BTC/USDT:USDT"))
LOG = Logger("test")


async def test_a_bus_that_dies_while_it_is_asked_is_asked_again(
    new_server: NewServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server = await new_server()
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        stored = await bus.store(LEVEL, TICKER)
        server.send(signal.SIGSTOP)
        asking = asyncio.create_task(last_stored(bus, Stream.ACCOUNT, LEVEL, LOG))
        await asyncio.sleep(0)  # the question is out, and nobody can answer it
        server.kill()
        await server.wait()
        await server.start()
        found = await asking
    assert found is not None
    assert found.sequence == stored
    assert "bus_silent" in capsys.readouterr().err


async def test_a_stream_that_is_gone_is_made_anew(bus: Bus) -> None:
    await bus.api(f"STREAM.DELETE.{Stream.ACCOUNT}", None, dict)
    assert await last_stored(bus, Stream.ACCOUNT, LEVEL, LOG) is None


async def test_what_can_never_be_answered_is_not_asked_again(bus: Bus) -> None:
    with pytest.raises(Refused):
        await last_stored(bus, Stream.ACCOUNT, "too.long." + "x" * 2**21, LOG)
