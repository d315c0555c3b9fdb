"""Position adoption: spread over levels, booked without a trade, or left as foreign."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.grid import Grid
from engine.core.startup.adoption import earlier_generations
from engine.core.step import Change
from engine.core.view import view
from schemas.engine.events import AlertRaised, Reconciled, ReconciliationFinding
from schemas.grid.settings import GridSettings
from schemas.grid.state import EarlierGenerations
from schemas.units import Side
from schemas.venue.account import Position
from schemas.venue.instruments import Instrument
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
    PERPETUAL,
    SPOT,
    D,
    accept_all,
    added,
    balance,
    fill,
    placed,
    position,
    state_of,
    step,
    stream,
    ticker,
)

CAREFUL = msgspec.structs.replace(NEUTRAL, preflight=True)
BUYING = msgspec.structs.replace(LONG, preflight=True)


def held(quantity: object, entry: str | int = 0) -> Position:
    return msgspec.structs.replace(position(str(quantity)), entry_price=D(entry))


def start(
    what: Position, settings: GridSettings = CAREFUL, instrument: Instrument = PERPETUAL
) -> tuple[Grid, Change]:
    grid = Grid(None, 0)
    step(grid, added(settings, instrument), ticker(1000))
    return grid, step(grid, stream(), balance(100_000), what)


def holdings(grid: Grid) -> dict[int, str]:
    return {level: str(slot.held) for level, slot in state_of(grid).slots.items() if slot.held}


def test_long_position_is_spread_upwards_and_sold_level_by_level() -> None:
    grid, change = start(held("0.1"))
    assert holdings(grid) == {0: "0.033", 1: "0.033", 2: "0.034"}
    closings = {each.level: (each.price, each.quantity) for each in placed(change) if not each.opens}
    assert closings == {0: (D(1010), D("0.033")), 1: (D(1020), D("0.033")), 2: (D(1030), D("0.034"))}
    assert all(each.reduce_only for each in placed(change) if not each.opens)


def test_short_position_is_spread_downwards() -> None:
    grid, change = start(held("-0.1"))
    assert holdings(grid) == {-2: "-0.034", -1: "-0.033", 0: "-0.033"}
    assert {each.side for each in placed(change) if not each.opens} == {Side.BUY}


def test_fewer_levels_when_the_parts_would_be_too_small() -> None:
    grid, _ = start(held("0.011"))
    assert holdings(grid) == {0: "0.005", 1: "0.006"}


def test_small_position_goes_to_one_level() -> None:
    assert holdings(start(held("0.006"))[0]) == {0: "0.006"}


def test_position_is_booked_at_the_market_price_and_the_entry_price_is_kept() -> None:
    grid, change = start(held("0.3", entry=990))
    found = view(state_of(grid), 1)
    assert (found.position, found.cash, found.total_profit) == (D("0.3"), D("-300.0"), D(0))
    (notice,) = [each for each in change.notices if isinstance(each, Reconciled)]
    assert notice.finding is ReconciliationFinding.POSITION_ADOPTED
    assert notice.action == (
        "0.3 held before the start: spread over 3 levels from 0 to 2, booked at the price of 1000; "
        "the venue's entry price is 990"
    )


def test_position_without_entry_price_is_booked_at_the_market_price() -> None:
    grid, change = start(held("0.3"))
    assert view(state_of(grid), 1).total_profit == 0
    assert "booked at the price of 1000" in next(
        e.action for e in change.notices if isinstance(e, Reconciled)
    )


def test_closing_an_adopted_position_books_the_profit_since_adoption() -> None:
    grid, _ = start(held("0.3", entry=990))
    accept_all(grid)
    change = fill(grid, 0)
    assert change.fills[0].grid_profit == D("0.1") * 10 - D("0.02")
    assert (change.fills[0].opens, change.fills[0].position) == (False, D("0.2"))


@pytest.mark.parametrize(
    ("what", "settings", "instrument", "why"),
    [
        (held("-0.3"), BUYING, PERPETUAL, "cannot hold a short position"),
        (held("0.004"), CAREFUL, PERPETUAL, "minimum order of 0.005"),
        (held("0.3"), msgspec.structs.replace(CAREFUL, adopt_position=False), PERPETUAL, "is off"),
        (held("0.3"), BUYING, SPOT, "is off"),
    ],
    ids=["short", "dust", "off", "spot"],
)
def test_position_that_is_not_adopted_is_foreign(
    what: Position, settings: GridSettings, instrument: Instrument, why: str
) -> None:
    grid, change = start(what, settings, instrument)
    assert not holdings(grid)
    assert why in next(each.detail for each in change.notices if isinstance(each, AlertRaised))
    assert state_of(grid).foreign_position == (what.quantity if instrument is PERPETUAL else 0)


def test_spot_position_is_adopted_on_request() -> None:
    grid, change = start(held("0.3"), msgspec.structs.replace(BUYING, adopt_position=True), SPOT)
    assert holdings(grid) == {0: "0.100", 1: "0.100", 2: "0.100"}
    assert not any(each.reduce_only for each in placed(change))


def test_short_levels_below_zero_are_cut() -> None:
    wide = msgspec.structs.replace(CAREFUL, buy_window=2, price_interval=D(450), order_amount=D(500))
    deep = msgspec.structs.replace(wide, buy_window=3)
    assert holdings(start(held("-0.9"), wide)[0]) == {-1: "-0.450", 0: "-0.450"}
    grid = Grid(None, 0)
    step(grid, added(deep), ticker(1000))
    step(grid, stream(), balance(100_000), held("-0.9"))
    assert "buy_window of at most 2" in view(state_of(grid), 1).not_quoting_detail


def test_venue_position_matches_after_adoption() -> None:
    grid, _ = start(held("0.3"))
    accept_all(grid)
    assert grid.process([held("0.3")]) is None
    step(grid, held("0.5"))
    assert state_of(grid).foreign_position == D("0.2")


def test_difference_after_a_first_trade_is_not_foreign() -> None:
    grid, _ = start(held("0.3"))
    accept_all(grid)
    fill(grid, 0)
    accept_all(grid)
    step(grid, held("0.5"))
    assert (state_of(grid).foreign_position, state_of(grid).position_gap) == (D(0), D("0.3"))


@given(lots=st.integers(-3000, 3000), entry=st.sampled_from([0, 970, 1030]))
def test_parts_add_up_and_can_be_closed(lots: int, entry: int) -> None:
    grid, _ = start(held(lots * PERPETUAL.lot_size, entry))
    state = state_of(grid)
    parts = [slot.held for slot in state.slots.values() if slot.held]
    assert sum(parts) == state.accounts.adopted == state.accounts.position
    assert state.accounts.adopted + state.foreign_position == lots * PERPETUAL.lot_size
    lowest = (
        1000 if lots > 0 else 970
    )  # a long position is sold above the anchor, a short one bought below it
    assert all(abs(part) * lowest >= PERPETUAL.minimum_notional for part in parts)
    found = view(state, 1, D(985))
    assert found.total_profit == found.grid_profit + found.unpaired_profit - state.accounts.unmatched_fees


def added_again(what: Position, profit: int, kept: str, price: int) -> Grid:
    """Return a grid whose earlier generation made a profit and left a position, marked at a price."""
    earlier = EarlierGenerations(profit=D(profit), position=D(kept), price=D(price))
    grid = Grid(None, 0)
    step(grid, msgspec.structs.replace(added(CAREFUL), earlier=earlier), ticker(1000))
    step(grid, stream(), balance(100_000), what)
    return grid


def test_profit_of_the_earlier_generations_is_kept_beside_the_new_one() -> None:
    found = view(state_of(added_again(held("0"), 70, "0", 990)), 1)
    assert (found.total_profit, found.earlier_profit) == (D(0), D(70))


@pytest.mark.parametrize(("entry", "adopted_at"), [(980, 1000), (0, 1000)])
def test_a_position_that_is_adopted_again_counts_once(entry: int, adopted_at: int) -> None:
    found = view(state_of(added_again(held("0.3", entry), 70, "0.3", 990)), 1)
    assert found.total_profit == D("0.3") * (1000 - adopted_at)
    assert found.earlier_profit + found.total_profit == 70 + D("0.3") * (1000 - 990)


def test_a_position_of_the_other_side_is_not_that_of_the_earlier_generation() -> None:
    assert view(state_of(added_again(held("-0.3", 980), 70, "0.3", 990)), 1).earlier_profit == 70


def test_the_result_of_all_generations_is_handed_on() -> None:
    state = state_of(added_again(held("0.3", 980), 70, "0.3", 990))
    handed_on = earlier_generations(state)
    assert (handed_on.profit, handed_on.position, handed_on.price) == (D(73), D("0.3"), D(1000))


def test_parts_are_worth_at_most_the_order_amount() -> None:
    grid, _ = start(held("5"))
    parts = holdings(grid)
    assert len(parts) == 50
    assert max(map(D, parts.values())) * 1000 <= BUYING.order_amount
    assert sum(map(D, parts.values())) == 5


def test_a_stop_counts_from_the_adoption() -> None:
    """Entry 1500, price 1000, stop_loss 100: what was lost before is not the grid's."""
    grid, _ = start(held("0.3", entry=1500), msgspec.structs.replace(BUYING, stop_loss=D(100)))
    grid.process([ticker(1000, 1)])
    assert state_of(grid).halt is None
    assert state_of(grid).accounts.adopted_entry_price == 1500


def test_a_new_grid_leaves_a_position_alone_unless_asked() -> None:
    settings = msgspec.structs.replace(BUYING, adopt_position=False)
    grid, _ = start(held("0.3"), settings)
    assert not holdings(grid)
    assert state_of(grid).foreign_position == D("0.3")
