"""Helpers for gateway tests: context, committed decisions, reports."""

import msgspec

from bus import Bus, Service
from producers.gateway.context import GatewayContext
from producers.gateway.engine_watchdog import HeartbeatMonitor
from producers.gateway.exposure import Exposure
from producers.gateway.latency import OrderLatencies
from producers.gateway.rate_limiter import VenueRateLimiter
from producers.retry import Outbox
from schemas import subjects
from schemas.engine.journal import Step
from schemas.subjects import Stream
from schemas.venue.orders import Decision, OrderReport
from tests.builders import SIM, TIME
from tests.producers.simulated.examples import PERP
from tests.producers.streams import first
from tests.schemas.examples import EXAMPLES

STEP = next(event for event in EXAMPLES if isinstance(event, Step))
REPORTS = subjects.order_report(SIM, PERP)
INTENTS = subjects.order_intent(SIM, PERP)


def new_context(
    service: Service,
    *,
    exposure: Exposure | None = None,
    silent_after_s: float = 0,
    rate_limiter: VenueRateLimiter | None = None,
) -> GatewayContext:
    return GatewayContext(
        rate_limiter or VenueRateLimiter(0, 1),
        exposure or Exposure(SIM),
        HeartbeatMonitor(silent_after_s, first_s=silent_after_s),
        OrderLatencies(SIM, Outbox(service.bus, service.log)),
    )


async def commit(bus: Bus, *decisions: Decision, step: int = 1) -> int:
    record = msgspec.structs.replace(STEP, step=step, decisions=decisions, time=TIME)
    return await bus.store(subjects.step(SIM, PERP), record)


async def reports(bus: Bus, count: int) -> list[OrderReport]:
    found = await first(bus, Stream.ORDERS, REPORTS, count)
    return [event for event in found if isinstance(event, OrderReport)]
