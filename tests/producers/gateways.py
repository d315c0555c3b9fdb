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
from schemas.engine.journal import RiskSummary, Step
from schemas.formats import record_hash
from schemas.subjects import Stream
from schemas.units import ZERO
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
        HeartbeatMonitor(silent_after_s, service.attention, first_s=silent_after_s),
        OrderLatencies(SIM, Outbox(service.bus, service.log)),
    )


async def commit(bus: Bus, *decisions: Decision, step: int = 1) -> int:
    record = msgspec.structs.replace(STEP, step=step, decisions=decisions, time=TIME)
    return await bus.store(subjects.step(SIM, PERP), record)


async def commit_linked(
    bus: Bus,
    step: int,
    *decisions: Decision,
    previous_hash: str | None = None,
    is_resyncing: bool = False,
) -> int:
    """Commit a step of version 2, linked to the last one unless `previous_hash` is given."""
    last = await bus.last(Stream.JOURNAL, subjects.step(SIM, PERP))
    linked = record_hash(last.data) if last is not None else ""
    record = msgspec.structs.replace(
        STEP,
        step=step,
        decisions=decisions,
        time=TIME,
        state_version=2,
        previous_hash=linked if previous_hash is None else previous_hash,
        risk=RiskSummary(
            generation=1, position=ZERO, price=None, booked_through=0, is_resyncing=is_resyncing
        ),
    )
    return await bus.store(subjects.step(SIM, PERP), record)


async def reports(bus: Bus, count: int) -> list[OrderReport]:
    found = await first(bus, Stream.ORDERS, REPORTS, count)
    return [event for event in found if isinstance(event, OrderReport)]
