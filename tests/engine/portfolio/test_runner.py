"""The portfolio in an engine process: started when it is needed, restarted after a failure."""

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
from schemas.engine.portfolio import CurrencyLimits, PortfolioSettings
from schemas.engine.portfolio_journal import PortfolioStep
from schemas.subjects import ALL, Stream
from tests.builders import BTC
from tests.engine.conftest import ENTRY
from tests.engine.portfolio.test_actor import STEPS, entry, hold, until, until_limits, usdt


@pytest.fixture
async def service(bus: Bus) -> AsyncIterator[Service]:
    async with open_service("test", bus=bus.url, http_port=None) as opened:
        yield opened


@pytest.fixture
async def portfolio(service: Service) -> AsyncIterator[PortfolioRunner]:
    running = PortfolioRunner(service, NoLeases("test"))
    task = asyncio.create_task(running.run())
    yield running
    task.cancel()
    with contextlib.suppress(BaseException):
        await task


def limited(maximum: int) -> PortfolioSettings:
    return PortfolioSettings(currencies={"USDT": CurrencyLimits(max_exposure=Decimal(maximum))})


async def test_it_starts_with_the_first_symbol(bus: Bus, portfolio: PortfolioRunner) -> None:
    assert portfolio.status() == {}
    await Registry(bus, "symbols").create(subjects.registry_key(ENTRY.venue, ENTRY.symbol), ENTRY)
    await until_limits(bus, lambda limits: True)
    assert portfolio.status()["step"] == 1


async def test_exposure_is_a_metric_by_currency(
    bus: Bus, service: Service, portfolio: PortfolioRunner
) -> None:
    await hold(bus, BTC, "2")
    await Registry(bus, "portfolios").create(ALL, entry(limited(500)))
    await until_limits(bus, lambda limits: usdt(limits).exposure == 200)
    assert b'market_maker_exposure{currency="USDT"} 200.0' in service.metrics()


async def test_a_fenced_portfolio_is_restarted(bus: Bus, portfolio: PortfolioRunner) -> None:
    revision = await Registry(bus, "portfolios").create(ALL, entry(limited(5)))
    assert revision is not None
    await until_limits(bus, lambda limits: True)
    stored = await bus.last(Stream.JOURNAL, STEPS)
    assert stored is not None
    other = msgspec.structs.replace(decode_as(stored.data, PortfolioStep), epoch=7)
    await bus.store(STEPS, other)
    await Registry(bus, "portfolios").update(ALL, entry(limited(6)), revision)
    await until(
        bus, Stream.JOURNAL, STEPS, lambda event: isinstance(event, PortfolioStep) and event.epoch == 8
    )
    assert (await until_limits(bus, lambda limits: usdt(limits).max_exposure == 6)).step == 2
