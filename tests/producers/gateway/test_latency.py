"""Latency of the venue's responses, as published for the portfolio."""

import asyncio

from bus import Bus, Service
from producers.gateway.latency import OrderLatencies
from producers.retry import Outbox
from schemas import subjects
from schemas.engine.portfolio import OrderLatency
from schemas.subjects import Stream
from tests.builders import SIM
from tests.producers.streams import until


async def test_the_venues_latencies_are_published(bus: Bus, service: Service) -> None:
    latencies = OrderLatencies(SIM, Outbox(service.bus, service.log))
    for milliseconds in range(1, 101):
        latencies.observe(milliseconds * 1_000_000)
    task = asyncio.create_task(latencies.run())
    (published,) = await until(bus, Stream.ACCOUNT, subjects.order_latency(SIM), bool)
    task.cancel()
    assert isinstance(published, OrderLatency)
    assert (published.p50, published.p99, published.count) == (51_000_000, 100_000_000, 100)
