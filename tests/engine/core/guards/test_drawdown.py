"""Drawdown: which limit and which peak apply, and which peaks are kept."""

import msgspec

from engine.core.grid import Grid
from engine.core.guards.drawdown import MAX_PEAKS, evaluate, remember_peak
from schemas.grid.guard_state import Breaker, BreakerState, Peak
from schemas.grid.settings import GridSettings
from schemas.units import ClientOrderId
from schemas.venue.orders import OrderStatus
from tests.engine.core.examples import LONG, D, at, draft_of, report, started, state_of, step, ticker, touches

replace = msgspec.structs.replace
PART = 10
WINDOW = PART * MAX_PEAKS
HALF = replace(LONG, max_drawdown=D("0.5"), drawdown_window=WINDOW)


def peaked(*peaks: tuple[int, str], settings: GridSettings = HALF) -> Grid:
    """Return a grid without profit or loss, with recorded peaks."""
    grid = started(settings)
    state_of(grid).breaker.peaks = [Peak(time=time, profit=D(profit)) for time, profit in peaks]
    return grid


def trips(grid: Grid, time: int = 100, price: int | None = 1000) -> bool:
    is_tripped = touches(evaluate, draft_of(grid, price, time=time))
    assert is_tripped is (state_of(grid).breaker.state is BreakerState.OPEN)
    return is_tripped


def recorded(grid: Grid, time: int, profit: str) -> list[tuple[int, int]]:
    state = state_of(grid)
    state.time, state.accounts.cash = time, D(profit)
    remember_peak(state, D(1000))
    return [(each.time, int(each.profit)) for each in state.breaker.peaks]


def test_drawdown_equal_to_the_limit_trips() -> None:
    assert not trips(peaked((99, "0.49")))
    assert trips(peaked((99, "0.50")))


def test_drawdown_is_measured_from_the_highest_peak() -> None:
    assert trips(peaked((98, "0.6"), (99, "0.1")))


def test_smaller_drawdown_limit_applies() -> None:
    both = replace(HALF, max_drawdown_ratio=D("0.01"))  # 3 USDT
    assert trips(peaked((99, "1"), settings=both))
    assert trips(peaked((99, "1"), settings=replace(both, max_drawdown=D(9), max_drawdown_ratio=D("0.003"))))


def test_peak_as_old_as_the_window_is_ignored() -> None:
    assert not trips(peaked((1000, "9")), time=1000 + WINDOW)
    assert trips(peaked((1000, "9")), time=999 + WINDOW)


def test_drawdown_is_not_evaluated_without_a_price() -> None:
    assert not trips(peaked((99, "9")), price=None)


def test_an_input_that_changes_nothing_is_the_cause_of_what_its_evaluation_changes() -> None:
    grid = started(replace(LONG, max_drawdown=D("0.5")))
    state = state_of(grid)
    peaks = [Peak(time=at(0), profit=D(9))]
    state.breaker = Breaker(state=BreakerState.OPEN, opened_time=1, peaks=peaks)
    step(grid, ticker(1000, seconds=1))
    assert state.breaker.state is BreakerState.HALF_OPEN

    foreign = report(ClientOrderId("foreign"), OrderStatus.NEW)
    assert step(grid, foreign).causes == (foreign,)
    assert state_of(grid).breaker.state is BreakerState.OPEN


def test_recorded_peaks_are_ignored_without_a_limit() -> None:
    assert not trips(peaked((99, "9"), settings=replace(HALF, max_drawdown=D(0))))


def test_each_part_of_the_window_keeps_its_highest_step() -> None:
    grid = peaked()
    assert recorded(grid, 1000, "9") == [(1000, 9)]
    assert recorded(grid, 1009, "5") == [(1000, 9)]
    assert recorded(grid, 1010, "4") == [(1000, 9), (1010, 4)]
    assert recorded(grid, 1011, "7") == [(1000, 9), (1011, 7)]


def test_equal_step_replaces_a_peak() -> None:
    assert recorded(peaked((1000, "9")), 1001, "9") == [(1001, 9)]


def test_old_peaks_are_dropped() -> None:
    assert recorded(peaked((1000, "9")), 999 + WINDOW, "1") == [(1000, 9), (999 + WINDOW, 1)]
    assert recorded(peaked((1000, "9")), 1000 + WINDOW, "1") == [(1000 + WINDOW, 1)]


def test_short_window_keeps_every_step() -> None:
    grid = peaked(settings=replace(HALF, drawdown_window=5))
    recorded(grid, 1000, "9")
    assert recorded(grid, 1001, "8") == [(1000, 9), (1001, 8)]
