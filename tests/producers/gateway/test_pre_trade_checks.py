"""Pre-trade checks: exposure limit and rate limits."""

from decimal import Decimal

import msgspec

from bus import Bus, Service
from producers.gateway.context import QUEUE_LIFETIME_NS
from producers.gateway.exposure import Exposure
from producers.gateway.rate_limiter import VenueRateLimiter
from producers.simulated.app import RunningVenue
from producers.simulated.settings import FaultSettings
from schemas.engine.portfolio import PortfolioLimits
from schemas.grid.settings import NEW_GRID
from schemas.units import SECOND_NS, Side
from schemas.venue.orders import CancelOrder, OrderStatus, QueryOrder, RejectReason
from tests.builders import POSITION, SIM
from tests.producers.conftest import RunGateway
from tests.producers.gateways import commit, new_context, reports
from tests.producers.simulated.examples import PERP, decision
from tests.schemas.examples import EXAMPLES

LIMITS = next(event for event in EXAMPLES if isinstance(event, PortfolioLimits))
BUY = decision(Side.BUY, "99.5", "a")
CLOSE = msgspec.structs.replace(decision(Side.BUY, "99", "c"), opens=False)


def exhausted() -> Exposure:
    exposure = Exposure(SIM)
    exposure.limits = msgspec.structs.replace(LIMITS, is_opening_allowed=False, reason="1000 of 1000")
    return exposure


async def test_above_the_limit_only_closing_orders_are_sent(
    bus: Bus, service: Service, served: RunningVenue, run_gateway: RunGateway
) -> None:
    async with run_gateway(context=new_context(service, exposure=exhausted())):
        await commit(bus, BUY, CLOSE)
        found = {str(report.client_order_id): report for report in await reports(bus, 2)}
    assert (found["a"].status, found["a"].reject_reason) == (
        OrderStatus.NOT_PLACED,
        RejectReason.EXPOSURE_LIMIT,
    )
    assert found["a"].detail == "1000 of 1000"
    assert found["c"].status is OrderStatus.NEW
    assert len(served.venue.history()[0]) == 1


async def test_rate_limit_rejections_pause_requests_and_later_orders_are_sent(
    bus: Bus, service: Service, served: RunningVenue, run_gateway: RunGateway
) -> None:
    served.faults.settings = FaultSettings(rate_limited=1.0, retry_after_s=0.2)
    async with run_gateway(context=new_context(service, rate_limiter=VenueRateLimiter(0, 1))):
        await commit(bus, *(decision(Side.BUY, "99", f"n{number}") for number in range(8)))
        found = await reports(bus, 8)
        served.faults.settings = FaultSettings()
        await commit(bus, BUY, step=2)
        (*_, last) = await reports(bus, 9)
    assert {report.reject_reason for report in found} == {RejectReason.RATE_LIMITED}
    assert last.status is OrderStatus.NEW


async def test_far_orders_expire_in_the_queue(
    bus: Bus, service: Service, served: RunningVenue, run_gateway: RunGateway
) -> None:
    orders = [decision(Side.BUY, str(99 - number), f"n{number}") for number in range(4)]
    context = new_context(service, rate_limiter=VenueRateLimiter(0.5, 2))
    async with run_gateway(place_lifetime_ns=SECOND_NS // 5, context=context):
        await commit(bus, *reversed(orders))
        found = {str(report.client_order_id): report for report in await reports(bus, 4)}
    assert [found[f"n{number}"].status for number in range(4)] == [OrderStatus.NEW] * 2 + [
        OrderStatus.NOT_PLACED
    ] * 2
    assert found["n3"].reject_reason is RejectReason.RATE_LIMITED


async def test_an_order_that_waits_longer_than_the_queue_lifetime_is_not_placed(
    bus: Bus, service: Service, run_gateway: RunGateway
) -> None:
    limiter = VenueRateLimiter(0, 1)
    context = new_context(service, rate_limiter=limiter)._replace(queue_lifetime_ns=SECOND_NS // 5)
    async with run_gateway(context=context):
        limiter.pause(3600)
        await commit(bus, CLOSE, BUY)
        found = await reports(bus, 2)
    assert {(each.status, each.reject_reason) for each in found} == {
        (OrderStatus.NOT_PLACED, RejectReason.RATE_LIMITED)
    }


def test_the_wait_in_the_queue_is_half_of_a_new_grids_order_latency_limit() -> None:
    limit = NEW_GRID["max_order_latency"]
    assert isinstance(limit, int)
    assert limit >= 2 * QUEUE_LIFETIME_NS


async def test_a_query_of_an_order_that_waits_takes_no_turn_from_later_orders(
    bus: Bus, service: Service, run_gateway: RunGateway
) -> None:
    later = decision(Side.BUY, "99", "b")
    context = new_context(service, rate_limiter=VenueRateLimiter(2, 1))
    async with run_gateway(context=context):
        await commit(bus, BUY, QueryOrder(client_order_id=BUY.client_order_id), later)
        found = await reports(bus, 2)
    assert [(each.client_order_id, each.status) for each in found] == [
        ("a", OrderStatus.NEW),
        ("b", OrderStatus.NEW),
    ]


async def test_orders_that_wait_are_withdrawn_by_their_cancel_and_never_sent(
    bus: Bus, service: Service, served: RunningVenue, run_gateway: RunGateway
) -> None:
    limiter = VenueRateLimiter(0, 1)
    orders = [decision(Side.BUY, str(99 - number), f"n{number}") for number in range(12)]
    cancels = [CancelOrder(client_order_id=order.client_order_id) for order in orders]
    async with run_gateway(context=new_context(service, rate_limiter=limiter)):
        limiter.pause(3600)
        await commit(bus, *orders)
        await commit(bus, *cancels, step=2)
        found = await reports(bus, 12)
    assert {(each.status, each.reject_reason) for each in found} == {
        (OrderStatus.NOT_PLACED, RejectReason.WITHDRAWN)
    }
    assert served.venue.history()[0] == []


async def test_at_the_limit_an_order_that_adds_nothing_to_the_exposure_is_sent(
    bus: Bus, service: Service, run_gateway: RunGateway
) -> None:
    exposure = exhausted()
    exposure.positions[SIM, PERP] = msgspec.structs.replace(POSITION, symbol=PERP, quantity=Decimal(2))
    sell, more = (decision(Side.SELL, price, name) for price, name in (("101", "s"), ("102", "m")))
    buy = decision(Side.BUY, "99.5", "b")
    async with run_gateway(context=new_context(service, exposure=exposure)):
        await commit(bus, sell, more, buy)
        found = {str(each.client_order_id): each.status for each in await reports(bus, 3)}
    assert found == {"s": OrderStatus.NEW, "m": OrderStatus.NEW, "b": OrderStatus.NOT_PLACED}
