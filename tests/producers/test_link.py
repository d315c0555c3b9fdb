"""The connection to a venue: signs of life, pings in a quiet market, a venue that hangs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bus import Attention
from producers import link
from producers.link import LOST_AFTER_S, LinkMonitor
from producers.simulated.app import RunningVenue
from producers.simulated.client.client import SimulatedVenue
from tests.builders import SIM
from tests.producers.conftest import NewClient
from tests.producers.simulated.examples import PERP


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CHECK_S", "PING_AFTER_S", "LOST_AFTER_S"):
        monkeypatch.setattr(link, name, getattr(link, name) / 10)


@asynccontextmanager
async def running(monitor: LinkMonitor) -> AsyncIterator[None]:
    task = asyncio.create_task(monitor.run())
    yield
    task.cancel()
    await asyncio.wait([task])


async def test_each_answer_and_each_frame_is_a_sign_of_life(client: SimulatedVenue) -> None:
    monitor = LinkMonitor(client, SIM, Attention())
    await client.clock()
    first = monitor.link()
    async for _ in client.market([PERP]):
        break
    assert (first.connected, first.url) == (True, client.url)
    assert 0 < first.last_message_time < monitor.link().last_message_time


@pytest.mark.usefixtures("quick")
async def test_a_quiet_venue_is_pinged_and_stays_connected(
    served: RunningVenue, client: SimulatedVenue
) -> None:
    changes: list[bool] = []
    monitor = LinkMonitor(client, SIM, Attention(), on_change=lambda: changes.append(True))
    pings = asyncio.Queue[None]()

    def on_received() -> None:
        monitor.on_received()
        pings.put_nowait(None)

    client.on_received = on_received
    async with running(monitor), asyncio.timeout(10):
        for _ in range(4):
            await pings.get()
    assert monitor.link().connected
    assert not changes


@pytest.mark.usefixtures("quick")
async def test_a_venue_that_hangs_is_noticed_although_connections_stay_open(new_client: NewClient) -> None:
    hung = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hung.wait()
        writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        lost = asyncio.Event()
        client = await new_client(f"http://127.0.0.1:{port}", timeout_s=0.1)
        monitor = LinkMonitor(client, SIM, Attention(), on_change=lost.set)
        async with running(monitor), asyncio.timeout(10):
            await lost.wait()
            assert not monitor.link().connected
            assert "nothing was received yet" in monitor.link().detail
        hung.set()


def test_a_pause_of_this_process_is_no_silence_of_the_venue(client: SimulatedVenue) -> None:
    now = [0.0]
    monitor = LinkMonitor(client, SIM, Attention(lambda: now[0]), clock=lambda: now[0])
    monitor.on_received()
    now[0] = 14.0
    assert monitor.link().connected
    for _ in range(10):
        now[0] += LOST_AFTER_S / 10
        monitor.link()
    assert not monitor.link().connected
