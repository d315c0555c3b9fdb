"""Engine shutdown cancels open orders, and the next start places them again."""

from engine.core.grid import Grid
from schemas.engine.control import CommandName
from schemas.engine.journal import EngineStarted, EngineStopping
from schemas.grid.view import NotQuoting
from tests.engine.core.examples import (
    LONG,
    START,
    accept_all,
    canceled,
    command,
    end,
    fill,
    placed,
    settings_of,
    started,
    state_of,
    step,
    ticker,
)

STOPPING = EngineStopping(time=START)
STARTED = EngineStarted(time=START)


def ids(grid: Grid) -> list[str]:
    return [slot.order.client_order_id for slot in state_of(grid).slots.values() if slot.order]


def test_shutdown_cancels_all_orders_and_places_none() -> None:
    grid = started()
    fill(grid, -1)
    accept_all(grid)
    change = step(grid, STOPPING)
    assert canceled(change) == set(ids(grid))
    assert not placed(step(grid, ticker(900)))
    assert grid.why_not_quoting() is NotQuoting.EXITING


def test_next_engine_places_orders_again() -> None:
    grid = started()
    step(grid, STOPPING)
    end(grid, *[slot.order.client_order_id for slot in state_of(grid).slots.values() if slot.order])
    assert len(placed(step(grid, STARTED, ticker(1000, 1)))) == 3
    assert grid.why_not_quoting() is None


def test_start_without_shutdown_makes_no_step() -> None:
    assert started().process([STARTED]) is None


def test_repeated_shutdown_makes_no_step() -> None:
    grid = started()
    step(grid, STOPPING)
    assert grid.process([STOPPING]) is None


def test_orders_stay_without_cancel_on_exit() -> None:
    assert started(settings_of(LONG, cancel_on_exit=False)).process([STOPPING]) is None


def test_stopped_grid_stays_stopped_after_restart() -> None:
    grid = started()
    step(grid, command(CommandName.STOP))
    step(grid, STOPPING)
    step(grid, STARTED)
    assert grid.why_not_quoting() is NotQuoting.STOPPED


def test_flattening_continues_with_the_next_engine() -> None:
    grid = started()
    fill(grid, -1)
    step(grid, command(CommandName.FLATTEN))
    step(grid, STOPPING)
    assert not placed(end(grid, *[s.order.client_order_id for s in state_of(grid).slots.values() if s.order]))
    assert len(placed(step(grid, STARTED))) == 1
