"""Scenarios of the market: it crashes, falls, loses money for us, falls silent."""

from decimal import Decimal

from cli.config.file import Configuration
from lab.scenarios.harness import Stage
from lab.scenarios.runner import Scenario
from lab.scenarios.settings import unchanged, with_fees, with_grids, with_portfolio, with_venue
from schemas.engine.events import Fill, RiskChanged
from schemas.engine.portfolio import PortfolioLimits
from schemas.grid.view import NotQuoting
from schemas.units import MILLISECOND_NS, Symbol

LOSSES = 10
MAX_EXPOSURE = Decimal(1000)
MAX_DRAWDOWN = Decimal(4)


def _watching(configuration: Configuration) -> Configuration:
    # Ten times as fast as the clock, so that a candle closes every six seconds.
    fast = with_venue(configuration, speed=10.0, tick_interval=2500 * MILLISECOND_NS)
    return with_grids(
        fast,
        monitor_symbols=(configuration.symbols[0].symbol,),
        volume_multiplier=Decimal(10),
        recovery_threshold=1,
        stale_after=0,
    )


async def flash_crash(stage: Stage) -> None:
    """Let one symbol crash on much volume: every grid that watches it opens nothing until it is calm again."""
    symbol, since = stage.symbol, stage.story.now
    price = await stage.price(symbol)
    fall = [price * (100 - i) / 100 for i in range(1, 9)]
    await stage.path(symbol, fall, volume=Decimal(500))
    for entry in stage.entries:
        risk = await stage.risk(entry.symbol, "market_risk", since=since)
        assert risk.active, risk
        await stage.stopped(entry.symbol, NotQuoting.MARKET_RISK, since=since)
    await stage.until_open(symbol, lambda count: count == 0)
    back = stage.story.now
    await stage.path(symbol, [price * Decimal("1.05")] * 60)
    await stage.risk(symbol, "market_risk", since=back, active=False, within_s=90)
    await stage.grid(symbol, "quoting again", lambda view: view.not_quoting is None, since=back)


def _losing(configuration: Configuration) -> Configuration:
    costly = with_fees(configuration, Decimal("0.01"))
    lively = with_venue(costly, speed=4.0)
    return with_grids(lively, preflight=False, max_losing_round_trips=LOSSES, stale_after=0)


async def losing_round_trips(stage: Stage) -> None:
    """Let fees eat every round trip: the circuit breaker opens at the tenth, and stays open over a restart."""
    risk = await stage.story.until(
        "a breaker opens", RiskChanged, lambda e: e.reason == "circuit_breaker", within_s=180
    )
    assert f"{LOSSES} losing round trips in a row" in risk.details, risk
    view = await stage.stopped(risk.symbol, NotQuoting.BREAKER_OPEN, since=0)
    assert view.grid_profit < 0, view
    since = stage.story.now
    stage.stack.part("engine").kill()
    await stage.stopped(risk.symbol, NotQuoting.BREAKER_OPEN, since=since)


def _drawing_down(configuration: Configuration) -> Configuration:
    return with_grids(configuration, max_drawdown=MAX_DRAWDOWN)


async def drawdown(stage: Stage) -> None:
    """Let the price fall through all levels: the loss from the peak opens the circuit breaker."""
    symbol, since = stage.symbol, stage.story.now
    price = await stage.price(symbol)
    await stage.path(symbol, [price * (1000 - 3 * i) / 1000 for i in range(1, 11)])
    risk = await stage.risk(symbol, "circuit_breaker", since=since)
    assert "drawdown" in risk.details, risk
    view = await stage.stopped(symbol, NotQuoting.BREAKER_OPEN, since=since)
    assert view.position > 0, view
    assert view.total_profit <= 0, view


async def feed_silent(stage: Stage) -> None:
    """Let the feed fall silent with the socket open: opening orders go within seconds, and come back with the ticks."""
    symbol, since = stage.symbol, stage.story.now
    await stage.venue("silence", {"is_silent": True})
    await stage.risk(symbol, "feed_lost", since=since)
    await stage.stopped(symbol, NotQuoting.FEED_LOST, since=since)
    await stage.until_open(symbol, lambda count: count == 0)
    await stage.venue("silence", {"is_silent": False})
    await stage.grid(symbol, "quoting again", lambda view: view.not_quoting is None, since=stage.story.now)


def _limited(configuration: Configuration) -> Configuration:
    return with_portfolio(configuration, max_exposure=MAX_EXPOSURE)


async def third_symbol(stage: Stage) -> None:
    """Let one symbol after the other fall: the third takes the exposure to its limit, and nobody opens any more."""
    since = stage.story.now
    filled: set[Symbol] = set()
    for entry in stage.entries:
        price = await stage.price(entry.symbol)
        await stage.path(entry.symbol, [price * (1000 - 4 * i) / 1000 for i in range(1, 11)])
        filled.add(entry.symbol)
        await stage.story.until(
            f"{entry.symbol} buys", Fill, lambda fill: fill.symbol in filled and fill.opens, since=since
        )
    for entry in stage.entries:
        await stage.risk(entry.symbol, "exposure_limit", since=since, within_s=60)
        await stage.stopped(entry.symbol, NotQuoting.EXPOSURE_LIMIT, since=since)
    limits = stage.story.all(PortfolioLimits)[-1]
    assert MAX_EXPOSURE * Decimal("0.9") <= limits.exposure <= MAX_EXPOSURE * Decimal("1.1"), limits


MARKET = (
    Scenario("flash-crash", "a symbol crashes on a spike of volume", _watching, flash_crash),
    Scenario("losing-round-trips", "ten round trips in a row lose money", _losing, losing_round_trips),
    Scenario("drawdown", "the price falls through all levels", _drawing_down, drawdown),
    Scenario("feed-silent", "the feed is silent with the socket open", unchanged, feed_silent),
    Scenario("third-symbol", "the third symbol hits the limit of all", _limited, third_symbol),
)
