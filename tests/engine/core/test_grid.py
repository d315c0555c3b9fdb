"""Steps of a grid: what makes one, its contents, and its reproduction from its causes."""

from decimal import localcontext

import msgspec
import pytest

from engine.core.grid import Grid
from schemas.codec import encode
from schemas.engine.control import CommandName
from schemas.engine.journal import AheadOfClock, Input
from schemas.grid.state import GridState
from schemas.venue.account import Balance
from schemas.venue.market import Candle, ClockRead
from schemas.venue.orders import OrderStatus
from tests.builders import BTC, SIM
from tests.engine.core.examples import (
    GEOMETRIC,
    LONG,
    D,
    added,
    at,
    candle,
    command,
    fill,
    order,
    placed,
    report,
    silence,
    slot,
    started,
    state_of,
    step,
    ticker,
    trade,
)

replace = msgspec.structs.replace

UNUSED_INPUTS: list[Input] = [
    Candle(
        venue=SIM,
        symbol=BTC,
        interval="1m",
        open_time=0,
        open=D(1),
        high=D(1),
        low=D(1),
        close=D(1),
        volume=D(1),
        closed=True,
        time=at(9),
    ),
    ClockRead(venue=SIM, time=at(9), received_time=at(9)),
    Balance(
        venue=SIM,
        asset="USDT",
        total=D(1),
        free=D(1),
        margin_balance=D(1),
        unrealized_pnl=D(0),
        time=at(9),
    ),
]


def restored(grid: Grid) -> Grid:
    """Return the grid restored from its encoded state."""
    return Grid(msgspec.json.decode(encode(state_of(grid)), type=GridState), grid.step)


def test_first_step_adds_the_symbol() -> None:
    grid = Grid(None, 0)
    change = step(grid, added())
    assert (change.step, change.causes, change.decisions) == (1, (added(),), ())
    assert state_of(grid).settings == LONG
    assert state_of(grid).anchor is None


def test_inputs_before_the_symbol_is_added_are_ignored() -> None:
    grid = Grid(None, 0)
    assert grid.process([ticker(1000), command(CommandName.PAUSE)]) is None
    assert grid.state is None
    assert step(grid, added()).causes == (added(),)


def test_repeated_symbol_added_is_ignored() -> None:
    grid = started()
    assert grid.process([added()]) is None


def test_first_price_is_the_anchor() -> None:
    grid = Grid(None, 0)
    step(grid, added())
    change = step(grid, ticker("1000.06", 3))
    state = state_of(grid)
    assert (change.step, state.anchor, state.center, state.price) == (2, D("1000.1"), 0, D("1000.06"))
    assert (state.accounts.first_price, state.accounts.first_time) == (D("1000.06"), at(3))
    assert len(placed(change)) == 3


def test_anchor_is_at_least_one_tick() -> None:
    grid = Grid(None, 0)
    step(grid, added(), ticker("0.01", bid=D("0.01"), ask=D("0.02")))
    assert state_of(grid).anchor == D("0.1")


def test_anchor_survives_a_restart() -> None:
    grid = restored(started())
    step(grid, ticker(1050))
    assert state_of(grid).anchor == 1000
    assert state_of(grid).center == 5


def test_tick_within_the_level_makes_no_step() -> None:
    grid = started()
    assert grid.process([ticker("1004.9", 1)]) is None
    assert grid.process([ticker("995.1", 2)]) is None


def test_tick_at_another_level_makes_a_step() -> None:
    grid = started()
    grid.process([ticker(1001)])
    change = step(grid, ticker(1005, 1))
    assert (change.causes, state_of(grid).center) == ((ticker(1005, 1),), 1)


def test_ticker_without_a_price_is_ignored() -> None:
    grid = started()
    assert grid.process([ticker(0, bid=D(0), ask=D(0))]) is None
    fill(grid, -1)
    assert state_of(grid).price == 1000


def test_only_the_newest_ticker_counts() -> None:
    grid = started()
    assert grid.process([ticker(1050), ticker(1001, 1)]) is None


def test_ticker_without_a_step_is_a_cause_of_the_next() -> None:
    grid = started()
    grid.process([ticker(1003, 4)])
    bought = trade(order(grid, -1))
    change = step(grid, bought)
    assert change.causes == (ticker(1003, 4), bought)
    assert (state_of(grid).price, change.time) == (D(1003), at(4))


