"""Retries of reads from the bus, of requests to the venue."""

import asyncio
import signal

import pytest

from bus import Bus, Logger, Rejected, connect, provision
from producers.ports import VenueUnreachable
from producers.retry import last_stored, retry
from schemas import subjects
from schemas.subjects import Stream
from schemas.units import Symbol, VenueId
from tests.builders import TICKER
from tests.conftest import NewServer

SUBJECT = subjects.open_orders(VenueId("sim"), Symbol("BTC/USDT:USDT"))
LOG = Logger("test")


async def test_a_read_is_retried_when_the_server_dies_meanwhile(
    new_server: NewServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server = await new_server()
    async with connect(server.url, name="test") as bus:
        await provision(bus)
        stored = await bus.store(SUBJECT, TICKER)
        server.send(signal.SIGSTOP)
        reading = asyncio.create_task(last_stored(bus, Stream.ACCOUNT, SUBJECT, LOG))
        await asyncio.sleep(0)  # the request is sent, and the stopped server cannot answer it
        server.kill()
        await server.wait()
        await server.start()
        found = await reading
    assert found is not None
    assert found.sequence == stored
    assert "bus_no_response" in capsys.readouterr().err


async def test_a_missing_stream_is_recreated(bus: Bus) -> None:
    await bus.api(f"STREAM.DELETE.{Stream.ACCOUNT}", None, dict)
    assert await last_stored(bus, Stream.ACCOUNT, SUBJECT, LOG) is None


async def test_a_request_that_can_never_succeed_is_not_retried(bus: Bus) -> None:
    with pytest.raises(Rejected):
        await last_stored(bus, Stream.ACCOUNT, "too.long." + "x" * 2**21, LOG)


async def test_a_venue_request_is_retried_until_there_is_a_response(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("producers.retry.RETRY_S", 0.001)
    monkeypatch.setattr("producers.retry.LOG_AFTER_S", 0.004)
    failures = [VenueUnreachable(f"attempt {number}") for number in range(4)]

    async def request() -> str:
        if failures:
            raise failures.pop(0)
        return "response"

    assert await retry(request, LOG) == "response"
    logged = [line for line in capsys.readouterr().err.splitlines() if "venue_no_response" in line]
    assert ["attempt 2" in logged[0], "attempt 3" in logged[1], len(logged)] == [True, True, 2]
