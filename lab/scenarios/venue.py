"""Scenarios of the venue: it is slow, refuses, wants rest, and somebody else trades the account."""

from decimal import Decimal

from cli.config.file import Configuration
from lab.scenarios.harness import Stage
from lab.scenarios.runner import Scenario
from lab.scenarios.settings import unchanged, with_grids, with_venue
from producers.simulated.settings import FaultSettings
from schemas.engine.control import CommandName, CommandOutcome
from schemas.engine.events import Reconciled, ReconciliationFinding
from schemas.grid.view import NotQuoting
from schemas.units import SECOND_NS, Side
from schemas.venue.account import OpenOrders
from schemas.venue.orders import OrderReport, OrderStatus, RejectReason


def _impatient(configuration: Configuration) -> Configuration:
    return with_grids(configuration, max_order_latency=SECOND_NS)


async def slow_venue(stage: Stage) -> None:
    """Let every request take seconds to arrive: the latency of orders opens the circuit breaker, no id is used twice."""
    since = stage.story.now
    await stage.venue("faults", FaultSettings(request_late=1.0, request_delay=4 * SECOND_NS))
    price = await stage.price(stage.symbol)
    # To and fro over a level or two, a second each way: what is filled is replaced.
    ways = [price * (1000 + way) / 1000 for way in (1, -1) for _ in range(4)]
    await stage.path(stage.symbol, ways * 30)
    risk = await stage.risk(stage.symbol, "circuit_breaker", since=since, within_s=120)
    assert "order latency" in risk.details, risk
    await stage.stopped(stage.symbol, NotQuoting.BREAKER_OPEN, since=since)


def _poor(configuration: Configuration) -> Configuration:
    return with_grids(with_venue(configuration, balances={"USDT": Decimal(90)}), preflight=False)


async def no_margin(stage: Stage) -> None:
    """Trade an account with too little in it: a refusal for margin stops what opens, for a while."""
    lock = await stage.risk(stage.symbol, "margin_locked", since=0, within_s=60)
    assert lock.active, lock
    await stage.stopped(stage.symbol, NotQuoting.MARGIN_LOCKED, since=0)
    since = stage.story.now
    await stage.risk(stage.symbol, "margin_locked", since=since, active=False, within_s=60)


def _brief(configuration: Configuration) -> Configuration:
    return with_grids(configuration, rejection_cool_down=8 * SECOND_NS)


async def post_only_refused(stage: Stage) -> None:
    """Let the venue refuse every post-only order: each level gives up after three, rests, and tries again."""
    symbol = stage.symbol
    await stage.command(CommandName.PAUSE)
    await stage.until_open(symbol, lambda count: count == 0)
    refusals = 100_000
    await stage.venue("refusals", {"count": refusals, "reason": "post_only_would_cross"})
    since = stage.story.now
    await stage.command(CommandName.RESUME)
    await stage.stopped(symbol, NotQuoting.COOL_DOWN, since=since)
    refused = stage.story.all(
        OrderReport,
        lambda e: e.symbol == symbol and e.reject_reason is RejectReason.POST_ONLY_WOULD_CROSS,
        since=since,
    )
    settings = stage.entries[0].settings
    levels = settings.buy_window + settings.sell_window + 2
    assert len(refused) <= levels * settings.post_only_retries, len(refused)
    await stage.venue("refusals", {"count": 1, "reason": "post_only_would_cross"})
    await stage.grid(
        symbol, "quoting again", lambda view: view.not_quoting is None, since=stage.story.now, within_s=60
    )


async def rate_limited(stage: Stage) -> None:
    """Let the venue answer a burst of requests with 429: the gateway rests, and the grid is whole again after it."""
    symbol, since = stage.symbol, stage.story.now
    await stage.command(CommandName.PAUSE)
    await stage.until_open(symbol, lambda count: count == 0)
    await stage.venue("refusals", {"count": 25, "reason": "rate_limited"})
    await stage.command(CommandName.RESUME)
    await stage.story.until(
        "an order that was not placed",
        OrderReport,
        lambda e: e.status is OrderStatus.NOT_PLACED and e.reject_reason is RejectReason.RATE_LIMITED,
        since=since,
    )
    window = stage.entries[0].settings.buy_window
    await stage.until_open(symbol, lambda count: count >= window, within_s=60)


async def behind_its_back(stage: Stage) -> None:
    """Trade the account by hand, too: that order stays, and that position is seen and answered."""
    symbol, since = stage.symbol, stage.story.now
    price = await stage.price(symbol)
    far, above = ((price * share).quantize(Decimal(1)) for share in (Decimal("0.9"), Decimal("1.02")))
    await stage.by_hand("byhand0001", symbol, Side.BUY, far, Decimal("0.001"))
    await stage.traded(symbol)
    await stage.by_hand("byhand0002", symbol, Side.BUY, above, Decimal("0.05"), post_only=False)
    risk = await stage.risk(symbol, "circuit_breaker", since=since, within_s=120)
    assert "position" in risk.details, risk
    found = stage.story.all(Reconciled, lambda e: e.finding is ReconciliationFinding.POSITION_DIFFERS)
    assert found, "no correction was published"
    sweep = await stage.story.until(
        "a sweep after it", OpenOrders, lambda e: e.symbol == symbol, since=stage.story.now, within_s=60
    )
    assert any(order.client_order_id == "byhand0001" for order in sweep.orders), sweep
    result = await stage.command(CommandName.STOP)
    assert result.outcome is CommandOutcome.APPLIED, result
    await stage.until_open(symbol, lambda count: count == 0, opening=False)
    books = await stage.books()
    order = next(each for each in books.orders if each.client_order_id == "byhand0001")
    assert order.is_open, order


async def command_three_hours_old(stage: Stage) -> None:
    """Give a command that is three hours old: it is answered, and does nothing."""
    result = await stage.command(CommandName.PAUSE, age_s=3 * 3600)
    assert result.outcome is CommandOutcome.EXPIRED, result
    view = await stage.grid(stage.symbol, "a grid after it", lambda view: True, since=stage.story.now)
    assert not view.paused, view


VENUE = (
    Scenario("slow-venue", "the venue takes seconds", _impatient, slow_venue),
    Scenario("no-margin", "the account has too little margin", _poor, no_margin),
    Scenario("post-only-refused", "every post-only order is refused", _brief, post_only_refused),
    Scenario("rate-limited", "a burst of 429", unchanged, rate_limited),
    Scenario("behind-its-back", "an order and a position made by hand", unchanged, behind_its_back),
    Scenario("command-old", "a command three hours old", unchanged, command_three_hours_old),
)
