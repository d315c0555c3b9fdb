"""A part whose clock is an hour wrong says so and leaves its work to others; refused cancels are not repeated at once."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from bus import Bus
from bus.alerts import open_incidents
from bus.coordination.clock_guard import CODE
from lab.simulation.configuration import default_configuration
from lab.simulation.mutants.search import MUTANTS, run_with, run_without
from lab.simulation.oracles.clocks import ClockWatch
from lab.simulation.world.world import World, WorldSettings
from schemas import subjects
from schemas.codec import decode_as
from schemas.parts import PartHeartbeat
from schemas.units import SECOND_NS

HOUR_NS = 3600 * SECOND_NS
SEED_OF_A_WRONG_CLOCK = 2


async def problems_of(bus: Bus, part: str) -> tuple[str, ...]:
    last = await bus.last("PARTS", subjects.part(part.partition("-")[0], part))
    assert last is not None
    return tuple(decode_as(last.data, PartHeartbeat).problems)


@pytest.mark.parametrize(
    ("part", "whose"),
    [
        ("engine-1", "the bus"),
        ("gateway-1", "the venue sim"),
        ("market", "the venue sim"),
        ("account", "the venue sim"),
    ],
)
def test_a_part_with_a_wrong_clock_gives_its_leases_up_until_it_is_right(
    tmp_path: Path, part: str, whose: str
) -> None:
    async def set_clock(world: World, bus: Bus) -> None:
        watch, host = ClockWatch(world), world.parts[part].host
        await asyncio.sleep(10)
        assert part in watch.holders().values()

        host.wall_offset_ns = HOUR_NS
        await asyncio.sleep(10)
        assert part not in watch.holders().values()
        (problem,) = await problems_of(bus, part)
        assert problem == f"clock: the clock of this host is 3600.0 s ahead of that of {whose}"
        (alert,) = (await open_incidents(bus, "alert.*.*", (CODE,))).values()
        assert alert.detail.startswith(f"{part}: the clock of this host is 3600.0 s ahead")

        host.wall_offset_ns = 0
        await asyncio.sleep(15)
        assert await problems_of(bus, part) == ()
        assert await open_incidents(bus, "alert.*.*", (CODE,)) == {}
        assert part in watch.holders().values()

    configuration = default_configuration(1)
    configuration = msgspec.structs.replace(configuration, symbols=configuration.symbols[:1])
    World(WorldSettings(configuration), tmp_path).run(set_clock)


def test_the_proofs_hold_with_a_gateway_whose_clock_is_wrong() -> None:
    result = run_without(MUTANTS["trust-own-clock"], SEED_OF_A_WRONG_CLOCK)

    assert (result.problems, result.marks["clock_wrong"] > 0) == ([], True)


def test_without_the_guard_the_leases_are_kept() -> None:
    problems = run_with(MUTANTS["trust-own-clock"], SEED_OF_A_WRONG_CLOCK).problems

    assert any(each.startswith("a part with a wrong clock holds no lease") for each in problems)
