"""The scenarios: what goes wrong in each, and what has to be seen on the bus and in the venue's books."""

from decimal import Decimal

from opensqt.config import Configuration
from opensqt.scenarios.run import Scenario
from opensqt.scenarios.stage import Stage
from schemas.account import OpenOrders
from schemas.control import CommandName, CommandOutcome
from schemas.engine import RiskChanged
from schemas.grid_view import NotQuoting
from schemas.orders import OrderStatus
from schemas.units import ClientOrderId, Side


def _as_it_is(configuration: Configuration) -> Configuration:
    return configuration


async def feed_silent(stage: Stage) -> None:
    """Let the market stand still with the socket open: opening orders go within seconds, and come back with the ticks."""
    symbol, since = stage.symbol, stage.story.now
    await stage.venue("market", {"halted": True})
    lost = await stage.story.until(
        "the guard steps in",
        RiskChanged,
        lambda e: e.symbol == symbol and e.reason == "feed_lost",
        since=since,
    )
    assert lost.active, lost
    await stage.grid(
        symbol, "no opening order is out", lambda view: view.not_quoting is NotQuoting.FEED_LOST, since=since
    )
    await stage.venue("market", {"halted": False})
    await stage.grid(symbol, "quoting again", lambda view: view.not_quoting is None, since=stage.story.now)


async def command_three_hours_old(stage: Stage) -> None:
    """Give a command that is three hours old: it is answered, and does nothing."""
    result = await stage.command(CommandName.PAUSE, age_s=3 * 3600)
    assert result.outcome is CommandOutcome.EXPIRED, result
    view = await stage.grid(stage.symbol, "a grid after it", lambda view: True, since=stage.story.now)
    assert not view.paused, view


async def behind_its_back(stage: Stage) -> None:
    """Trade the account by hand, too: that order stays, and that position is seen and answered."""
    symbol = stage.symbol
    view = await stage.grid(symbol, "a price", lambda view: view.price is not None)
    assert view.price is not None
    far = (view.price * Decimal("0.9")).quantize(Decimal(1))
    await stage.by_hand("byhand0001", symbol, Side.BUY, far, Decimal("0.001"))
    since = stage.story.now
    above = (view.price * Decimal("1.02")).quantize(Decimal(1))
    await stage.by_hand("byhand0002", symbol, Side.BUY, above, Decimal("0.05"), post_only=False)
    risk = await stage.story.until(
        "the breaker opens on the position",
        RiskChanged,
        lambda e: e.symbol == symbol and e.reason == "circuit_breaker",
        since=since,
        within_s=90,
    )
    assert "position" in risk.details, risk
    sweep = await stage.story.until(
        "a sweep after it", OpenOrders, lambda e: e.symbol == symbol, since=stage.story.now, within_s=60
    )
    assert any(order.client_order_id == ClientOrderId("byhand0001") for order in sweep.orders), sweep
    books = await stage.books()
    order = next(each for each in books.orders if each.client_order_id == "byhand0001")
    assert order.report(stage.entries[0].venue).status is OrderStatus.NEW, order


PLAYS = (
    Scenario("feed-silent", "the feed is silent with the socket open", _as_it_is, feed_silent),
    Scenario("command-old", "a command three hours old", _as_it_is, command_three_hours_old),
    Scenario("behind-its-back", "an order and a position made by hand", _as_it_is, behind_its_back),
)
