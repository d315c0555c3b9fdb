"""The global circuit breaker: what trips it, and what closes it."""

import msgspec
import pytest

from engine.core.portfolio.global_breaker import MAX_COUNTED_FILLS, MAX_PEAKS, close, evaluate, trip
from engine.core.portfolio.portfolio import Portfolio
from engine.core.portfolio.step import PortfolioDraft
from schemas.engine.control import CommandName
from schemas.engine.portfolio import PortfolioSettings
from schemas.engine.portfolio_journal import GlobalBreaker
from schemas.grid.guard_state import BreakerState, Peak
from schemas.grid.view import NotQuoting
from schemas.units import SECOND_NS, Symbol, VenueId
from tests.builders import BTC
from tests.engine.core.examples import D, touches
from tests.engine.core.portfolios import (
    CLOSED,
    ETH,
    SOL,
    TRIPPED,
    bucket,
    clock,
    for_all,
    latency,
    limits,
    market,
    risks,
    round_trip,
    started,
    state_of,
    step,
    symbol,
)

replace = msgspec.structs.replace
LOSING = PortfolioSettings(max_losing_round_trips=3, breaker_cool_down=60 * SECOND_NS)
ETH_BTC, OTHER = Symbol("ETH/BTC"), VenueId("sim2")
FALLING = PortfolioSettings(max_drawdown=D(100), drawdown_window=2400 * SECOND_NS)


def breaker(portfolio: Portfolio, currency: str = "USDT") -> BreakerState:
    """Return what the symbols of a currency obey."""
    return limits(portfolio, currency).breaker


def half_open() -> Portfolio:
    portfolio = started(LOSING)
    step(portfolio, for_all(CommandName.TRIP))
    step(portfolio, clock(1_700_000_061))
    return portfolio


def test_consecutive_losing_round_trips_of_any_symbol_trip() -> None:
    portfolio = started(LOSING)
    assert not risks(step(portfolio, round_trip("-1", "1", BTC)))
    assert not risks(step(portfolio, round_trip("-1", "1", ETH)))
    assert risks(step(portfolio, round_trip("-1", "1", SOL))) == [TRIPPED]
    assert limits(portfolio).reason == f"3 losing round trips in a row in USDT, the last one of {SOL}"


def test_winning_round_trip_resets_the_loss_count() -> None:
    portfolio = started(LOSING)
    for number, made in enumerate(["-1", "-1", "0", "-1", "-1"]):
        step(portfolio, round_trip(made, str(number)))
    assert breaker(portfolio) is BreakerState.CLOSED


def test_repeated_fill_counts_once_and_an_opening_fill_not_at_all() -> None:
    portfolio = started(LOSING)
    step(portfolio, round_trip("-1"))
    assert portfolio.process([round_trip("-1"), round_trip(None, "2")]) is None


def test_counted_fills_are_bounded() -> None:
    portfolio = started(PortfolioSettings())
    for number in range(MAX_COUNTED_FILLS + 5):
        step(portfolio, round_trip("1", str(number)))
    assert len(state_of(portfolio).counted) == MAX_COUNTED_FILLS


def test_cool_down_ends_by_the_venue_clock() -> None:
    portfolio = started(LOSING)
    step(portfolio, symbol(seconds=10, not_quoting=NotQuoting.PAUSED), for_all(CommandName.TRIP))
    assert portfolio.process([clock(69)]) is None
    assert risks(step(portfolio, clock(70))) == [TRIPPED]
    assert breaker(portfolio) is BreakerState.HALF_OPEN


@pytest.mark.parametrize(
    ("made", "state", "risk"),
    [("1", BreakerState.CLOSED, CLOSED), ("-1", BreakerState.OPEN, TRIPPED)],
)
def test_next_round_trip_decides_when_half_open(
    made: str, state: BreakerState, risk: tuple[str, bool]
) -> None:
    portfolio = half_open()
    assert risks(step(portfolio, round_trip(made))) == [risk]
    assert breaker(portfolio) is state


