"""Pre-trade checks: exposure limit and rate limits."""

import msgspec

from bus import Bus, Service
from producers.gateway.exposure import Exposure
from producers.gateway.rate_limiter import VenueRateLimiter
from producers.simulated.app import RunningVenue
from producers.simulated.settings import FaultSettings
from schemas.engine.portfolio import PortfolioLimits
from schemas.units import SECOND_NS, Side
from schemas.venue.orders import OrderStatus, RejectReason
from tests.builders import SIM
from tests.producers.conftest import RunGateway
from tests.producers.gateways import commit, new_context, reports
from tests.producers.simulated.examples import decision
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
