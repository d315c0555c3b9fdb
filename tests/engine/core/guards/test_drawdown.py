"""The drawdown: which limit counts, whose peak, how exactly, and what is remembered of the steps before."""

import msgspec

from engine.core.grid import Grid
from engine.core.guards.drawdown import PEAKS_KEPT, look, remember_peak
from schemas.grid.settings import GridSettings
from schemas.grid.state import BreakerState, Peak
from tests.engine.core.examples import LONG, D, draft_of, started, state_of

replace = msgspec.structs.replace
PART = 10
WINDOW = PART * PEAKS_KEPT
HALF = replace(LONG, max_drawdown=D("0.5"), drawdown_window=WINDOW)


def peaked(*peaks: tuple[int, str], settings: GridSettings = HALF) -> Grid:
    """Return a grid that neither made nor lost anything, with peaks at times."""
    grid = started(settings)
    state_of(grid).breaker.peaks = [Peak(time=time, profit=D(profit)) for time, profit in peaks]
    return grid


def opens(grid: Grid, time: int = 100, price: int | None = 1000) -> bool:
    told = look(draft_of(grid, price, time=time))
    assert told is (state_of(grid).breaker.state is BreakerState.OPEN)
    return told


def remembered(grid: Grid, time: int, profit: str) -> list[tuple[int, int]]:
    state = state_of(grid)
    state.time, state.accounts.cash = time, D(profit)
    remember_peak(state, D(1000))
    return [(each.time, int(each.profit)) for each in state.breaker.peaks]


def test_the_limit_itself_opens_the_breaker() -> None:
    assert not opens(peaked((99, "0.49")))
    assert opens(peaked((99, "0.50")))


def test_the_highest_peak_counts() -> None:
    assert opens(peaked((98, "0.6"), (99, "0.1")))


def test_the_smaller_limit_counts() -> None:
    both = replace(HALF, max_drawdown_ratio=D("0.01"))  # 3 USDT
    assert opens(peaked((99, "1"), settings=both))
    assert opens(peaked((99, "1"), settings=replace(both, max_drawdown=D(9), max_drawdown_ratio=D("0.003"))))


def test_a_peak_as_old_as_the_window_is_past() -> None:
    assert not opens(peaked((1000, "9")), time=1000 + WINDOW)
    assert opens(peaked((1000, "9")), time=999 + WINDOW)


def test_without_a_price_nothing_is_judged() -> None:
    assert not opens(peaked((99, "9")), price=None)


def test_without_a_limit_what_was_remembered_says_nothing() -> None:
    assert not opens(peaked((99, "9"), settings=replace(HALF, max_drawdown=D(0))))


def test_a_part_of_the_window_keeps_its_highest_step() -> None:
    grid = peaked()
    assert remembered(grid, 1000, "9") == [(1000, 9)]
    assert remembered(grid, 1009, "5") == [(1000, 9)]
    assert remembered(grid, 1010, "4") == [(1000, 9), (1010, 4)]
    assert remembered(grid, 1011, "7") == [(1000, 9), (1011, 7)]


def test_as_high_a_step_takes_the_place_of_a_peak() -> None:
    assert remembered(peaked((1000, "9")), 1001, "9") == [(1001, 9)]


def test_peaks_that_are_past_are_dropped() -> None:
    assert remembered(peaked((1000, "9")), 999 + WINDOW, "1") == [(1000, 9), (999 + WINDOW, 1)]
    assert remembered(peaked((1000, "9")), 1000 + WINDOW, "1") == [(1000 + WINDOW, 1)]


def test_the_shortest_window_keeps_every_step() -> None:
    grid = peaked(settings=replace(HALF, drawdown_window=5))
    remembered(grid, 1000, "9")
    assert remembered(grid, 1001, "8") == [(1000, 9), (1001, 8)]
