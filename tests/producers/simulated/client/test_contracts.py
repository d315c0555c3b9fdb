"""A venue that counts contracts: the wire has contracts, both ends have base currency."""

from contextlib import aclosing
from decimal import Decimal as D  # noqa: N817 - many literals read better
from pathlib import Path

import aiohttp
import msgspec
import pytest

from producers.simulated.app import RunningVenue
from producers.simulated.client.client import SimulatedVenue
from producers.simulated.settings import SettingsError, check
from schemas.units import ClientOrderId, Side
from schemas.venue.account import Position
from schemas.venue.orders import OrderReport, Trade
from tests.producers.conftest import NewClient, Serve
from tests.producers.simulated.examples import PERP, decision, perpetual_settings, recording_settings

SIZE = D("0.001")
A = ClientOrderId("a")


@pytest.fixture
async def counted(serve: Serve, tmp_path: Path) -> RunningVenue:
    symbol = perpetual_settings()
    rules = msgspec.structs.replace(symbol.instrument, contract_size=SIZE)
    symbols = (msgspec.structs.replace(symbol, instrument=rules),)
    return await serve(recording_settings(tmp_path, ["100 101 99 100.5"] * 2, symbols=symbols))


@pytest.fixture
async def client(counted: RunningVenue, new_client: NewClient) -> SimulatedVenue:
    return await new_client(counted.url)


async def wire(served: RunningVenue, resource: str) -> list[dict[str, str]]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{served.url}/api/{resource}", params={"symbol": PERP}) as response,
    ):
        found: list[dict[str, str]] = await response.json()
        return found


async def test_orders_are_in_contracts_on_the_wire_and_in_base_at_both_ends(
    client: SimulatedVenue, counted: RunningVenue
) -> None:
    report = await client.place(PERP, decision(Side.BUY, "90", quantity="2"))
    assert report.quantity == 2
    assert counted.venue.matching.open_orders(PERP)[0].quantity == 2
    (row,) = await wire(counted, "orders")
    assert (D(row["quantity"]), D(row["cumulative_quantity"])) == (D(2000), D(0))
    assert (await client.open_orders(PERP))[0].quantity == 2
    assert (await client.query(PERP, A)).quantity == 2
    assert (await client.cancel(PERP, A)).quantity == 2


async def test_trades_and_positions_too(client: SimulatedVenue, counted: RunningVenue) -> None:
    async with aclosing(client.account()) as account:
        await anext(account)
        await client.place(PERP, decision(Side.BUY, "101", quantity="2", post_only=False))
        events = [(await anext(account)).event for _ in range(4)]
    assert [type(each) for each in events] == [OrderReport, Trade, OrderReport, Position]
    assert [each.quantity for each in events if isinstance(each, Trade | Position)] == [2, 2]
    (trade,) = await wire(counted, "trades")
    assert (D(trade["quantity"]), trade["price"]) == (D(2000), "100.1")
    (position,) = await wire(counted, "positions")
    assert D(position["quantity"]) == 2000
    (own,) = await client.trades_since(PERP, 0)
    assert (own.quantity, own.fee) == (D(2), D("0.1001"))
    assert (await client.positions())[0].quantity == 2


def test_a_lot_has_to_be_whole_contracts(tmp_path: Path) -> None:
    symbol = perpetual_settings()
    rules = msgspec.structs.replace(symbol.instrument, contract_size=D("0.0003"))
    symbols = (msgspec.structs.replace(symbol, instrument=rules),)
    with pytest.raises(SettingsError, match="must be a multiple of contract_size"):
        check(recording_settings(tmp_path, ["100 101 99 100"] * 2, symbols=symbols))
