"""Carries out the injections of a run."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

from bus.log import get_logger
from lab.simulation.faults.fault import NotPossible, Scene
from lab.simulation.faults.schedule import Injection
from lab.simulation.world.world import World
from producers.simulated.settings import FaultSettings

_log = get_logger("fault")


async def inject_all(world: World, injections: Sequence[Injection], counts: Counter[str]) -> None:
    """Inject faults at their times from now on; return when the last one has ended. `counts` gets those that occurred."""
    venue_faults: dict[str, FaultSettings] = {}
    async with asyncio.TaskGroup() as tasks:
        for each in injections:
            draw = random.Random(f"faults {world.settings.seed} {each.name}")
            scene = Scene(world, draw, each.duration_s, venue_faults)
            tasks.create_task(_inject(scene, each, counts), name=each.name)
    _set_clocks(world)


async def _inject(scene: Scene, injection: Injection, counts: Counter[str]) -> None:
    await asyncio.sleep(injection.at_s)
    try:
        async with injection.fault.inject(scene):
            counts[injection.fault.name] += 1
            _log.warning("fault_begins", fault=injection.name, duration_s=round(injection.duration_s, 1))
            await asyncio.sleep(injection.duration_s)
    except NotPossible:
        return
    if injection.duration_s:
        _log.warning("fault_ends", fault=injection.name)


def _set_clocks(world: World) -> None:
    """Set the wall clocks of suspended hosts, as a time service does."""
    for part in world.parts.values():
        part.host.set_clock()
