"""The portfolios of one engine process: one a venue, started again alone, and only where its lease is."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal

import msgspec
import pytest

from bus import Bus, NoLeases, Registry, Service, open_service
from engine.portfolio.runner import Portfolios
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.portfolio import PortfolioEntry, PortfolioSettings
from schemas.engine.portfolio_journal import PortfolioStep
from schemas.subjects import Stream
from schemas.units import VenueId
from tests.engine.conftest import ENTRY
from tests.engine.portfolio.test_actor import STEPS, until, until_limits
from tests.schemas.examples import SIM

ELSEWHERE = VenueId("elsewhere")


@pytest.fixture
async def here(bus: Bus) -> AsyncIterator[Service]:
    async with open_service("test", bus_url=bus.url, http_port=None) as here:
        yield here


@pytest.fixture
async def portfolios(here: Service) -> AsyncIterator[Portfolios]:
    running = Portfolios(here, NoLeases("test"))
    task = asyncio.create_task(running.run())
    yield running
    task.cancel()
    with contextlib.suppress(BaseException):
        await task


async def test_a_venue_that_is_traded_and_one_that_has_limits_have_a_portfolio(
    bus: Bus, here: Service, portfolios: Portfolios
) -> None:
    await Registry(bus, "symbols").create(subjects.registry_key(ENTRY.venue, ENTRY.symbol), ENTRY)
    entry = PortfolioEntry(venue=ELSEWHERE, settings=PortfolioSettings(max_exposure=Decimal(5)))
    await Registry(bus, "portfolios").create(ELSEWHERE, entry)
    assert (await until_limits(bus, lambda limits: True)).max_exposure == 0
    await until(bus, Stream.JOURNAL, subjects.limits(ELSEWHERE), lambda event: True)
    assert set(portfolios.status()) == {SIM, ELSEWHERE}
    assert b'market_maker_exposure{venue="sim"} 0.0' in here.metrics()


async def test_one_that_was_fenced_starts_again(bus: Bus, portfolios: Portfolios) -> None:
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
        (await entry_of(bus)),
    )
    await until(
        bus, Stream.JOURNAL, STEPS, lambda event: isinstance(event, PortfolioStep) and event.epoch == 8
    )
    assert (await until_limits(bus, lambda limits: limits.max_exposure == 6)).step == 2


async def entry_of(bus: Bus) -> int:
    stored = await Registry(bus, "portfolios").get(SIM)
    assert stored is not None
    return stored.revision
