"""Drawdown: which limit and which peak apply, and which peaks are kept."""

import msgspec
import pytest

from engine.core.grid import Grid
from engine.core.guards.drawdown import MAX_PEAKS, evaluate, remember_peak
from schemas.engine.control import CommandName
from schemas.grid.guard_state import Breaker, BreakerState, Peak
from schemas.grid.settings import GridSettings, OnDrawdown
from schemas.grid.view import NotQuoting
from schemas.units import SECOND_NS, ClientOrderId
from schemas.venue.orders import OrderStatus
from tests.engine.core.examples import (
    LONG,
    D,
    accept_all,
    answer,
    at,
    canceled,
    command,
    draft_of,
    fill,
    report,
    risks,
    settings_of,
    started,
    state_of,
    step,
    ticker,
    touches,
    trade,
)

replace = msgspec.structs.replace
PART = 10
WINDOW = PART * MAX_PEAKS
SLOW = replace(LONG, max_drawdown=D(10), breaker_cool_down=10 * SECOND_NS, drawdown_window=3600 * SECOND_NS)
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


def falling(**changes: object) -> Grid:
    """Return a grid that holds 0.303 bought at 980 on average and has fallen by 10 % of what it is worth, at 930."""
    grid = started(settings_of(SLOW, **changes))
    for level in (-1, -2, -3):
        fill(grid, level)
        accept_all(grid)
    grid.process([ticker(970, 1)])
    grid.process([ticker(930, 2)])
    return grid


def test_peaks_survive_a_trip_and_no_level_is_tried_while_the_drawdown_lasts() -> None:
    grid = falling()
    assert state_of(grid).breaker.state is BreakerState.OPEN
    for second in (20, 200, 2000):
        grid.process([ticker(930, second)])
        assert state_of(grid).breaker.state is BreakerState.OPEN
    grid.process([ticker(985, 2001)])
    assert state_of(grid).breaker.state is BreakerState.HALF_OPEN
    assert risks(step(grid, ticker(930, 2002))) == [("circuit_breaker", True)]


def test_a_level_is_tried_when_the_peak_leaves_the_window() -> None:
    grid = falling()
    grid.process([ticker(930, 3602)])
    assert state_of(grid).breaker.state is BreakerState.HALF_OPEN


def test_an_operator_accepts_a_drawdown() -> None:
    grid = falling()
    step(grid, command(CommandName.RESET))
    assert state_of(grid).breaker.state is BreakerState.CLOSED
    assert not risks(step(grid, ticker(920, 3)))


def test_a_slow_slide_trips_a_few_times_not_twenty() -> None:
    grid, trips = started(settings_of(SLOW, buy_window=10)), 0
    for second in range(3000):
        price = D(1000) - D("0.1") * second
        change = grid.process([ticker(price, 2 * second)])
        while change is not None:
            trips += risks(change).count(("circuit_breaker", True))
            gone = canceled(change)
            bought = [each for each in state_of(grid).slots.values() if each.order and each.order.opens]
            reached = [each.order for each in bought if each.order and each.order.price >= price]
            news = [report(each, OrderStatus.CANCELED, seconds=2 * second) for each in sorted(gone)]
            fills = [trade(each) for each in reached if each.client_order_id not in gone and not each.ended]
            change = grid.process([*news, *fills]) if news or fills else None
    assert trips <= 2
    assert state_of(grid).accounts.position * 1000 <= 5 * 100 + 1


@pytest.mark.parametrize(
    ("on_drawdown", "reason", "closes"),
    [(OnDrawdown.STOP, NotQuoting.STOPPED, False), (OnDrawdown.FLATTEN, NotQuoting.FLATTENING, True)],
)
def test_a_drawdown_can_stop_or_flatten(on_drawdown: OnDrawdown, reason: NotQuoting, *, closes: bool) -> None:
    grid = falling(on_drawdown=on_drawdown)
    halt = state_of(grid).halt
    assert halt is not None
    assert (halt.guard, halt.flattens) == ("max_drawdown", closes)
    opening = [each.order for each in state_of(grid).slots.values() if each.order]
    grid.process([report(each.client_order_id, OrderStatus.CANCELED) for each in opening])
    assert grid.why_not_quoting() is reason
    refused = answer(step(grid, command(CommandName.RESUME)))
    assert "max_drawdown would stop it again at once" in refused.detail


def test_drawdown_is_not_evaluated_without_a_price() -> None:
    assert not trips(peaked((99, "9")), price=None)


def test_an_input_that_changes_nothing_is_the_cause_of_what_its_evaluation_changes() -> None:
    grid = started(replace(LONG, max_drawdown=D("0.5")))
    state = state_of(grid)
    peaks = [Peak(time=at(0), profit=D(9))]
    state.breaker = Breaker(peaks=peaks)

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