def test_only_a_round_trip_of_a_trial_level_decides_when_half_open() -> None:
    portfolio = half_open()
    for made in ("1", "-1"):
        portfolio.process([replace(round_trip(made), is_trial=False)])
        assert breaker(portfolio) is BreakerState.HALF_OPEN
    step(portfolio, replace(round_trip("1", "2"), is_trial=True))
    assert breaker(portfolio) is BreakerState.CLOSED


def test_each_trip_in_a_row_doubles_the_cool_down() -> None:
    portfolio = half_open()
    step(portfolio, replace(round_trip("-1"), is_trial=True))
    assert portfolio.process([clock(1_700_000_061 + 119)]) is None
    step(portfolio, clock(1_700_000_061 + 120))
    assert breaker(portfolio) is BreakerState.HALF_OPEN


def test_a_breaker_stays_open_while_the_drawdown_is_at_its_limit() -> None:
    portfolio = started(replace(FALLING, breaker_cool_down=10 * SECOND_NS))
    step(portfolio, symbol(profit=50))
    assert risks(step(portfolio, symbol(profit=-50))) == [TRIPPED]
    portfolio.process([clock(60)])
    assert breaker(portfolio) is BreakerState.OPEN
    step(portfolio, symbol(profit=-40), clock(61))
    assert breaker(portfolio) is BreakerState.HALF_OPEN
    assert risks(step(portfolio, symbol(profit=-60))) == [TRIPPED]


def test_drawdown_of_the_summed_profit_trips() -> None:
    portfolio = started(FALLING)
    step(portfolio, symbol(BTC, profit=50), symbol(ETH, profit=50))
    assert portfolio.process([symbol(BTC, profit=-20)]) is None
    assert risks(step(portfolio, symbol(ETH, profit=20))) == [TRIPPED]
    assert limits(portfolio).reason == "drawdown of 100 USDT from the peak, the limit is 100"


def test_no_symbol_seen_after_a_restart_is_not_a_drawdown() -> None:
    portfolio = started(FALLING)
    step(portfolio, symbol(profit=150))
    restarted = Portfolio(state_of(portfolio), portfolio.step)
    restarted.process([clock(10)])
    assert breaker(restarted) is BreakerState.CLOSED


def test_drawdown_ratio_is_relative_to_max_exposure() -> None:
    portfolio = started(PortfolioSettings(max_exposure=D(1000), max_drawdown_ratio=D("0.05")))
    step(portfolio, symbol(profit=10))
    assert risks(step(portfolio, symbol(profit=-40))) == [TRIPPED]


def test_peak_is_recorded_with_limited_resolution() -> None:
    portfolio = started(FALLING)
    step(portfolio, symbol(profit=10))
    assert portfolio.process([symbol(profit=D("10.5"))]) is None
    step(portfolio, symbol(profit=11))
    assert [peak.profit for peak in bucket(portfolio).breaker.peaks] == [11]


def test_old_peak_is_ignored_and_later_ones_are_kept() -> None:
    portfolio = started(FALLING)
    step(portfolio, symbol(profit=100, seconds=0))
    step(portfolio, symbol(profit=60, seconds=1200))
    assert len(bucket(portfolio).breaker.peaks) == 2
    step(portfolio, symbol(profit=-30, seconds=2500))
    assert breaker(portfolio) is BreakerState.CLOSED
    assert [peak.profit for peak in bucket(portfolio).breaker.peaks] == [60, -30]


def test_many_symbols_without_a_feed_trip() -> None:
    portfolio = started(PortfolioSettings(max_stale_symbols=2))
    assert portfolio.process([symbol(BTC, not_quoting=NotQuoting.FEED_LOST)]) is None
    change = step(portfolio, symbol(ETH, not_quoting=NotQuoting.FEED_LOST))
    assert risks(change) == [TRIPPED]
    assert portfolio.process([symbol(SOL, not_quoting=NotQuoting.FEED_LOST)]) is None


