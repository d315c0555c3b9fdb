"""Inputs of the exposure check, from a real bus."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import msgspec

from bus import Bus, Registry, Service
from producers.gateway.exposure import Exposure
from producers.gateway.exposure_feed import ExposureFeed
from schemas import (
    earlier_subjects,
    subjects,
)
from schemas.engine.journal import (
    RiskSummary,
)
from schemas.engine.portfolio import (
    PortfolioEntry,
    PortfolioLimits,
    PortfolioSettings,
)
from schemas.subjects import (
    ALL_VENUES,
)
from schemas.units import (
    Side,
    Symbol,
    VenueId,
)
from schemas.venue.account import Position
from schemas.venue.orders import OrderIntent
from tests.builders import SIM, TIME
from tests.producers.gateways import STEP
from tests.producers.simulated.examples import PERP, decision
from tests.schemas.examples import EXAMPLES

OLD_LIMITS = next(event for event in EXAMPLES if isinstance(event, PortfolioLimits))
LIMITS = msgspec.structs.replace(OLD_LIMITS, venue=ALL_VENUES)
POSITION = next(event for event in EXAMPLES if isinstance(event, Position))
OTHER = Symbol("ETH/USDT:USDT")
REMOTE = msgspec.structs.replace(
    STEP.state,
    symbol=OTHER,
    price=Decimal(100),
    accounts=msgspec.structs.replace(STEP.state.accounts, position=Decimal(7_000_000)),
    slots={},
)


def has_everything(exposure: Exposure) -> bool:
    has_remote_steps = exposure.total("USDT") >= 1_400_000_000
    return bool(exposure.settings and exposure.limits and exposure.positions and has_remote_steps)


async def run_until(bus: Bus, service: Service, exposure: Exposure, is_done: Callable[[], bool]) -> None:
    task = asyncio.create_task(ExposureFeed(exposure, bus, SIM, service.log).run())
    async with asyncio.timeout(10):
        while not is_done():  # noqa: ASYNC110 - the exposure has no events
            await asyncio.sleep(0.01)
    task.cancel()


async def test_the_feed_delivers_settings_limits_positions_and_the_steps_of_all_venues(
    bus: Bus, service: Service
) -> None:
    exposure = Exposure(SIM)
    entry = PortfolioEntry(venue=ALL_VENUES, settings=PortfolioSettings(max_exposure=Decimal(1000)))
    await Registry(bus, "portfolios").create(ALL_VENUES, entry)
    await bus.store(subjects.limits(), LIMITS)
    await bus.store(subjects.position(SIM, PERP), msgspec.structs.replace(POSITION, symbol=PERP))
    for venue in (SIM, VenueId("sim2")):
        await bus.store(subjects.step(venue, OTHER), msgspec.structs.replace(STEP, state=REMOTE))
    await run_until(bus, service, exposure, lambda: has_everything(exposure))
    assert exposure.settings == entry.settings
    assert exposure.limits == LIMITS


async def test_orders_in_intents_of_another_gateway_count(bus: Bus, service: Service) -> None:
    exposure = Exposure(SIM)
    task = asyncio.create_task(ExposureFeed(exposure, bus, SIM, service.log).run())
    risk = RiskSummary(generation=1, position=Decimal(3), price=Decimal(100), booked_through=0)
    await bus.store(subjects.limits(), LIMITS)
    await bus.store(
        subjects.step(SIM, OTHER), msgspec.structs.replace(STEP, symbol=OTHER, risk=risk, decisions=())
    )
    orders = (decision(Side.BUY, "100", "a"), decision(Side.BUY, "100", "b", quantity="2"))
    intent = OrderIntent(
        venue=SIM, symbol=OTHER, epoch=1, step=1, step_sequence=1, decisions=orders, time=TIME
    )
    await bus.store(subjects.order_intent(SIM, OTHER), intent)
    async with asyncio.timeout(20):
        while exposure.total("USDT") != 600:  # noqa: ASYNC110 - the exposure has no events
            await asyncio.sleep(0.01)
    task.cancel()


async def test_limits_of_version_0_1_count_until_there_are_those_of_all_venues(
    bus: Bus, service: Service
) -> None:
    exposure = Exposure(SIM)
    await bus.store(earlier_subjects.venue_limits(SIM), OLD_LIMITS)
    await run_until(bus, service, exposure, lambda: exposure.limits == OLD_LIMITS)
    await bus.store(subjects.limits(), LIMITS)
    await bus.store(earlier_subjects.venue_limits(SIM), msgspec.structs.replace(OLD_LIMITS, step=99))
    await run_until(bus, service, exposure, lambda: exposure.limits == LIMITS)
