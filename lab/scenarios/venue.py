"""Scenarios of the venue: slow, rejecting or rate limiting; manual trades and stale commands."""

from decimal import Decimal

from cli.config.file import Configuration
from lab.scenarios.harness import Harness
from lab.scenarios.runner import Scenario
from lab.scenarios.settings import unchanged, with_grids, with_slow_ticks, with_venue
from producers.simulated.settings import FaultSettings
from schemas.engine.control import CommandName, CommandOutcome
from schemas.engine.events import Reconciled, ReconciliationFinding, RiskChanged
from schemas.grid.view import NotQuoting
from schemas.units import SECOND_NS, Side
from schemas.venue.account import OpenOrders
from schemas.venue.orders import OrderReport, OrderStatus, RejectReason

FAR_ORDER = "byhand0001"
LARGE_ORDER = "byhand0002"


def _configure_slow_venue(configuration: Configuration) -> Configuration:
    return with_grids(configuration, max_order_latency=SECOND_NS)


async def slow_venue(harness: Harness) -> None:
    """Delay every request by seconds: order latency opens the circuit breaker, and no order id is reused."""
    since = harness.recorder.mark
    await harness.post_admin("faults", FaultSettings(request_late=1.0, request_delay=4 * SECOND_NS))
    price = await harness.last_price(harness.symbol)
    # Oscillate over a level or two, one second each way, so that filled orders are replaced.
    period = [price * (1000 + offset) / 1000 for offset in (1, -1) for _ in range(4)]
    await harness.script_prices(harness.symbol, period * 30)
    risk = await harness.wait_for_risk(harness.symbol, "circuit_breaker", since=since, within_s=120)
    assert "order latency" in risk.details, risk
    await harness.wait_until_not_quoting(harness.symbol, NotQuoting.BREAKER_OPEN, since=since)


def _configure_no_margin(configuration: Configuration) -> Configuration:
    return with_grids(with_venue(configuration, balances={"USDT": Decimal(90)}), preflight=False)


async def no_margin(harness: Harness) -> None:
    """Start with a balance too small for the grid: what stands stays, and more is opened when the free balance has grown."""
    symbol = harness.symbol
    risk = await harness.wait_for_risk(symbol, "margin_locked", since=0, within_s=60)
    assert risk.active, risk
    await harness.wait_for_open_orders(symbol, lambda count: count > 0)
    since = harness.recorder.mark
    await harness.send_command(CommandName.PAUSE)
    await harness.wait_for_risk(symbol, "margin_locked", since=since, active=False, within_s=60)
    await harness.send_command(CommandName.RESUME)
    await harness.wait_until_quoting(symbol, since=since, within_s=60)


def _configure_post_only_rejected(configuration: Configuration) -> Configuration:
    return with_grids(configuration, rejection_cool_down=8 * SECOND_NS)


async def post_only_rejected(harness: Harness) -> None:
    """Reject every post-only order: each level stops after three, cools down, and retries."""
    symbol = harness.symbol
    await harness.send_command(CommandName.PAUSE)
    await harness.wait_for_open_orders(symbol, lambda count: count == 0)
    await harness.post_admin("refusals", {"count": 100_000, "reason": "post_only_would_cross"})
    since = harness.recorder.mark
    await harness.send_command(CommandName.RESUME)
    await harness.wait_until_not_quoting(symbol, NotQuoting.COOL_DOWN, since=since)
    rejected = harness.recorder.all(
        OrderReport,
        lambda e: e.symbol == symbol and e.reject_reason is RejectReason.POST_ONLY_WOULD_CROSS,
        since=since,
    )
    settings = harness.entries[0].settings
    levels = settings.buy_window + settings.sell_window + 2
    assert len(rejected) <= levels * settings.post_only_retries, len(rejected)
    await harness.post_admin("refusals", {"count": 1, "reason": "post_only_would_cross"})
    await harness.wait_until_quoting(symbol, since=harness.recorder.mark, within_s=60)


