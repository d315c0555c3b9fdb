"""Inputs of the exposure check, from a real bus."""

import asyncio
from decimal import Decimal

import msgspec

from bus import Bus, Registry, Service
from producers.gateway.exposure import Exposure
from producers.gateway.exposure_feed import ExposureFeed
from schemas import subjects
from schemas.engine.portfolio import PortfolioEntry, PortfolioLimits, PortfolioSettings
from schemas.units import Symbol
from schemas.venue.account import Position
from tests.builders import SIM
from tests.producers.gateways import STEP
from tests.producers.simulated.examples import PERP
from tests.schemas.examples import EXAMPLES

LIMITS = next(event for event in EXAMPLES if isinstance(event, PortfolioLimits))
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
    has_remote_step = exposure.total() >= 700_000_000
    return bool(exposure.settings and exposure.limits and exposure.positions and has_remote_step)


async def test_the_feed_delivers_settings_limits_positions_and_other_gateways_steps(
    bus: Bus, service: Service
) -> None:
    exposure = Exposure()
    task = asyncio.create_task(ExposureFeed(exposure, bus, SIM, service.log).run())
    entry = PortfolioEntry(venue=SIM, settings=PortfolioSettings(max_exposure=Decimal(1000)))
    await Registry(bus, "portfolios").create(SIM, entry)
    await bus.store(subjects.limits(SIM), LIMITS)
    await bus.store(subjects.position(SIM, PERP), msgspec.structs.replace(POSITION, symbol=PERP))
    await bus.store(subjects.step(SIM, OTHER), msgspec.structs.replace(STEP, state=REMOTE))
    async with asyncio.timeout(5):
        while not has_everything(exposure):  # noqa: ASYNC110 - the exposure has no events
            await asyncio.sleep(0.01)
    task.cancel()
    assert exposure.settings == entry.settings
    assert exposure.limits == LIMITS
