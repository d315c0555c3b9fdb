"""A rate limit far below what the grids want: orders are still placed."""

import asyncio
from pathlib import Path

import pytest

from bus import Bus
from cli.config.file import DEFAULT_FILE, load
from lab.scenarios.harness import harness_on
from lab.scenarios.settings import with_venue
from lab.scenarios.simulated import SimulatedStack
from lab.simulation.world.world import World, WorldSettings
from schemas.venue.orders import OrderReport, OrderStatus

REQUESTS_PER_S = 4.0
LATER_S = 40.0
"""By then the burst at the start is over, and orders have expired in the queue."""
OBSERVED_S = 10.0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_orders_are_placed_while_three_fast_grids_share_few_requests(tmp_path: Path) -> None:
    configuration = with_venue(load(DEFAULT_FILE), speed=4.0)
    producers = {"requests_per_s": REQUESTS_PER_S, "request_burst": 5}
    settings = WorldSettings(configuration, deadline_s=900, ends_on_failure=True, producers=producers)

    async def placed_later(world: World, bus: Bus) -> int:
        async with harness_on(SimulatedStack(world, bus), configuration) as harness:
            await asyncio.sleep(LATER_S)
            since = harness.recorder.mark
            await asyncio.sleep(OBSERVED_S)
            return len(harness.recorder.all(OrderReport, lambda e: e.status is OrderStatus.NEW, since=since))

    assert World(settings, tmp_path).run(placed_later) >= OBSERVED_S * REQUESTS_PER_S / 4