async def rate_limited(harness: Harness) -> None:
    """Answer a burst of requests with 429: the gateway backs off, and the grid is complete again afterwards.

    No circuit breaker opens: the orders that waited were decided again.
    """
    symbol, since = harness.symbol, harness.recorder.mark
    await harness.send_command(CommandName.PAUSE)
    await harness.wait_for_open_orders(symbol, lambda count: count == 0)
    await harness.post_admin("refusals", {"count": 25, "reason": "rate_limited"})
    await harness.send_command(CommandName.RESUME)
    await harness.recorder.wait_for(
        "an order is not placed because of the rate limit",
        OrderReport,
        lambda e: e.status is OrderStatus.NOT_PLACED and e.reject_reason is RejectReason.RATE_LIMITED,
        since=since,
    )
    window = harness.entries[0].settings.buy_window
    await harness.wait_for_open_orders(symbol, lambda count: count >= window, within_s=60)
    opened = harness.recorder.all(
        RiskChanged, lambda e: e.reason == "circuit_breaker" and e.active, since=since
    )
    assert not opened, opened


async def manual_trading(harness: Harness) -> None:
    """Trade the account manually, too: the manual order stays; the manual position is found and corrected."""
    symbol, since = harness.symbol, harness.recorder.mark
    price = await harness.last_price(symbol)
    far, above = ((price * share).quantize(Decimal(1)) for share in (Decimal("0.9"), Decimal("1.02")))
    await harness.place_manual_order(FAR_ORDER, symbol, Side.BUY, far, Decimal("0.001"))
    await harness.next_fill(symbol)
    await harness.place_manual_order(LARGE_ORDER, symbol, Side.BUY, above, Decimal("0.05"), post_only=False)
    risk = await harness.wait_for_risk(symbol, "circuit_breaker", since=since, within_s=120)
    assert "position" in risk.details, risk
    await harness.recorder.wait_for(
        "the difference of the position is reported",
        Reconciled,
        lambda e: e.symbol == symbol and e.finding is ReconciliationFinding.POSITION_DIFFERS,
        since=since,
    )
    sweep = await harness.recorder.wait_for(
        "the next sweep of open orders",
        OpenOrders,
        lambda e: e.symbol == symbol,
        since=harness.recorder.mark,
        within_s=60,
    )
    assert any(order.client_order_id == FAR_ORDER for order in sweep.orders), sweep
    result = await harness.send_command(CommandName.STOP)
    assert result.outcome is CommandOutcome.APPLIED, result
    await harness.wait_for_open_orders(symbol, lambda count: count == 0, opening_only=False)
    books = await harness.venue_books()
    order = next(order for order in books.orders if order.client_order_id == FAR_ORDER)
    assert order.is_open, order


async def expired_command(harness: Harness) -> None:
    """Send a command that is three hours old: its result is `expired`, and it has no effect."""
    result = await harness.send_command(CommandName.PAUSE, age_s=3 * 3600)
    assert result.outcome is CommandOutcome.EXPIRED, result
    view = await harness.wait_for_grid(
        harness.symbol, "a later grid view", lambda view: True, since=harness.recorder.mark
    )
    assert not view.paused, view


VENUE = (
    Scenario("slow-venue", "the venue takes seconds per request", _configure_slow_venue, slow_venue),
    Scenario("no-margin", "the account has too little margin", _configure_no_margin, no_margin),
    Scenario(
        "post-only-refused",
        "every post-only order is rejected",
        _configure_post_only_rejected,
        post_only_rejected,
    ),
    Scenario("rate-limited", "a burst of 429 responses", unchanged, rate_limited),
    Scenario("behind-its-back", "a manual order and a manual position", with_slow_ticks, manual_trading),
    Scenario("command-old", "a command that is three hours old", unchanged, expired_command),
)