def test_ticker_is_a_cause_once() -> None:
    grid = started()
    step(grid, ticker(1010))
    bought = trade(order(grid, -1), "0.01")
    assert step(grid, bought).causes == (bought,)


def test_ignored_input_is_not_a_cause() -> None:
    grid = started()
    known = report(order(grid, -1).client_order_id, OrderStatus.NEW, seconds=50)
    new = trade(order(grid, -1), "0.01")
    change = step(grid, known, new)
    assert (change.causes, change.time) == ((new,), at(0))


def test_causes_reproduce_the_step() -> None:
    grid = started()
    grid.process([ticker(1003, 4)])
    replica = restored(grid)
    change = step(grid, trade(order(grid, -1)), silence(9))
    assert replica.process(change.causes) == change
    assert encode(state_of(replica)) == encode(state_of(grid))


def test_time_never_decreases() -> None:
    grid = started()
    step(grid, ticker(1010, 9))
    assert step(grid, ticker(1020, 3)).time == at(9)


def test_not_placed_report_does_not_advance_time() -> None:
    grid = started()
    not_placed = report(order(grid, -1).client_order_id, OrderStatus.NOT_PLACED, seconds=99)
    assert step(grid, not_placed).time == at(0)


@pytest.mark.parametrize("event", UNUSED_INPUTS, ids=lambda event: type(event).__name__)
def test_unused_input_makes_no_step(event: Input) -> None:
    assert started().process([event]) is None


def test_silence_alone_makes_no_step() -> None:
    assert started().process([silence(100)]) is None


def test_decisions_to_cancel_come_before_those_to_place() -> None:
    change = step(started(), ticker(1010))
    assert [type(each).__name__ for each in change.decisions] == ["CancelOrder", "PlaceOrder"]


def test_steps_are_numbered() -> None:
    grid = started()
    before = grid.step
    assert step(grid, ticker(1010)).step == before + 1 == grid.step


def test_ticker_before_the_symbol_is_not_kept() -> None:
    grid = Grid(None, 0)
    grid.process([ticker(1000)])
    step(grid, added())
    assert grid.process([command(CommandName.RESUME)]) is not None
    assert state_of(grid).price is None


def test_decimal_context_of_the_caller_does_not_matter() -> None:
    grid = started()
    replica = restored(grid)
    change = step(grid, ticker(1010))
    with localcontext(prec=6):
        assert replica.process([ticker(1010)]) == change


def test_an_order_event_with_a_time_ahead_counts_at_the_time_it_was_received() -> None:
    grid = started()
    ahead = replace(trade(order(grid, -1)), time=at(3600))
    change = step(grid, AheadOfClock(event=ahead, received_time=at(2)))
    assert [each.trade_id for each in change.fills] == [ahead.trade_id]
    assert state_of(grid).time == at(2)
    assert grid.process([ahead]) is None  # booked once, whatever its time
    late = report(order(grid, -2).client_order_id, OrderStatus.EXPIRED, seconds=7200)
    step(grid, AheadOfClock(event=late, received_time=at(3)))
    assert state_of(grid).time == at(3)
    assert slot(grid, -2).quiet_until == at(4)


@pytest.mark.parametrize("wrong", ["NaN", "Infinity", "0", "-5"])
def test_a_candle_with_a_wrong_price_is_ignored(wrong: str) -> None:
    sizing = replace(GEOMETRIC, volatility_scale=D(1), dynamic_quantity=True, atr_window=1)
    grid = started(sizing)
    step(grid, candle(BTC, 1, 1000))
    broken = candle(BTC, 2, 1000)
    assert grid.process([replace(broken, low=D(wrong), close=D(wrong))]) is None
    assert state_of(grid).volatility.close == 1000
    step(grid, candle(BTC, 3, 1000))


@pytest.mark.parametrize("wrong", ["NaN", "Infinity", "-5"])
@pytest.mark.parametrize("field", ["bid", "ask", "last", "mark"])
def test_a_ticker_with_a_wrong_price_is_ignored(wrong: str, field: str) -> None:
    grid = started()
    broken = replace(ticker(900, 1), **{field: D(wrong)})
    assert grid.process([broken]) is None
    assert grid.process([broken, command(CommandName.PAUSE)]) is not None
    assert state_of(grid).price == 1000
