"""The venue as a process of its own: starting, dying at any moment, and going on."""

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

from producers.ports import VenueError
from producers.simulated.app import SHUTDOWN_S, PortTaken
from producers.simulated.client.client import SimulatedVenue
from producers.simulated.server.store import StoreUnusable
from producers.simulated.settings import VenueSettings
from schemas.units import ClientOrderId, Side
from schemas.venue.orders import OrderReport
from tests.producers.conftest import NewClient, Serve
from tests.producers.simulated.examples import PERP, SIM, decision, new_settings, recorded

Books = dict[str, Any]


async def spawn(settings: VenueSettings, *arguments: str) -> Process:
    path = Path(settings.store).with_suffix(".json")
    path.write_bytes(msgspec.json.encode(settings))
    command = [sys.executable, "-m", "producers.simulated", "--settings", str(path), *arguments]
    return await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)


@asynccontextmanager
async def process(settings: VenueSettings, *arguments: str) -> AsyncIterator[tuple[Process, str]]:
    """Start a venue; give it and its address once it is ready."""
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
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 200
        return await answer.json()


async def drive(url: str, *, cycles: int) -> AsyncGenerator[OrderReport, None]:
    """Place, cancel and let the market move; yield what was answered. A venue that dies is no reason to stop."""
    async with SimulatedVenue(url, venue=SIM) as client, aclosing(client.market([PERP])) as market:
        await anext(market)
        for cycle in range(cycles):
            with suppress(VenueError):
                yield await client.place(PERP, decision(Side.BUY, "103", f"b{cycle}", post_only=False))
                yield await client.place(PERP, decision(Side.SELL, "104", f"s{cycle}", post_only=False))
                yield await client.cancel(PERP, ClientOrderId(f"s{cycle}"))
            await client.proceed()
            await anext(market)


async def drive_to_the_end(url: str) -> list[OrderReport]:
    async with aclosing(drive(url, cycles=25)) as answers:
        return [answer async for answer in answers]


def cash_holds(books: Books) -> bool:
    """Tell whether the wallet is what the trades say that it is."""
    wallet = next(w for w in books["wallets"] if w["asset"] == "USDT")
    flow = sum(
        ((-1 if t["side"] == "buy" else 1) * Decimal(t["price"]) * Decimal(t["quantity"]) - Decimal(t["fee"]))
        for t in books["trades"]
    )
    cost = sum(Decimal(holding["cost"]) for holding in books["holdings"])
    return Decimal(wallet["total"]) == Decimal(wallet["initial"]) + flow + cost


async def test_the_books_are_the_same_after_a_kill(tmp_path: Path) -> None:
    settings = new_settings(tmp_path)
    async with process(settings) as (child, url):
        await drive_to_the_end(url)
        before = await get(f"{url}/admin/books")
        child.kill()
        await child.wait()
    async with process(settings) as (_, url):
        after = await get(f"{url}/admin/books")

    assert before["trades"]
    assert after == before
    assert cash_holds(after)


async def test_whatever_was_answered_before_a_kill_is_in_the_books(tmp_path: Path) -> None:
    settings, known = new_settings(tmp_path), set[tuple[ClientOrderId, int]]()
    async with process(settings) as (child, url), aclosing(drive(url, cycles=10_000)) as answers:
        async for answer in answers:
            known.add((answer.client_order_id, int(answer.venue_order_id)))
            if len(known) == 30:
                child.kill()
                break
        await child.wait()
    async with process(settings) as (_, url):
        books = await get(f"{url}/admin/books")

    assert known <= {(o["client_order_id"], o["number"]) for o in books["orders"]}
    assert cash_holds(books)


async def test_a_client_goes_on_when_the_venue_comes_back(tmp_path: Path, unused_tcp_port: int) -> None:
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


async def test_the_same_requests_make_the_same_books(tmp_path: Path, serve: Serve) -> None:
    books = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        served = await serve(new_settings(tmp_path / name))
        await drive_to_the_end(served.url)
        books.append(await get(f"{served.url}/admin/books"))

    assert len(books[0]["trades"]) > 10
    assert books[0] == books[1]


async def test_a_signal_ends_it_cleanly_and_the_port_file_says_where_it_was(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    async with process(new_settings(tmp_path), "--port-file", str(port_file)) as (child, url):
        assert url.endswith(f":{port_file.read_text()}")
        child.send_signal(signal.SIGTERM)

        assert await child.wait() == 0


async def test_a_signal_ends_it_at_once_though_somebody_listens(tmp_path: Path) -> None:
    async with (
        process(new_settings(tmp_path)) as (child, url),
        SimulatedVenue(url, venue=SIM) as client,
        aclosing(client.account()) as account,
    ):
        await anext(account)
        child.send_signal(signal.SIGTERM)
        async with asyncio.timeout(SHUTDOWN_S / 2):
            assert await child.wait() == 0


async def test_the_market_of_a_process_moves_by_the_clock(tmp_path: Path) -> None:
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
        ({"symbols": ()}, "symbols: name at least one"),
        ({"store": "/proc/nowhere/venue.db"}, "cannot be written"),
    ],
)
async def test_what_keeps_it_from_starting_is_said_in_one_line(
    tmp_path: Path, changes: dict[str, object], why: str
) -> None:
    settings = new_settings(tmp_path)
    path = tmp_path / "settings.json"
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(settings, **changes)))
    child = await spawn(settings, "--settings", str(path))
    _, errors = await child.communicate()

    assert child.returncode == 1
    assert re.fullmatch(rf"error: .*{why}.*\n", errors.decode())


async def test_a_second_venue_on_the_same_store_is_refused(serve: Serve, tmp_path: Path) -> None:
    await serve(new_settings(tmp_path))

    with pytest.raises(StoreUnusable, match=f"process id {os.getpid()}"):
        await serve(new_settings(tmp_path))


async def test_a_port_that_is_taken_is_said(serve: Serve, tmp_path: Path, unused_tcp_port: int) -> None:
    (tmp_path / "other").mkdir()
    await serve(new_settings(tmp_path, port=unused_tcp_port))

    with pytest.raises(PortTaken, match=f"127.0.0.1:{unused_tcp_port}"):
        await serve(new_settings(tmp_path / "other", port=unused_tcp_port))


async def test_health_status_and_metrics_are_served(
    serve: Serve, new_client: NewClient, tmp_path: Path
) -> None:
    served = await serve(recorded(tmp_path, ["100 101 99 100"] * 3))
    client = await new_client(served.url)
    await client.place(PERP, decision(Side.BUY, "90"))
    health, status = await get(f"{served.url}/health"), await get(f"{served.url}/status")
    async with aiohttp.ClientSession() as session, session.get(f"{served.url}/metrics") as answer:
        metrics = await answer.text()

    assert health["status"] == "ok"
    assert status["market"]["progress"] == {"candle": 1, "of": 3}
    assert 'venue_open_orders{symbol="BTC/USDT:USDT"} 1.0' in metrics
    assert 'venue_requests_total{request="place",status="200"} 1.0' in metrics


async def test_a_venue_that_fails_ends(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = await serve(new_settings(tmp_path, speed=1.0, tick_interval=1))
    monkeypatch.setattr(type(served.venue.tape), "advance", lambda *_: 1 / 0)

    with pytest.raises(ExceptionGroup) as caught:
        await served.run()
    assert caught.group_contains(ZeroDivisionError)
