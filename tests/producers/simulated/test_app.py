"""The venue as a process: start, kill, resume, signals, status."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from bus.service.lifecycle import EXIT_PERMANENT
from producers.ports import VenueError
from producers.simulated.app import SHUTDOWN_S, PortTaken
from producers.simulated.client.client import SimulatedVenue
from producers.simulated.server.store import StoreUnusable
from producers.simulated.settings import VenueSettings
from schemas.units import ClientOrderId, Side
from schemas.venue.orders import OrderReport
from tests.builders import SIM
from tests.producers.conftest import NewClient, Serve
from tests.producers.simulated.examples import PERP, decision, new_settings, recording_settings

AccountHistory = dict[str, Any]
"""Body of GET /admin/books."""


async def spawn(settings: VenueSettings, *arguments: str) -> Process:
    path = Path(settings.store).with_suffix(".json")
    path.write_bytes(msgspec.json.encode(settings))
    command = [sys.executable, "-m", "producers.simulated", "--settings", str(path), *arguments]
    return await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)


@asynccontextmanager
async def process(settings: VenueSettings, *arguments: str) -> AsyncIterator[tuple[Process, str]]:
    """Start a venue process; yield it and its URL once it is ready."""
    child = await spawn(settings, *arguments)
    assert child.stdout is not None
    try:
        line = (await child.stdout.readline()).decode()
        assert line.startswith("ready "), line
        yield child, line.split()[1]
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.communicate()


async def get(url: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 200
        return await response.json()


async def drive(url: str, *, cycles: int) -> AsyncGenerator[OrderReport, None]:
    """Place, cancel and advance the market; yield the responses. Venue errors are ignored: the venue may be killed."""
    async with SimulatedVenue(url, venue=SIM) as client, aclosing(client.market([PERP])) as market:
        await anext(market)
        for cycle in range(cycles):
            with suppress(VenueError):
                yield await client.place(PERP, decision(Side.BUY, "103", f"b{cycle}", post_only=False))
                yield await client.place(PERP, decision(Side.SELL, "104", f"s{cycle}", post_only=False))
                yield await client.cancel(PERP, ClientOrderId(f"s{cycle}"))
            await client.proceed()
            await anext(market)


async def drive_25_cycles(url: str) -> list[OrderReport]:
    async with aclosing(drive(url, cycles=25)) as responses:
        return [response async for response in responses]


def is_cash_consistent(history: AccountHistory) -> bool:
    """Return whether the USDT wallet equals the cash flow of the trades."""
    wallet = next(w for w in history["wallets"] if w["asset"] == "USDT")
    flow = sum(
        ((-1 if t["side"] == "buy" else 1) * Decimal(t["price"]) * Decimal(t["quantity"]) - Decimal(t["fee"]))
        for t in history["trades"]
    )
    cost = sum(Decimal(holding["cost"]) for holding in history["holdings"])
    return Decimal(wallet["total"]) == Decimal(wallet["initial"]) + flow + cost


async def test_history_is_the_same_after_a_kill(tmp_path: Path) -> None:
    settings = new_settings(tmp_path)
    async with process(settings) as (child, url):
        await drive_25_cycles(url)
        before = await get(f"{url}/admin/books")
        child.kill()
        await child.wait()
    async with process(settings) as (_, url):
        after = await get(f"{url}/admin/books")

    assert before["trades"]
    assert after == before
    assert is_cash_consistent(after)


async def test_acknowledged_orders_survive_a_kill(tmp_path: Path) -> None:
    settings, acknowledged = new_settings(tmp_path), set[tuple[ClientOrderId, int]]()
    async with process(settings) as (child, url), aclosing(drive(url, cycles=10_000)) as responses:
        async for response in responses:
            acknowledged.add((response.client_order_id, int(response.venue_order_id)))
            if len(acknowledged) == 30:
                child.kill()
                break
        await child.wait()
    async with process(settings) as (_, url):
        history = await get(f"{url}/admin/books")

    assert acknowledged <= {(o["client_order_id"], o["number"]) for o in history["orders"]}
    assert is_cash_consistent(history)


async def test_client_reconnects_when_the_venue_restarts(tmp_path: Path, unused_tcp_port: int) -> None:
    settings = new_settings(tmp_path, port=unused_tcp_port)
    url = f"http://127.0.0.1:{unused_tcp_port}"
    async with SimulatedVenue(url, venue=SIM) as client, aclosing(client.market([PERP])) as market:
        async with process(settings):
            await anext(market)
            await client.proceed()
            first = await anext(market)
        await client.proceed()
        async with process(settings):
            updates = [await anext(market), await anext(market)]

    times = [event.time for update in [first, *updates] for event in update.events if hasattr(event, "bid")]
    assert times == sorted(set(times))


async def test_same_requests_give_the_same_history(tmp_path: Path, serve: Serve) -> None:
    histories = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        served = await serve(new_settings(tmp_path / name))
        await drive_25_cycles(served.url)
        histories.append(await get(f"{served.url}/admin/books"))

    assert len(histories[0]["trades"]) > 10
    assert histories[0] == histories[1]


async def test_port_is_written_and_sigterm_exits_cleanly(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    async with process(new_settings(tmp_path), "--port-file", str(port_file)) as (child, url):
        assert url.endswith(f":{port_file.read_text()}")
        child.send_signal(signal.SIGTERM)

        assert await child.wait() == 0


async def test_sigterm_exits_at_once_with_an_open_stream(tmp_path: Path) -> None:
    async with (
        process(new_settings(tmp_path)) as (child, url),
        SimulatedVenue(url, venue=SIM) as client,
        aclosing(client.account()) as account,
    ):
        await anext(account)
        child.send_signal(signal.SIGTERM)
        async with asyncio.timeout(SHUTDOWN_S / 2):
            assert await child.wait() == 0


async def test_market_advances_by_the_clock(tmp_path: Path) -> None:
    settings = new_settings(tmp_path, speed=1.0, tick_interval=1_000_000)
    async with (
        process(settings) as (_, url),
        SimulatedVenue(url, venue=SIM) as client,
        aclosing(client.market([PERP])) as market,
    ):
        updates = [await anext(market) for _ in range(5)]

    assert all(update.events for update in updates)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"symbols": ()}, "symbols: at least one is required"),
        ({"store": "/proc/nowhere/venue.db"}, "cannot be written"),
    ],
)
async def test_startup_error_is_one_line(tmp_path: Path, changes: dict[str, object], why: str) -> None:
    settings = new_settings(tmp_path)
    path = tmp_path / "settings.json"
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(settings, **changes)))
    child = await spawn(settings, "--settings", str(path))
    _, errors = await child.communicate()

    assert child.returncode == EXIT_PERMANENT
    assert re.fullmatch(rf"error: .*{why}.*\n", errors.decode())


async def test_second_venue_on_the_same_store_is_rejected(serve: Serve, tmp_path: Path) -> None:
    await serve(new_settings(tmp_path))

    with pytest.raises(StoreUnusable, match=f"process id {os.getpid()}"):
        await serve(new_settings(tmp_path))


async def test_port_in_use_is_reported(serve: Serve, tmp_path: Path, unused_tcp_port: int) -> None:
    (tmp_path / "other").mkdir()
    await serve(new_settings(tmp_path, port=unused_tcp_port))

    with pytest.raises(PortTaken, match=f"127.0.0.1:{unused_tcp_port}"):
        await serve(new_settings(tmp_path / "other", port=unused_tcp_port))


async def test_health_status_and_metrics_are_served(
    serve: Serve, new_client: NewClient, tmp_path: Path
) -> None:
    served = await serve(recording_settings(tmp_path, ["100 101 99 100"] * 3))
    client = await new_client(served.url)
    await client.place(PERP, decision(Side.BUY, "90"))
    health, status = await get(f"{served.url}/health"), await get(f"{served.url}/status")
    async with aiohttp.ClientSession() as session, session.get(f"{served.url}/metrics") as response:
        metrics = await response.text()

    assert health["status"] == "ok"
    assert status["market"]["progress"] == {"candle": 1, "of": 3}
    assert 'venue_open_orders{symbol="BTC/USDT:USDT"} 1.0' in metrics
    assert 'venue_requests_total{request="place",status="200"} 1.0' in metrics


async def test_failing_venue_stops(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = await serve(new_settings(tmp_path, speed=1.0, tick_interval=1))
    monkeypatch.setattr(type(served.venue.tape), "advance", lambda *_: 1 / 0)

    with pytest.raises(ExceptionGroup) as caught:
        await served.run()
    assert caught.group_contains(ZeroDivisionError)
