"""Steps of earlier versions: what is converted, and that a grid keeps its settings."""

import msgspec

from engine.core.grid import Grid
from engine.core.guards.margin_lock import is_locked
from engine.core.upgrade import upgraded
from schemas.engine.journal import Step
from schemas.formats import STATE_VERSION
from schemas.units import Side
from tests.builders import STEP
from tests.engine.core.examples import (
    LONG,
    PERPETUAL,
    at,
    fill,
    levels,
    placed,
    started,
    state_of,
    step,
    ticker,
)
from tests.golden.recorded import old_messages


def of_version_2(grid: Grid) -> Step:
    return msgspec.structs.replace(STEP, step=grid.step, state=state_of(grid), state_version=2)


def test_a_present_step_is_unchanged() -> None:
    present = msgspec.structs.replace(STEP, state_version=STATE_VERSION)
    assert upgraded(present) is present


def test_the_margin_lock_of_both_sides_becomes_one_of_each() -> None:
    grid = started()
    state_of(grid).margin_locked_until = at(20)
    state = upgraded(of_version_2(grid)).state
    assert [is_locked(state, side) for side in Side] == [True, True]
    assert state.margin_locked_until == 0
    later = Grid(state, grid.step)
    step(later, ticker(1000, 20))
    assert [is_locked(state_of(later), side) for side in Side] == [False, False]


def test_closing_trades_counted_as_pairs() -> None:
    grid = started()
    fill(grid, -1)
    fill(grid, -1)
    state_of(grid).accounts.closed_pairs = 0
    assert upgraded(of_version_2(grid)).state.accounts.closed_pairs == 1


def test_a_grid_of_an_earlier_version_has_no_position_limit() -> None:
    """Its journal continues as before: the window follows the price down, whatever is held."""
    grid = started(LONG, instrument=PERPETUAL)
    later = Grid(upgraded(of_version_2(grid)).state, grid.step)
    for price in range(990, 900, -10):
        reached = [each for each, slot in state_of(later).slots.items() if slot.order and slot.order.opens]
        for level in reached:
            if level * 10 + 1000 >= price:
                fill(later, level)
        change = later.process([ticker(price, 1000 - price)])
        if change is not None:
            assert levels(placed(change), Side.SELL) == []
    assert state_of(later).settings.max_position is None
    assert sum(slot.held > 0 for slot in state_of(later).slots.values()) == 9


def test_every_recorded_grid_of_version_0_1_is_continued() -> None:
    steps = [each["data"] for each in old_messages("JOURNAL") if each["data"]["type"] == "Step"]
    decoder = msgspec.json.Decoder(Step)
    for data in steps[-20:]:
        state = upgraded(decoder.decode(msgspec.json.encode(data))).state
        assert state.settings.max_position is None
        assert state.accounts.closed_pairs == state.accounts.closed_trades
        Grid(state, data["step"]).process([ticker("60000", 10**9)])
