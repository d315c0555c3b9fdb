"""Portfolios of one engine process: one for each venue, each restarted alone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal

import msgspec
import pytest

from bus import Bus, NoLeases, Registry, Service, open_service
from engine.portfolio.runner import PortfolioRunner
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.portfolio import PortfolioEntry, PortfolioSettings
from schemas.engine.portfolio_journal import PortfolioStep
from schemas.subjects import Stream
from schemas.units import VenueId
from tests.builders import SIM
from tests.engine.conftest import ENTRY
from tests.engine.portfolio.test_actor import STEPS, until, until_limits

OTHER_VENUE = VenueId("elsewhere")


@pytest.fixture
async def service(bus: Bus) -> AsyncIterator[Service]:
    async with open_service("test", bus_url=bus.url, http_port=None) as opened:
        yield opened


@pytest.fixture
async def portfolios(service: Service) -> AsyncIterator[PortfolioRunner]:
    running = PortfolioRunner(service, NoLeases("test"))
    task = asyncio.create_task(running.run())
    yield running
    task.cancel()
    with contextlib.suppress(BaseException):
        await task


async def test_venues_with_symbols_or_limits_have_a_portfolio(
    bus: Bus, service: Service, portfolios: PortfolioRunner
) -> None:
    await Registry(bus, "symbols").create(subjects.registry_key(ENTRY.venue, ENTRY.symbol), ENTRY)
    entry = PortfolioEntry(venue=OTHER_VENUE, settings=PortfolioSettings(max_exposure=Decimal(5)))
    await Registry(bus, "portfolios").create(OTHER_VENUE, entry)
    assert (await until_limits(bus, lambda limits: True)).max_exposure == 0
    await until(bus, Stream.JOURNAL, subjects.limits(OTHER_VENUE), lambda event: True)
    assert set(portfolios.status()) == {SIM, OTHER_VENUE}
    assert b'market_maker_exposure{venue="sim"} 0.0' in service.metrics()


async def test_a_fenced_portfolio_is_restarted(bus: Bus, portfolios: PortfolioRunner) -> None:
    await Registry(bus, "portfolios").create(
        SIM, PortfolioEntry(venue=SIM, settings=PortfolioSettings(max_exposure=Decimal(5)))
    )
    await until_limits(bus, lambda limits: True)
    stored = await bus.last(Stream.JOURNAL, STEPS)
    assert stored is not None
    other = msgspec.structs.replace(decode_as(stored.data, PortfolioStep), epoch=7)
    await bus.store(STEPS, other)
    await Registry(bus, "portfolios").update(
        SIM,
        PortfolioEntry(venue=SIM, settings=PortfolioSettings(max_exposure=Decimal(6))),
        (await entry_revision(bus)),
    )
    await until(
        bus, Stream.JOURNAL, STEPS, lambda event: isinstance(event, PortfolioStep) and event.epoch == 8
    )
    assert (await until_limits(bus, lambda limits: limits.max_exposure == 6)).step == 2


async def entry_revision(bus: Bus) -> int:
    stored = await Registry(bus, "portfolios").get(SIM)
    assert stored is not None
    return stored.revision
