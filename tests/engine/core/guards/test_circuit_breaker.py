"""The circuit breaker: what trips it, what half-open allows, and what closes it."""

import msgspec

from engine.core.grid import Grid
from engine.core.guards.circuit_breaker import (
    close,
    evaluate_cool_down,
    evaluate_round_trips,
    full_window,
    half_open_time,
    trip,
)
from engine.core.step import Change, RoundTrip
from schemas.engine.control import CommandName, CommandOutcome, CommandResult
from schemas.grid.guard_state import Breaker, BreakerState, Peak
from schemas.grid.settings import GridSettings
from schemas.grid.view import NotQuoting
from schemas.units import SECOND_NS, Side
from schemas.venue.orders import OrderStatus
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
    D,
    accept_all,
    at,
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
    touches,
    trade,
)

replace = msgspec.structs.replace
FAST = replace(NEUTRAL, breaker_cool_down=60 * SECOND_NS)
LOSING = replace(FAST, mode=LONG.mode, max_losing_round_trips=2)
FALLING = replace(FAST, max_drawdown=D(2))
TRIPPED, CLOSED = ("circuit_breaker", True), ("circuit_breaker", False)


def breaker(grid: Grid) -> BreakerState:
    return state_of(grid).breaker.state


def open_breaker(settings: GridSettings = FAST) -> Grid:
    """Return a grid whose breaker was tripped by hand, with its opening orders canceled."""
    grid = started(settings)
    opening = canceled(step(grid, command(CommandName.TRIP)))
    step(grid, *(report(each, OrderStatus.CANCELED) for each in sorted(opening)))
    return grid


def half_open(settings: GridSettings = FAST) -> Grid:
    grid = open_breaker(settings)
    step(grid, ticker(1000, 60))
    accept_all(grid)
    return grid


def round_trip(grid: Grid, level: int, close_at: int) -> Change:
    """Open a level, and close it at a price."""
    fill(grid, level)
    accept_all(grid)
    return fill(grid, level, price=close_at)


def answer(change: Change) -> CommandOutcome:
    return next(each.outcome for each in change.notices if isinstance(each, CommandResult))


def test_trip_cancels_opening_orders_and_keeps_closing_orders() -> None:
    grid = started(FAST)
    fill(grid, -1)
    accept_all(grid)
    closing = order(grid, -1).client_order_id
    change = step(grid, command(CommandName.TRIP))
    assert answer(change) is CommandOutcome.ACCEPTED
    assert risks(change) == [TRIPPED]
    assert len(canceled(change)) == 5
    assert closing not in canceled(change)


def test_open_breaker_blocks_opening_orders() -> None:
    grid = open_breaker()
    assert not placed(step(grid, ticker(900, 1)))
    assert grid.why_not_quoting() is NotQuoting.BREAKER_OPEN


def test_repeated_trip_or_reset_is_unchanged() -> None:
    assert answer(step(open_breaker(), command(CommandName.TRIP))) is CommandOutcome.UNCHANGED
    assert answer(step(started(), command(CommandName.RESET))) is CommandOutcome.UNCHANGED


def test_reset_closes_the_breaker() -> None:
    grid = open_breaker()
    change = step(grid, command(CommandName.RESET))
    assert risks(change) == [CLOSED]
    assert state_of(grid).breaker.reason == ""


def test_consecutive_losing_round_trips_trip() -> None:
    grid = started(LOSING)
    assert not risks(round_trip(grid, -1, 980))
    assert risks(round_trip(grid, -2, 970)) == [TRIPPED]


def test_clean_round_trip_resets_the_loss_count() -> None:
    grid = started(LOSING)
    round_trip(grid, -1, 980)
    round_trip(grid, -2, 990)
    round_trip(grid, -3, 960)
    assert state_of(grid).breaker.losses == 1


def test_losses_do_not_trip_without_a_limit() -> None:
    grid = started()
    for level in (-1, -2, -3):
        round_trip(grid, level, 900)
    assert breaker(grid) is BreakerState.CLOSED


def test_round_trip_ends_when_everything_is_closed() -> None:
    grid = started(LOSING)
    fill(grid, -1)
    accept_all(grid)
    closing = order(grid, -1)
    step(grid, trade(closing, "0.05", price=900))
    assert state_of(grid).breaker.losses == 0
    step(grid, trade(closing, "0.051", price=1000))
    assert state_of(grid).breaker.losses == 1