def test_many_symbols_with_an_open_breaker_trip() -> None:
    portfolio = started(PortfolioSettings(max_tripped_symbols=1))
    assert risks(step(portfolio, symbol(not_quoting=NotQuoting.BREAKER_OPEN))) == [TRIPPED]
    assert limits(portfolio).reason == f"1 symbols with an open breaker: sim {BTC}"


def test_slow_venue_trips_with_enough_orders() -> None:
    portfolio = started(PortfolioSettings(max_order_latency=2 * SECOND_NS))
    assert portfolio.process([latency(1999), latency(5000, count=19)]) is None
    assert risks(step(portfolio, latency(2000))) == [TRIPPED]
    assert started().process([latency(9999)]) is None


def test_repeated_trip_or_reset_is_not_reported() -> None:
    portfolio = started(LOSING)
    step(portfolio, for_all(CommandName.TRIP))
    assert not risks(step(portfolio, for_all(CommandName.TRIP)))
    assert risks(step(portfolio, for_all(CommandName.RESET))) == [CLOSED]
    assert not risks(step(portfolio, for_all(CommandName.RESET)))


def draft_of(portfolio: Portfolio, time: int = 1000, profit: str = "0") -> PortfolioDraft:
    """Return a draft of a portfolio whose one symbol made a profit."""
    return PortfolioDraft(state_of(portfolio), 1, time, {market(BTC): symbol(BTC, profit=D(profit))})


def peaked(*peaks: tuple[int, str], settings: PortfolioSettings = FALLING) -> Portfolio:
    portfolio = started(settings)
    bucket(portfolio).breaker.peaks = [Peak(time=time, profit=D(profit)) for time, profit in peaks]
    return portfolio


def test_trip_and_close_reset_the_counts() -> None:
    portfolio = started(FALLING)
    state_of(portfolio).breaker.losses = 2
    assert trip(draft_of(portfolio), "by hand")
    assert state_of(portfolio).breaker == GlobalBreaker(
        state=BreakerState.OPEN, opened_time=1000, reason="by hand", trips=1
    )
    state_of(portfolio).breaker.losses = 2
    state_of(portfolio).breaker.peaks = [Peak(time=1, profit=D(9))]
    assert close(draft_of(portfolio), "by hand")
    assert state_of(portfolio).breaker == GlobalBreaker()
    assert not close(draft_of(portfolio), "by hand")


def test_reason_names_a_half_open_loss() -> None:
    portfolio = half_open()
    step(portfolio, round_trip("-1"))
    assert state_of(portfolio).breaker.reason == f"a round trip of {BTC} lost 1 USDT while half-open"


@pytest.mark.parametrize(("limit", "is_open"), [(0, False), (1, True)])
def test_first_loss_trips_at_a_limit_of_one_only(limit: int, *, is_open: bool) -> None:
    portfolio = started(PortfolioSettings(max_losing_round_trips=limit))
    step(portfolio, round_trip("-1"))
    assert (breaker(portfolio) is BreakerState.OPEN) is is_open


def test_twenty_slow_orders_suffice_and_are_reported_in_milliseconds() -> None:
    portfolio = started(PortfolioSettings(max_order_latency=2 * SECOND_NS))
    assert portfolio.process([latency(2500, count=19)]) is None
    step(portfolio, latency(2500, count=20))
    reason = "order latency of sim 2500 ms (p99 of 20 orders), limit 2000 ms"
    assert state_of(portfolio).breaker.reason == reason


def test_drawdown_is_measured_from_the_highest_peak_of_the_window() -> None:
    window = FALLING.drawdown_window
    assert touches(evaluate, draft_of(peaked((98, "101"), (99, "1"))))
    portfolio = peaked((98, "100"))
    evaluate(draft_of(portfolio, time=98 + window))
    assert breaker(portfolio) is BreakerState.CLOSED
    bucket(portfolio).breaker.peaks = [Peak(time=99, profit=D(100))]
    evaluate(draft_of(portfolio, time=98 + window))
    assert breaker(portfolio) is BreakerState.OPEN


