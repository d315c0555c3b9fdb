"""The circuit breaker: what opens it, what half-open lets through, and what closes it."""

import msgspec

from engine.core.grid import Grid
from engine.core.guards.circuit_breaker import close, full_window, trip
from engine.core.guards.circuit_breaker import look as look_at_the_time
from engine.core.guards.round_trips import look
from engine.core.step import Change
from schemas.engine.control import CommandName, CommandOutcome, CommandResult
from schemas.grid.settings import GridSettings
from schemas.grid.state import Breaker, BreakerState, Peak
from schemas.grid.view import NotQuoting
from schemas.units import SECOND_NS, Side
from schemas.venue.orders import OrderStatus
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
    D,
    accept_all,
    canceled,
    command,
    draft_of,
    fill,
    levels,
    order,
    placed,
    report,
    risks,
    silence,
    started,
    state_of,
    step,
    ticker,
    trade,
)

replace = msgspec.structs.replace
FAST = replace(NEUTRAL, breaker_cool_down=60 * SECOND_NS)
LOSING = replace(FAST, mode=LONG.mode, max_losing_round_trips=2)
FALLING = replace(FAST, max_drawdown=D(2))
IN, BACK = ("circuit_breaker", True), ("circuit_breaker", False)


def breaker(grid: Grid) -> BreakerState:
    return state_of(grid).breaker.state


def open_breaker(settings: GridSettings = FAST) -> Grid:
    """Return a grid whose breaker was opened by hand, with no opening orders left."""
    grid = started(settings)
    gone = canceled(step(grid, command(CommandName.TRIP)))
    step(grid, *(report(each, OrderStatus.CANCELED) for each in sorted(gone)))
    return grid


def half_open(settings: GridSettings = FAST) -> Grid:
    grid = open_breaker(settings)
    step(grid, ticker(1000, 60))
    accept_all(grid)
    return grid


def round_trip(grid: Grid, level: int, close_at: int) -> Change:
    """Open a level, and close it at any price."""
    fill(grid, level)
    accept_all(grid)
    return fill(grid, level, price=close_at)


def answer(change: Change) -> CommandOutcome:
    return next(each.outcome for each in change.notices if isinstance(each, CommandResult))


def test_by_hand_it_takes_out_what_opens_and_keeps_what_closes() -> None:
    grid = started(FAST)
    fill(grid, -1)
    accept_all(grid)
    closing = order(grid, -1).client_order_id
    change = step(grid, command(CommandName.TRIP))
    assert answer(change) is CommandOutcome.APPLIED
    assert risks(change) == [IN]
    assert len(canceled(change)) == 5
    assert closing not in canceled(change)


def test_open_opens_nothing_and_says_so() -> None:
    grid = open_breaker()
    assert not placed(step(grid, ticker(900, 1)))
    assert grid.why_not_quoting() is NotQuoting.BREAKER_OPEN


def test_what_is_so_already_is_unchanged() -> None:
    assert answer(step(open_breaker(), command(CommandName.TRIP))) is CommandOutcome.UNCHANGED
    assert answer(step(started(), command(CommandName.RESET))) is CommandOutcome.UNCHANGED


def test_a_reset_closes_it() -> None:
    grid = open_breaker()
    change = step(grid, command(CommandName.RESET))
    assert risks(change) == [BACK]
    assert state_of(grid).breaker.reason == ""


def test_losing_round_trips_in_a_row_open_it() -> None:
    grid = started(LOSING)
    assert not risks(round_trip(grid, -1, 980))
    assert risks(round_trip(grid, -2, 970)) == [IN]


def test_a_clean_one_between_them_starts_the_count_again() -> None:
    grid = started(LOSING)
    round_trip(grid, -1, 980)
    round_trip(grid, -2, 990)
    round_trip(grid, -3, 960)
    assert state_of(grid).breaker.losses == 1


def test_without_a_limit_losses_open_nothing() -> None:
    grid = started()
    for level in (-1, -2, -3):
        round_trip(grid, level, 900)
    assert breaker(grid) is BreakerState.CLOSED


def test_a_round_trip_ends_when_all_is_closed() -> None:
    grid = started(LOSING)
    fill(grid, -1)
    accept_all(grid)
    closing = order(grid, -1)
    step(grid, trade(closing, "0.05", price=900))
    assert state_of(grid).breaker.losses == 0
    step(grid, trade(closing, "0.051", price=1000))
    assert state_of(grid).breaker.losses == 1


def test_a_drawdown_from_the_peak_opens_it() -> None:
    grid = started(FALLING)
    fill(grid, -1)
    assert grid.process([ticker(1001, 1)]) is None
    assert not risks(step(grid, ticker(985, 2)))
    change = step(grid, ticker(980, 3))
    assert risks(change) == [IN]


def test_a_drawdown_may_be_a_share_of_a_full_window() -> None:
    grid = started(replace(FAST, max_drawdown_ratio=D("0.01")))  # 3 USDT
    fill(grid, -1)
    assert not risks(step(grid, ticker(975, 1)))
    assert risks(step(grid, ticker(965, 2))) == [IN]


def test_a_peak_from_before_the_window_is_forgotten() -> None:
    grid = started(replace(FALLING, drawdown_window=24 * SECOND_NS))
    fill(grid, -1)
    step(grid, ticker(985, 12))
    step(grid, ticker(975, 23))
    assert not risks(step(grid, ticker(965, 30)))


