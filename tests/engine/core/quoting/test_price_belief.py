"""Which prices are believed, and at which price stops are judged."""

import msgspec
import pytest

from engine.core.grid import Grid
from schemas.codec import encode
from schemas.grid.settings import StopPrice
from schemas.grid.state import GridState
from schemas.grid.view import NotQuoting
from schemas.venue.decision_reasons import DecisionReason
from schemas.venue.market import Ticker
from schemas.venue.orders import CancelOrder
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
    D,
    accept_all,
    canceled,
    end,
    fill,
    order,
    placed,
    risks,
    silence,
    started,
    state_of,
    step,
    ticker,
)

replace = msgspec.structs.replace
CAREFUL = replace(LONG, max_price_jump=D("0.1"), stop_loss=D(5))


def held() -> Grid:
    grid = started(CAREFUL)
    fill(grid, -1)
    accept_all(grid)
    return grid


def jumped(seconds: float, price: str = "899", mark: str = "0") -> Ticker:
    return replace(ticker(price, seconds), mark=D(mark))


def test_one_tick_far_away_moves_nothing() -> None:
    grid = held()
    center = state_of(grid).center
    change = step(grid, jumped(1))
    assert not change.decisions
    assert not risks(change)
    assert (state_of(grid).price, state_of(grid).center) == (D(1000), center)
    step(grid, ticker(1000, 2))
    assert state_of(grid).doubted_price == 0
    assert state_of(grid).halt is None


def test_a_second_tick_confirms_a_jump() -> None:
    grid = held()
    step(grid, jumped(1))
    change = step(grid, jumped(2, "895"))
    assert risks(change)[0] == ("stop_loss", True)
    assert state_of(grid).price == 895


def test_the_same_tick_does_not_confirm_itself() -> None:
    grid = held()
    step(grid, jumped(1))
    assert grid.process([jumped(1)]) is None
    assert grid.process([silence(1.5)]) is None
    assert state_of(grid).halt is None


def test_two_jumps_to_different_prices_confirm_nothing() -> None:
    grid = held()
    for second, price in enumerate(("800", "1200", "600", "1500"), start=1):
        step(grid, jumped(second, price))
    assert (state_of(grid).halt, state_of(grid).price) == (None, D(1000))


def test_the_mark_price_confirms_a_jump_at_once() -> None:
    grid = held()
    assert risks(step(grid, jumped(1, mark="901")))[0] == ("stop_loss", True)


def test_a_mark_price_that_disagrees_does_not() -> None:
    grid = held()
    assert not risks(step(grid, jumped(1, mark="1000")))


def test_a_price_within_the_limit_needs_no_confirmation() -> None:
    grid = held()
    assert risks(step(grid, ticker(900, 1)))[0] == ("stop_loss", True)


def test_without_a_limit_every_price_is_believed() -> None:
    grid = started(replace(LONG, stop_below_price=D(950)))
    assert risks(step(grid, ticker(500, 1)))[0] == ("stop_below_price", True)


def test_a_doubted_price_survives_a_restart() -> None:
    grid = held()
    step(grid, jumped(1))
    again = Grid(msgspec.json.decode(encode(state_of(grid)), type=GridState), grid.step)
    assert risks(step(again, jumped(2)))[0] == ("stop_loss", True)


@pytest.mark.parametrize(
    ("stop_on", "mark", "fires"),
    [
        (StopPrice.LAST, "0", True),
        (StopPrice.MID, "0", False),
        (StopPrice.MARK, "0", False),
        (StopPrice.MARK, "949", True),
        (StopPrice.MID, "949", False),
    ],
)
def test_stops_are_judged_at_the_chosen_price(stop_on: StopPrice, mark: str, *, fires: bool) -> None:
    grid = started(replace(LONG, stop_below_price=D(950), stop_on=stop_on))
    print_below = replace(ticker(949, 1, bid=D(940), ask=D(985)), mark=D(mark))
    change = step(grid, print_below)
    assert bool(risks(change)) is fires


def test_a_market_without_bids_and_asks_is_not_quoted() -> None:
    grid = started(NEUTRAL)
    empty = ticker(1000, 1, bid=D(0), ask=D(0))
    change = step(grid, empty)
    cancels = [each for each in change.decisions if isinstance(each, CancelOrder)]
    assert {each.reason_code for each in cancels} == {DecisionReason.EMPTY_BOOK}
    assert len(cancels) == 6
    end(grid, *canceled(change))
    assert grid.why_not_quoting() is NotQuoting.EMPTY_BOOK
    assert len(placed(step(grid, ticker(1000, 2, bid=D(999), ask=D(0))))) == 6


def test_closing_orders_stay_in_a_market_without_bids_and_asks() -> None:
    grid = held()
    change = step(grid, ticker(1000, 1, bid=D(0), ask=D(0)))
    assert order(grid, -1).client_order_id not in canceled(change)