def test_drawdown_from_the_peak_trips() -> None:
    grid = started(FALLING)
    fill(grid, -1)
    assert grid.process([ticker(1001, 1)]) is None
    assert not risks(step(grid, ticker(985, 2)))
    change = step(grid, ticker(980, 3))
    assert risks(change) == [TRIPPED]


def test_drawdown_ratio_is_relative_to_a_full_window() -> None:
    grid = started(replace(FAST, max_drawdown_ratio=D("0.01")))  # 3 USDT
    fill(grid, -1)
    assert not risks(step(grid, ticker(975, 1)))
    assert risks(step(grid, ticker(965, 2))) == [TRIPPED]


def test_peak_older_than_the_window_is_ignored() -> None:
    grid = started(replace(FALLING, drawdown_window=24 * SECOND_NS))
    fill(grid, -1)
    step(grid, ticker(985, 12))
    step(grid, ticker(975, 23))
    assert not risks(step(grid, ticker(965, 30)))


def test_peaks_are_descending_and_bounded() -> None:
    grid = started(replace(FALLING, drawdown_window=24 * SECOND_NS, max_drawdown=D(1000)))
    fill(grid, -1)
    for second in range(48):
        step(grid, ticker(900 - 20 * second % 300, second + 1))
    peaks = [peak.profit for peak in state_of(grid).breaker.peaks]
    assert peaks == sorted(peaks, reverse=True)
    assert len(peaks) <= 25


def test_cool_down_ends_during_silence() -> None:
    grid = open_breaker()
    assert grid.process([silence(59)]) is None
    assert risks(step(grid, silence(60))) == [TRIPPED]
    assert breaker(grid) is BreakerState.HALF_OPEN


def test_half_open_breaker_allows_one_level_a_side() -> None:
    grid = open_breaker()
    orders = placed(step(grid, ticker(1000, 60)))
    assert (levels(orders, Side.BUY), levels(orders, Side.SELL)) == ([-1], [1])


def test_half_open_breaker_opens_no_further_level_while_one_is_filled() -> None:
    grid = half_open()
    fill(grid, -1)
    fill(grid, 1)
    assert not any(not each.reduce_only and each.post_only for each in placed(step(grid, ticker(980, 61))))
    assert grid.why_not_quoting() is NotQuoting.BREAKER_HALF_OPEN


def test_partial_fills_record_a_trial_level_once() -> None:
    grid = half_open()
    step(grid, trade(order(grid, -1), "0.05"))
    step(grid, trade(order(grid, -1), "0.01"))
    assert state_of(grid).breaker.tried == [-1]


def test_clean_round_trip_closes_a_half_open_breaker() -> None:
    grid = half_open()
    assert risks(round_trip(grid, -1, 1000)) == [CLOSED]
    assert breaker(grid) is BreakerState.CLOSED


def test_losing_round_trip_reopens_a_half_open_breaker() -> None:
    grid = half_open()
    assert risks(round_trip(grid, -1, 980)) == [TRIPPED]
    assert (breaker(grid), state_of(grid).breaker.tried) == (BreakerState.OPEN, [])


def test_a_round_trip_of_an_older_level_does_not_close_a_half_open_breaker() -> None:
    grid = started(FAST)
    fill(grid, -1)
    accept_all(grid)
    opening = canceled(step(grid, command(CommandName.TRIP)))
    step(grid, *(report(each, OrderStatus.CANCELED) for each in sorted(opening)))
    step(grid, ticker(1000, 60))
    assert breaker(grid) is BreakerState.HALF_OPEN
    change = fill(grid, -1)
    assert (breaker(grid), [each.is_trial for each in change.fills]) == (BreakerState.HALF_OPEN, [False])


def test_each_trip_in_a_row_doubles_the_cool_down_up_to_a_day() -> None:
    grid = half_open()
    change = round_trip(grid, -1, 980)
    assert [each.is_trial for each in change.fills] == [True]
    opened = state_of(grid).breaker.opened_time
    assert half_open_time(state_of(grid)) == opened + 120 * SECOND_NS
    state_of(grid).breaker.trips = 5
    assert half_open_time(state_of(grid)) == opened + 960 * SECOND_NS
    state_of(grid).breaker.trips = 400
    assert half_open_time(state_of(grid)) == opened + 24 * 3600 * SECOND_NS
    state_of(grid).settings = replace(FAST, breaker_cool_down=48 * 3600 * SECOND_NS)
    assert half_open_time(state_of(grid)) == opened + 48 * 3600 * SECOND_NS