def test_peaks_are_kept_falling_and_few() -> None:
    grid = started(replace(FALLING, drawdown_window=24 * SECOND_NS, max_drawdown=D(1000)))
    fill(grid, -1)
    for second in range(48):
        step(grid, ticker(900 - 20 * second % 300, second + 1))
    peaks = [peak.profit for peak in state_of(grid).breaker.peaks]
    assert peaks == sorted(peaks, reverse=True)
    assert len(peaks) <= 25


def test_the_cool_down_ends_in_silence_too() -> None:
    grid = open_breaker()
    assert grid.process([silence(59)]) is None
    assert risks(step(grid, silence(60))) == [IN]
    assert breaker(grid) is BreakerState.HALF_OPEN


def test_half_open_tries_one_level_a_side() -> None:
    grid = open_breaker()
    orders = placed(step(grid, ticker(1000, 60)))
    assert (levels(orders, Side.BUY), levels(orders, Side.SELL)) == ([-1], [1])


def test_half_open_tries_no_other_level_while_one_is_filled() -> None:
    grid = half_open()
    fill(grid, -1)
    fill(grid, 1)
    assert not any(not each.reduce_only and each.post_only for each in placed(step(grid, ticker(980, 61))))
    assert grid.why_not_quoting() is NotQuoting.BREAKER_HALF_OPEN


def test_half_of_a_tried_level_is_that_level() -> None:
    grid = half_open()
    step(grid, trade(order(grid, -1), "0.05"))
    step(grid, trade(order(grid, -1), "0.01"))
    assert state_of(grid).breaker.tried == [-1]


def test_a_clean_round_trip_closes_it() -> None:
    grid = half_open()
    assert risks(round_trip(grid, -1, 1000)) == [BACK]
    assert breaker(grid) is BreakerState.CLOSED


def test_a_losing_round_trip_opens_it_again() -> None:
    grid = half_open()
    assert risks(round_trip(grid, -1, 980)) == [IN]
    assert (breaker(grid), state_of(grid).breaker.tried) == (BreakerState.OPEN, [])


def test_what_was_counted_before_it_closed_counts_no_more() -> None:
    grid = open_breaker()
    state_of(grid).breaker.losses = 3
    state_of(grid).breaker.peaks = [Peak(time=1, profit=D(9))]
    state_of(grid).breaker.tried, state_of(grid).breaker.latencies = [-1], [5]
    state_of(grid).breaker.slow_since = 7
    assert close(draft_of(grid), "by hand")
    assert state_of(grid).breaker == Breaker()
    assert not close(draft_of(grid), "by hand")


def test_what_was_counted_before_it_opened_counts_no_more() -> None:
    grid = started(FAST)
    state_of(grid).breaker = Breaker(losses=3, peaks=[Peak(time=1, profit=D(9))], slow_since=7, latencies=[5])
    assert trip(draft_of(grid, time=8), "by hand")
    assert state_of(grid).breaker == Breaker(state=BreakerState.OPEN, opened_time=8, reason="by hand")
    assert not trip(draft_of(grid), "by hand")


def test_a_full_window_is_the_larger_one_of_those_in_use() -> None:
    wide = replace(FAST, buy_window=2, sell_window=5)
    assert full_window(state_of(started(wide))) == 500
    assert full_window(state_of(started(replace(wide, mode=LONG.mode)))) == 200
    assert full_window(state_of(started(replace(wide, mode=LONG.mode, buy_window=0)))) == 0


def test_a_round_trip_that_makes_nothing_is_no_loss() -> None:
    grid = started(LOSING)
    draft = draft_of(grid)
    draft.round_trips = [D(-1), D(0), D("0.5")]
    assert not look(draft)
    assert state_of(grid).breaker.losses == 0


def test_a_round_trip_that_makes_nothing_closes_a_half_open_one() -> None:
    for made in ("0", "0.5"):
        draft = draft_of(half_open())
        draft.round_trips = [D(made)]
        assert look(draft)
        assert draft.state.breaker.state is BreakerState.CLOSED


def test_a_loss_in_half_open_is_named() -> None:
    draft = draft_of(half_open())
    draft.round_trips = [D(-2)]
    assert look(draft)
    assert draft.state.breaker.reason == "a round trip lost 2 again"


def test_one_loss_is_too_many_where_the_limit_is_one() -> None:
    draft = draft_of(started(replace(LOSING, max_losing_round_trips=1)))
    draft.round_trips = [D("-0.1")]
    assert look(draft)
    assert draft.state.breaker.state is BreakerState.OPEN


def test_the_moment_it_is_half_open_is_news() -> None:
    grid = open_breaker()
    opened = state_of(grid).breaker.opened_time
    assert not look_at_the_time(draft_of(grid, time=opened + FAST.breaker_cool_down - 1))
    assert look_at_the_time(draft_of(grid, time=opened + FAST.breaker_cool_down))
    assert not look_at_the_time(draft_of(grid, time=opened + 2 * FAST.breaker_cool_down))


def test_what_opens_while_it_is_closed_is_no_try() -> None:
    grid = started(FAST)
    fill(grid, -1)
    assert state_of(grid).breaker.tried == []
