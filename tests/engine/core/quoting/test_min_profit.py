"""Levels that are not opened because a round trip of them earns nothing, or because they have one price."""

import msgspec

from engine.core.grid import Grid
from engine.core.orders.price_lattice import Lattice
from engine.core.quoting.quotes import market_in
from engine.core.quoting.quoting import openings
from schemas.engine.control import CommandName
from schemas.grid.view import NotQuoting
from schemas.units import ZERO, Side
from schemas.venue.decision_reasons import DecisionReason
from schemas.venue.orders import CancelOrder
from tests.engine.core.examples import (
    GEOMETRIC,
    LONG,
    NEUTRAL,
    PERPETUAL,
    D,
    added,
    command,
    levels,
    order,
    placed,
    started,
    state_of,
    step,
    ticker,
)

replace = msgspec.structs.replace
FEES = replace(PERPETUAL, maker_fee=D("0.0002"))
NARROW = replace(LONG, price_interval=D(1), min_profit=ZERO)


def test_a_level_whose_interval_is_below_the_fees_is_not_opened() -> None:
    # An interval of 1 pays fees of 2 * 0.02 % up to a price of 2499.
    assert len(placed(step(Grid(None, 0), added(NARROW, FEES), ticker(2000)))) == 3
    grid = Grid(None, 0)
    step(grid, added(NARROW, FEES), ticker(6000))
    assert grid.why_not_quoting() is NotQuoting.BELOW_MIN_PROFIT
    earlier = replace(NARROW, min_profit=None)
    assert len(placed(step(Grid(None, 0), added(earlier, FEES), ticker(6000)))) == 3


def test_each_level_is_judged_at_its_own_price() -> None:
    change = step(Grid(None, 0), added(replace(NARROW, mode=NEUTRAL.mode), FEES), ticker(2501))
    # At 2500 the fees of both sides are above 1, at 2499 they are 0.9998.
    assert levels(placed(change), Side.BUY) == [-2, -3]
    assert levels(placed(change), Side.SELL) == []


def test_a_round_trip_has_to_exceed_the_minimum_profit() -> None:
    # The nearest level, 990 to 1000, earns 1.0101 % less fees of 0.0402 %.
    for ratio, number in (("0.0096", 3), ("0.0097", 2), ("0.02", 0)):
        change = step(Grid(None, 0), added(replace(LONG, min_profit=D(ratio)), FEES), ticker(1000))
        assert len(placed(change)) == number


def test_a_raised_minimum_reaches_the_orders_that_are_out() -> None:
    grid = started(replace(LONG, min_profit=ZERO))
    change = step(grid, command(CommandName.SET, changes={"min_profit": "5%"}))
    cancels = [each for each in change.decisions if isinstance(each, CancelOrder)]
    assert [each.reason_code for each in cancels] == [DecisionReason.BELOW_MIN_PROFIT] * 3


def test_of_levels_with_one_price_one_is_opened_and_the_reason_is_named() -> None:
    # With 1 % from level to level and ticks of 1, six levels below 27 have the prices 26 and 25.
    rules = replace(PERPETUAL, tick_size=D(1))
    grid = Grid(None, 0)
    change = step(grid, added(replace(GEOMETRIC, buy_window=6), rules), ticker(27, bid=D(27), ask=D(28)))
    assert [each.price for each in placed(change)] == [D(26), D(25)]
    state, market = state_of(grid), market_in(state_of(grid))
    assert market is not None
    free = openings(state, Lattice(D(27), state.settings, rules), market, state.time)
    assert {each.blocker for each in free} == {NotQuoting.LEVELS_TOO_CLOSE}


def test_order_out_at_a_level_that_pays_stays() -> None:
    grid = started(replace(LONG, min_profit=ZERO))
    before = order(grid, -1).client_order_id
    grid.process([ticker("1001", 1)])
    assert order(grid, -1).client_order_id == before
