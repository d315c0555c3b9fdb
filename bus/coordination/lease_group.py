"""Groups of processes that share keys by leases in the bucket `lease`. A key is a unit of work, such as a symbol.

async with leases(bus, "engine", name) as mine:
    await mine.run_while_held("sim.BTC-USDT", work)     # waits, works until the lease is lost, releases
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bus.client.connection import Bus
from bus.coordination.lease import DEFAULT_TIMING, Timing
from bus.coordination.lease_keeper import Leases
from bus.log import get_logger


@asynccontextmanager
async def leases(
    bus: Bus, group: str, name: str, *, timing: Timing = DEFAULT_TIMING
) -> AsyncIterator[Leases]:
    """Join a group as `name`, share its keys, and leave when the context ends.

    When two processes use the same name, the later one is the member, and the earlier one waits until it is gone.
    """
    keeper = Leases(bus, group, name, timing, get_logger("lease"))
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(keeper.run(), name="leases")
            yield keeper
            running.cancel()
    finally:
        await keeper.leave()
