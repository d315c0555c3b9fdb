"""Fees in the base currency on spot: what a slot holds is what the account received."""

import msgspec

from engine.core.grid import Grid
from engine.core.view import view
from schemas.engine.control import CommandName
from schemas.grid.settings import GridSettings
from schemas.grid.view import SlotStatus
from schemas.units import Side
from schemas.venue.fees import base_fee, fee_in_quote
from schemas.venue.orders import OrderStatus
from tests.engine.core.examples import (
    BASE_FEES,
    LONG,
    SPOT,
    D,
    accept_all,
    command,
    order,
    placed,
    report,
    slot,
    started,
    state_of,
    step,
    ticker,
    trade,
)

ONE = msgspec.structs.replace(LONG, buy_window=1)


def bought(settings: GridSettings = ONE) -> Grid:
    """Return a grid that bought 0.101 at 990 and received 0.100899 of it."""
    grid = started(settings, instrument=BASE_FEES)
    buy = order(grid, -1)
    step(grid, trade(buy, fee="0.000101", fee_asset="BTC", symbol=BASE_FEES.symbol))
    return grid


def test_a_slot_holds_what_was_received_and_sells_whole_lots_of_it() -> None:
    grid = bought()
    assert slot(grid, -1).held == state_of(grid).accounts.position == D("0.100899")
    assert order(grid, -1).side is Side.SELL
    assert order(grid, -1).quantity == D("0.100")


def test_cost_and_total_are_those_of_a_fee_in_quote() -> None:
    accounts, held = state_of(bought()).accounts, slot(bought(), -1)
    assert accounts.fees == D("0.099990")
    assert accounts.cash - accounts.fees == -D("0.101") * 990
    assert held.cost + held.entry_fees == D("0.101") * 990


def test_the_rest_of_a_sale_is_dust_and_the_round_trip_has_ended() -> None:
    grid = bought()
    change = step(grid, trade(order(grid, -1), fee="0.1", fee_asset="USDT", symbol=BASE_FEES.symbol))
    (sold,) = change.fills
    assert slot(grid, -1).held == D("0.000899")
    assert sold.round_trip is not None
    assert state_of(grid).accounts.closed_pairs == 1
    assert [each.side for each in placed(change)] == [Side.BUY]
    seen = view(state_of(grid), grid.step)
    assert seen.dust == D("0.000899")
    assert [each.status for each in seen.slots if each.slot_id == -1] == [SlotStatus.OPEN]


def test_dust_is_sold_with_later_purchases() -> None:
    grid = bought()
    for _ in range(2):
        step(grid, trade(order(grid, -1), fee="0.1", fee_asset="USDT", symbol=BASE_FEES.symbol))
        accept_all(grid)
        step(grid, trade(order(grid, -1), fee="0.000101", fee_asset="BTC", symbol=BASE_FEES.symbol))
    # After the second sale, of 0.101, 0.000798 were left.
    assert slot(grid, -1).held == D("0.000798") + D("0.100899")
    assert order(grid, -1).quantity == D("0.101")


def test_a_fee_of_a_sale_in_base_is_left_for_it() -> None:
    """BNB is bought and sold with fees in BNB: what is sold leaves enough to pay the fee."""
    instrument = msgspec.structs.replace(SPOT, fee_asset="BTC", maker_fee=D("0.001"), taker_fee=D("0.001"))
    grid = started(ONE, instrument=instrument)
    step(grid, trade(order(grid, -1), fee="0", fee_asset="BTC", symbol=SPOT.symbol))
    assert order(grid, -1).quantity == D("0.100")
    step(grid, trade(order(grid, -1), fee="0.0001", fee_asset="BTC", symbol=SPOT.symbol))
    assert slot(grid, -1).held == D("0.0009")


def test_a_fee_of_a_sale_that_a_slot_lacks_is_taken_from_another_slot() -> None:
    grid = bought(LONG)
    accept_all(grid)
    step(grid, trade(order(grid, -2), fee="0", fee_asset="USDT", symbol=SPOT.symbol))
    first = order(grid, -1)
    for name, quantity, fee in (("a", "0.100", "0.001"),):
        step(grid, trade(first, quantity, fee=fee, fee_asset="BTC", name=name, symbol=SPOT.symbol))
    assert slot(grid, -1).held == 0
    assert slot(grid, -2).held == D("0.102") - D("0.000101")


def test_flattening_sells_what_was_received() -> None:
    grid = bought()
    accept_all(grid)
    change = step(grid, command(CommandName.FLATTEN))
    assert not placed(change)
    change = step(grid, report(order(grid, -1).client_order_id, OrderStatus.CANCELED), ticker(990, 1))
    (sale,) = placed(change)
    assert sale.quantity == D("0.100")


def test_a_fee_in_base_on_a_contract_is_a_value_only() -> None:
    grid = started(ONE)
    charged = trade(order(grid, -1), fee="0.0001", fee_asset="BTC")
    assert base_fee(charged) == 0
    step(grid, charged)
    assert slot(grid, -1).held == D("0.101")
    assert state_of(grid).accounts.fees == fee_in_quote(charged) == D("0.099")
