"""`opensqt cancel-all` against a running simulated venue, without bus, engine and gateway."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from bus.runtime import time_ns
from cli.commands import cancel_all as command
from cli.commands.cancel_all import Options, cancel_all
from cli.config.file import DEFAULT_FILE, load
from cli.errors import CommandError
from cli.stack.data_dir import DataDir
from producers.simulated.app import RunningVenue, serving
from producers.simulated.client.client import SimulatedVenue
from schemas.units import MILLISECOND_NS, ClientOrderId, Side, Symbol, VenueId
from schemas.venue.order_ids import order_id
from schemas.venue.orders import PlaceOrder
from tests.builders import SIM

BTC, SOL = Symbol("BTC/USDT:USDT"), Symbol("SOL/USDT")


@pytest.fixture
async def venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningVenue]:
    monkeypatch.setattr(command, "RECHECK_S", 0.0)
    monkeypatch.setattr("cli.emergency.venue_exit.FILL_S", 0.3)
    settings = msgspec.structs.replace(
        load(DEFAULT_FILE).venue, store=str(tmp_path / "venue.sqlite"), tick_interval=50 * MILLISECOND_NS
    )
    async with serving(settings) as running:
        advancing = asyncio.create_task(running.run())
        yield running
        advancing.cancel()


@pytest.fixture
async def client(venue: RunningVenue) -> AsyncIterator[SimulatedVenue]:
    async with SimulatedVenue(venue.url, venue=SIM) as client:
        yield client


async def run(venue: RunningVenue, **options: object) -> int:
    chosen = Options(SIM, DEFAULT_FILE, venue_url=venue.url, instance="sqt")
    return await cancel_all(chosen._replace(**options))  # type: ignore[arg-type] # by name


async def place(
    client: SimulatedVenue, symbol: Symbol, name: str, side: Side, price: str, quantity: str
) -> None:
    order = PlaceOrder(
        client_order_id=ClientOrderId(name),
        side=side,
        price=Decimal(price),
        quantity=Decimal(quantity),
        post_only=False,
        reduce_only=False,
        level=0,
    )
    await client.place(symbol, order, time_ns())


async def test_only_orders_of_this_instance_are_canceled(
    venue: RunningVenue, client: SimulatedVenue, capsys: pytest.CaptureFixture[str]
) -> None:
    own = order_id("sqt", BTC, 1, -1, Side.BUY, 1)
    other = order_id("abc", BTC, 1, -1, Side.BUY, 1)
    for name in (own, other, "by-hand"):
        await place(client, BTC, name, Side.BUY, "30000", "0.001")
    assert await run(venue) == 1
    assert len(await client.open_orders(BTC)) == 3
    assert await run(venue, yes=True) == 0
    assert {each.client_order_id for each in await client.open_orders(BTC)} == {other, "by-hand"}
    out = capsys.readouterr().out
    assert "BTC/USDT:USDT: cancel 1 orders, leave 2 of others, among them of the instances abc (1)" in out
    assert "nothing was done" in out


@pytest.mark.parametrize(
    ("symbol", "left"),
    # On spot the fees of 0.1 % are taken from the 0.6 bought: of 0.4995 own ones, whole lots of 0.499 are sold.
    [(BTC, "0.1"), (SOL, "0.1004")],
)
async def test_flatten_closes_what_own_orders_have_bought(
    venue: RunningVenue, client: SimulatedVenue, symbol: Symbol, left: str
) -> None:
    price = "90000" if symbol == BTC else "200"
    await place(client, symbol, order_id("sqt", symbol, 1, 0, Side.BUY, 1), Side.BUY, price, "0.5")
    await place(client, symbol, "by-hand", Side.BUY, price, "0.1")
    assert await run(venue, flatten=True) == 1
    assert await run(venue, flatten=True, yes=True) == 0
    held = {each.symbol: each.quantity for each in await client.positions()}
    assert held[symbol] == Decimal(left)
    assert await run(venue, flatten=True, yes=True) == 0


async def test_orders_that_come_back_name_the_engine(
    venue: RunningVenue,
    client: SimulatedVenue,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await place(client, BTC, order_id("sqt", BTC, 1, -1, Side.BUY, 1), Side.BUY, "30000", "0.001")
    monkeypatch.setattr(command, "RECHECK_S", 1.0)
    running = asyncio.create_task(run(venue, yes=True))
    while await client.open_orders(BTC):  # noqa: ASYNC110 - the venue is polled
        await asyncio.sleep(0.01)
    await place(client, BTC, order_id("sqt", BTC, 1, -1, Side.BUY, 2), Side.BUY, "30000", "0.001")
    assert await running == 1
    assert "1 orders are open again: an engine still runs" in capsys.readouterr().out


async def test_an_unknown_venue_and_one_that_does_not_answer_are_errors(
    venue: RunningVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CommandError, match="has no venue sin; did you mean sim"):
        await cancel_all(Options(VenueId("sin"), DEFAULT_FILE))
    monkeypatch.setattr("cli.emergency.venue_exit.RETRY_S", 0.01)
    with pytest.raises(CommandError, match=r"the venue sim at http://127\.0\.0\.1:9: "):
        await cancel_all(Options(SIM, DEFAULT_FILE, venue_url="http://127.0.0.1:9", instance="sqt"))


async def test_the_instance_is_that_of_the_last_run_in_the_data_directory(
    venue: RunningVenue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    DataDir(tmp_path).write_instance("k3f")
    await run(venue, instance=None, data_dir=tmp_path)
    assert "instance k3f" in capsys.readouterr().out


async def test_an_unknown_instance_is_asked_for(venue: RunningVenue, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="name it with --instance"):
        await run(venue, instance=None, data_dir=tmp_path)
