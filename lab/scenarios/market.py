"""Scenarios of the market: a crash, losses, a fall, a silent feed, the exposure limit."""

from decimal import Decimal

from cli.config.file import Configuration
from lab.scenarios.harness import Harness
from lab.scenarios.runner import Scenario
from lab.scenarios.settings import (
    unchanged,
    with_fees,
    with_grids,
    with_portfolio,
    with_slow_ticks,
    with_venue,
)
from schemas.engine.events import Fill, RiskChanged
from schemas.engine.portfolio import PortfolioLimits
from schemas.grid.view import NotQuoting
from schemas.units import Symbol
from schemas.venue.orders import OrderReport, OrderStatus, RejectReason

CANDLE_S, MARGIN_S = 60.0, 10.0
RECOVERY_TICKS = 150
"""More than two candles of them."""
MAX_LOSING_ROUND_TRIPS = 10
MAX_EXPOSURE = Decimal(1000)
MAX_DRAWDOWN = Decimal(4)


def _configure_flash_crash(configuration: Configuration) -> Configuration:
    return with_grids(
        with_slow_ticks(configuration),
        monitor_symbols=(configuration.symbols[0].symbol,),
        volume_multiplier=Decimal(10),
        recovery_threshold=1,
    )


async def flash_crash(harness: Harness) -> None:
    """Crash one symbol on high volume: all grids that monitor it stop opening until the market recovers."""
    symbol, since = harness.symbol, harness.recorder.mark
    price = await harness.last_price(symbol)
    falling = [price * (100 - i) / 100 for i in range(1, 9)]
    await harness.script_prices(symbol, falling, volume=Decimal(500))
    for entry in harness.entries:
        risk = await harness.wait_for_risk(entry.symbol, "market_risk", since=since)
        assert risk.active, risk
        await harness.wait_until_not_quoting(entry.symbol, NotQuoting.MARKET_RISK, since=since)
    await harness.wait_for_open_orders(symbol, lambda count: count == 0)
    since = harness.recorder.mark
    await harness.script_prices(symbol, [price * Decimal("1.05")] * RECOVERY_TICKS)
    # The candle of the crash has a high volume: the market has recovered when the one after it has closed.
    await harness.wait_for_risk(
        symbol, "market_risk", since=since, active=False, within_s=2 * CANDLE_S + MARGIN_S
    )
    await harness.wait_until_quoting(symbol, since=since)


def _configure_losing_round_trips(configuration: Configuration) -> Configuration:
    expensive = with_fees(configuration, Decimal("0.01"))
    fast = with_venue(with_slow_ticks(expensive), speed=4.0)
    return with_grids(
        fast, preflight=False, min_profit=None, max_losing_round_trips=MAX_LOSING_ROUND_TRIPS, stale_after=0
    )


async def losing_round_trips(harness: Harness) -> None:
    """Charge more fees than a round trip earns: the circuit breaker opens at the tenth and survives a restart.

    `min_profit` is off: with it the grids would not open at such fees.
    """
    risk = await harness.recorder.wait_for(
        "a circuit breaker opens", RiskChanged, lambda e: e.reason == "circuit_breaker", within_s=180
    )
    assert f"{MAX_LOSING_ROUND_TRIPS} losing round trips in a row" in risk.details, risk
    view = await harness.wait_until_not_quoting(risk.symbol, NotQuoting.BREAKER_OPEN, since=0)
    assert view.grid_profit < 0, view
    since = harness.recorder.mark
    harness.stack.part("engine").kill()
    await harness.wait_until_not_quoting(risk.symbol, NotQuoting.BREAKER_OPEN, since=since)


def _configure_drawdown(configuration: Configuration) -> Configuration:
    return with_grids(configuration, max_drawdown=MAX_DRAWDOWN)


async def drawdown(harness: Harness) -> None:
    """Move the price down through all levels: the drawdown from the peak opens the circuit breaker."""
    symbol, since = harness.symbol, harness.recorder.mark
    price = await harness.last_price(symbol)
    await harness.script_prices(symbol, [price * (1000 - 3 * i) / 1000 for i in range(1, 11)])
    risk = await harness.wait_for_risk(symbol, "circuit_breaker", since=since)
    assert "drawdown" in risk.details, risk
    view = await harness.wait_until_not_quoting(symbol, NotQuoting.BREAKER_OPEN, since=since)
    assert view.position > 0, view
    assert view.total_profit <= 0, view


async def feed_silent(harness: Harness) -> None:
    """Silence the feed with its connection open: opening orders are canceled, and quoting resumes when ticks do."""
    symbol, since = harness.symbol, harness.recorder.mark
    await harness.post_admin("silence", {"is_silent": True})
    await harness.wait_for_risk(symbol, "feed_lost", since=since)
    await harness.wait_until_not_quoting(symbol, NotQuoting.FEED_LOST, since=since)
    await harness.wait_for_open_orders(symbol, lambda count: count == 0)
    await harness.post_admin("silence", {"is_silent": False})
    await harness.wait_until_quoting(symbol, since=harness.recorder.mark)


def _configure_third_symbol(configuration: Configuration) -> Configuration:
    return with_portfolio(configuration, max_exposure=MAX_EXPOSURE)


async def third_symbol(harness: Harness) -> None:
    """Move one symbol after the other down: the third reaches the exposure limit, and the gateway sends no order beyond it.

    Then the limit is lowered below what is held: all grids stop opening.
    """
    since = harness.recorder.mark
    fallen: set[Symbol] = set()
    for entry in harness.entries:
        price = await harness.last_price(entry.symbol)
        await harness.script_prices(entry.symbol, [price * (1000 - 4 * i) / 1000 for i in range(1, 11)])
        fallen.add(entry.symbol)
        await harness.recorder.wait_for(
            f"{entry.symbol} buys", Fill, lambda fill: fill.symbol in fallen and fill.opens, since=since
        )
    for entry in harness.entries:
        await harness.wait_until_not_quoting(entry.symbol, NotQuoting.EXPOSURE_LIMIT, since=since)
    assert harness.recorder.all(OrderReport, _is_above_the_limit, since=since)
    await harness.recorder.wait_for(
        "nearly the limit is held",
        PortfolioLimits,
        lambda limits: limits.exposure >= MAX_EXPOSURE * Decimal("0.8"),
        since=since,
    )
    reached = max(limits.exposure for limits in harness.recorder.all(PortfolioLimits, since=since))
    assert reached <= MAX_EXPOSURE, reached
    since = harness.recorder.mark
    await harness.apply(with_portfolio(harness.configuration, max_exposure=MAX_EXPOSURE / 2))
    for entry in harness.entries:
        await harness.wait_for_risk(entry.symbol, "exposure_limit", since=since)
        await harness.wait_until_not_quoting(entry.symbol, NotQuoting.EXPOSURE_LIMIT, since=since)


def _is_above_the_limit(report: OrderReport) -> bool:
    return report.status is OrderStatus.NOT_PLACED and report.reject_reason is RejectReason.EXPOSURE_LIMIT


MARKET = (
    Scenario("flash-crash", "a symbol crashes on a spike of volume", _configure_flash_crash, flash_crash),
    Scenario(
        "losing-round-trips",
        "ten losing round trips in a row",
        _configure_losing_round_trips,
        losing_round_trips,
    ),
    Scenario("drawdown", "the price falls through all levels", _configure_drawdown, drawdown),
    Scenario("feed-silent", "the feed is silent, its connection open", unchanged, feed_silent),
    Scenario(
        "third-symbol", "the third symbol reaches the exposure limit", _configure_third_symbol, third_symbol
    ),
)