@pytest.mark.parametrize(("limit", "ratio"), [("0.5", "0.01"), ("90", "0.0005"), ("0.5", "0")])
def test_smaller_drawdown_limit_applies(limit: str, ratio: str) -> None:
    both = PortfolioSettings(max_exposure=D(1000), max_drawdown=D(limit), max_drawdown_ratio=D(ratio))
    portfolio = peaked((999, "0.5"), settings=both)
    evaluate(draft_of(portfolio))
    assert breaker(portfolio) is BreakerState.OPEN


def test_short_window_keeps_every_moment() -> None:
    short = replace(FALLING, drawdown_window=MAX_PEAKS - 1)
    portfolio = peaked((1000, "9"), settings=short)
    assert touches(evaluate, draft_of(portfolio, time=1001, profit="5"))
    assert [peak.time for peak in bucket(portfolio).breaker.peaks] == [1000, 1001]


def test_each_part_of_the_window_keeps_its_highest_moment() -> None:
    portfolio = peaked((1000, "9"), settings=replace(FALLING, drawdown_window=10 * MAX_PEAKS))
    assert not touches(evaluate, draft_of(portfolio, time=1009, profit="5"))
    assert touches(evaluate, draft_of(portfolio, time=1010, profit="9"))
    assert [peak.time for peak in bucket(portfolio).breaker.peaks] == [1010]


def test_each_quote_currency_has_a_breaker_of_its_own() -> None:
    portfolio = started(replace(LOSING, max_losing_round_trips=1))
    step(portfolio, symbol(ETH_BTC), round_trip("-0.01", "1", ETH_BTC))
    assert (
        limits(portfolio, "BTC").reason == f"1 losing round trips in a row in BTC, the last one of {ETH_BTC}"
    )
    assert breaker(portfolio, "USDT") is BreakerState.CLOSED


def test_profits_of_different_currencies_are_not_summed() -> None:
    portfolio = started(FALLING)
    step(portfolio, symbol(BTC, profit=60), symbol(ETH_BTC, profit=60))
    assert portfolio.process([symbol(BTC, profit=0), symbol(ETH_BTC, profit=0)]) is None
    step(portfolio, symbol(BTC, profit=-40))
    assert breaker(portfolio, "USDT") is BreakerState.OPEN
    assert breaker(portfolio, "BTC") is BreakerState.CLOSED


def test_profits_of_all_venues_are_summed() -> None:
    portfolio = started(FALLING)
    step(portfolio, symbol(BTC, profit=50), symbol(BTC, profit=50, venue=OTHER))
    assert risks(step(portfolio, symbol(BTC, profit=-50, venue=OTHER))) == [TRIPPED]


def test_a_winner_added_again_is_not_a_drawdown() -> None:
    portfolio = started(FALLING)
    step(portfolio, symbol(BTC, profit=150))
    portfolio.process([symbol(BTC, profit=0, earlier=150)])
    assert breaker(portfolio) is BreakerState.CLOSED
    step(portfolio, symbol(BTC, profit=-100, earlier=150))
    assert breaker(portfolio) is BreakerState.OPEN


def test_equal_trade_ids_of_two_venues_are_two_round_trips() -> None:
    portfolio = started(replace(LOSING, max_losing_round_trips=2))
    step(portfolio, round_trip("-1"))
    assert risks(step(portfolio, round_trip("-1", venue=OTHER))) == [TRIPPED]


def test_the_global_breaker_counts_for_every_currency_and_a_reset_closes_all() -> None:
    portfolio = started(replace(LOSING, max_losing_round_trips=1))
    step(portfolio, symbol(ETH_BTC), round_trip("-1"))
    step(portfolio, for_all(CommandName.TRIP))
    assert breaker(portfolio, "BTC") is breaker(portfolio, "USDT") is BreakerState.OPEN
    assert risks(step(portfolio, for_all(CommandName.RESET))) == [CLOSED, CLOSED]
    assert breaker(portfolio, "BTC") is breaker(portfolio, "USDT") is BreakerState.CLOSED
