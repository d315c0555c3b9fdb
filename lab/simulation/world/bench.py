"""Speed of the simulation: `python -m lab.simulation.world.bench [--pace 10] [--tick 2.5] [--minutes 3]`.

Prints the simulated hours in an hour of CPU time, of three symbols, two engines and two gateways, in a lively market, in a
calm one and in one that stands still.
"""

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bus import Bus
from lab.simulation.configuration import default_configuration
from lab.simulation.world.world import World, WorldSettings
from schemas.units import SECOND_NS

WARM_UP_S = 30.0
"""Simulated seconds before the measurement: the grids are built."""
IDLE_TICK_S = 1_000_000.0
CALM_FACTOR = 1 / 3
"""The volatility of the calm market, as a part of the configured one, 0.25 % a minute: that of BTC is about 0.08 %."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured."""

    start_cpu_s: float
    """CPU seconds until all parts run and the grids are built."""
    hours_per_cpu_hour: float
    callbacks_per_s: float
    """Callbacks of the event loop in a simulated second."""


def measure(*, pace: float, tick_s: float, volatility: float, simulated_s: float) -> Speed:
    """Run a world of three symbols, two engines and two gateways; `volatility` is a factor of the configured one."""
    started, found = time.process_time(), list[Speed]()
    configuration = default_configuration(1)
    venue = configuration.venue
    symbols = [
        msgspec.structs.replace(each, volatility=each.volatility * volatility) for each in venue.symbols
    ]
    market = msgspec.structs.replace(venue, tick_interval=int(tick_s * SECOND_NS), symbols=tuple(symbols))
    configuration = msgspec.structs.replace(configuration, venues=(market,))

    async def run(world: World, _: Bus) -> None:
        await asyncio.sleep(WARM_UP_S)
        begun, handles = time.process_time(), world.loop.handles
        await asyncio.sleep(simulated_s)
        cpu_s, handles = time.process_time() - begun, world.loop.handles - handles
        found.append(Speed(begun - started, simulated_s / cpu_s, handles / simulated_s))

    with tempfile.TemporaryDirectory(prefix="opensqt-bench-") as folder:
        settings = WorldSettings(configuration, engines=2, gateways=2, pace=pace)
        World(settings, Path(folder)).run(run)
    return found[0]


def main() -> None:
    """Measure as the options say, and print the result."""
    parser = argparse.ArgumentParser(
        description="speed of the simulation, in simulated hours an hour of CPU time"
    )
    parser.add_argument(
        "--pace", type=float, default=10.0, help="stretch of background periods [%(default)g]"
    )
    parser.add_argument("--tick", type=float, default=2.5, help="seconds between two ticks [%(default)g]")
    parser.add_argument("--minutes", type=float, default=3.0, help="simulated minutes measured [%(default)g]")
    options = parser.parse_args()
    markets = (("lively", options.tick, 1.0), ("calm", options.tick, CALM_FACTOR), ("idle", IDLE_TICK_S, 1.0))
    for name, tick_s, volatility in markets:
        speed = measure(
            pace=options.pace, tick_s=tick_s, volatility=volatility, simulated_s=options.minutes * 60
        )
        print(
            f"{name:8} {speed.hours_per_cpu_hour:6.0f} simulated hours a CPU hour,"
            f" {speed.callbacks_per_s:5.0f} callbacks a second; start {speed.start_cpu_s:.1f} CPU s"
        )


if __name__ == "__main__":
    main()