def test_a_clean_round_trip_keeps_the_peaks() -> None:
    grid = half_open()
    state_of(grid).breaker.peaks = [Peak(time=at(0), profit=D(9))]
    round_trip(grid, -1, 1000)
    assert state_of(grid).breaker == Breaker(peaks=[Peak(time=at(0), profit=D(9))])


def test_close_resets_the_breaker() -> None:
    grid = open_breaker()
    state_of(grid).breaker.losses = 3
    state_of(grid).breaker.peaks = [Peak(time=1, profit=D(9))]
    state_of(grid).breaker.tried, state_of(grid).breaker.latencies = [-1], [5]
    state_of(grid).breaker.slow_since = 7
    assert close(draft_of(grid), "", by="ann: test")
    assert state_of(grid).breaker == Breaker()
    assert not close(draft_of(grid), "by hand")


def test_trip_resets_the_counts() -> None:
    grid = started(FAST)
    state_of(grid).breaker = Breaker(losses=3, peaks=[Peak(time=1, profit=D(9))], slow_since=7, latencies=[5])
    assert trip(draft_of(grid, time=8), "by hand")
    kept = [Peak(time=1, profit=D(9))]
    assert state_of(grid).breaker == Breaker(
        state=BreakerState.OPEN, opened_time=8, reason="by hand", trips=1, peaks=kept
    )
    assert not trip(draft_of(grid), "by hand")


def test_full_window_is_the_larger_window_in_use() -> None:
    wide = replace(FAST, buy_window=2, sell_window=5)
    assert full_window(state_of(started(wide))) == 500
    assert full_window(state_of(started(replace(wide, mode=LONG.mode)))) == 200
    assert full_window(state_of(started(replace(wide, mode=LONG.mode, buy_window=0)))) == 0


def test_break_even_round_trip_is_not_a_loss() -> None:
    grid = started(LOSING)
    draft = draft_of(grid)
    draft.round_trips = [RoundTrip(-1, D(-1)), RoundTrip(-1, D(0)), RoundTrip(-1, D("0.5"))]
    assert not touches(evaluate_round_trips, draft)
    assert state_of(grid).breaker.losses == 0


def test_break_even_round_trip_closes_a_half_open_breaker() -> None:
    for made in ("0", "0.5"):
        draft = draft_of(half_open())
        draft.state.breaker.tried = [-1]
        draft.round_trips = [RoundTrip(-1, D(made))]
        assert touches(evaluate_round_trips, draft)
        assert draft.state.breaker.state is BreakerState.CLOSED


def test_reason_names_a_half_open_loss() -> None:
    draft = draft_of(half_open())
    draft.state.breaker.tried = [-1]
    draft.round_trips = [RoundTrip(-1, D(-2))]
    assert touches(evaluate_round_trips, draft)
    assert draft.state.breaker.reason == "a round trip lost 2 while half-open"


def test_limit_of_one_trips_on_the_first_loss() -> None:
    draft = draft_of(started(replace(LOSING, max_losing_round_trips=1)))
    draft.round_trips = [RoundTrip(-1, D("-0.1"))]
    assert touches(evaluate_round_trips, draft)
    assert draft.state.breaker.state is BreakerState.OPEN


def test_turning_half_open_touches_the_draft_once() -> None:
    grid = open_breaker()
    opened = state_of(grid).breaker.opened_time
    assert not touches(evaluate_cool_down, draft_of(grid, time=opened + FAST.breaker_cool_down - 1))
    assert touches(evaluate_cool_down, draft_of(grid, time=opened + FAST.breaker_cool_down))
    assert not touches(evaluate_cool_down, draft_of(grid, time=opened + 2 * FAST.breaker_cool_down))


def test_fill_with_a_closed_breaker_is_not_a_trial() -> None:
    grid = started(FAST)
    fill(grid, -1)
    assert state_of(grid).breaker.tried == []
