"""The guard on a real bus: leases are released while the clock is wrong, and an alert is raised."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from bus import Bus, EmbeddedServer, Leases, get_logger, leases
from bus.alerts import open_incidents
from bus.coordination.clock_check import ClockCheck, Limits
from bus.coordination.clock_guard import CODE, ClockGuard
from bus.coordination.lease import Lease, Timing
from bus.runtime import time_ns
from schemas import subjects
from schemas.engine.events import AlertRaised
from schemas.subjects import ALL
from schemas.units import SECOND_NS, Symbol, TimeNs
from tests.builders import SIM
from tests.bus.events import eventually

SUBJECT = subjects.alert(SIM, Symbol(ALL))
FAST = Timing(renew_s=0.05, expire_s=0.3)
HOUR_NS = 3600 * SECOND_NS


class Worker:
    """Holds one key whenever it may."""

    def __init__(self) -> None:
        self.works = asyncio.Event()
        self.idle = asyncio.Event()

    async def run(self, own: Leases) -> None:
        while True:
            await own.run_while_held("a", self._work)

    async def _work(self, _: Lease) -> None:
        self.idle.clear()
        self.works.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.works.clear()
            self.idle.set()


@pytest.fixture
async def own(bus: Bus) -> AsyncIterator[Leases]:
    async with leases(bus, "gateway.sim", "gateway-1", timing=FAST) as found:
        yield found


def guard_of(bus: Bus, own: Leases) -> ClockGuard:
    check = ClockCheck("of the venue sim", Limits(SECOND_NS, SECOND_NS))
    return ClockGuard(bus, get_logger("test"), "gateway-1", own, check, SIM)


def read(guard: ClockGuard, ahead_ns: int) -> None:
    now: TimeNs = time_ns()
    guard.on_reading(now, now - ahead_ns, now)


async def incidents(bus: Bus) -> list[AlertRaised]:
    return list((await open_incidents(bus, SUBJECT, (CODE,))).values())


async def until_incidents(bus: Bus, count: int) -> list[AlertRaised]:
    async def has_count() -> bool:
        return len(await incidents(bus)) == count

    await eventually(has_count)
    return await incidents(bus)


async def test_leases_are_given_up_while_the_clock_is_wrong(bus: Bus, own: Leases) -> None:
    worker, guard = Worker(), guard_of(bus, own)
    working = asyncio.create_task(worker.run(own))
    async with asyncio.timeout(30):
        await worker.works.wait()
        read(guard, HOUR_NS)
        await worker.idle.wait()
        assert guard.status() == {
            "problem": "the clock of this host is 3600.0 s ahead of that of the venue sim"
        }
        with suppress(TimeoutError):
            async with asyncio.timeout(4 * FAST.expire_s):
                await worker.works.wait()
        assert not worker.works.is_set()
        read(guard, 0)
        await worker.works.wait()
    assert guard.status() == {}
    working.cancel()


async def test_another_process_takes_over(server: EmbeddedServer, bus: Bus, own: Leases) -> None:
    worker, other, guard = Worker(), Worker(), guard_of(bus, own)
    async with leases(bus, "gateway.sim", "gateway-2", timing=FAST) as others:
        tasks = [asyncio.create_task(worker.run(own))]
        async with asyncio.timeout(30):
            await worker.works.wait()
            tasks.append(asyncio.create_task(other.run(others)))
            read(guard, -HOUR_NS)
            await other.works.wait()
        assert not worker.works.is_set()
        for task in tasks:
            task.cancel()


async def test_an_alert_lasts_as_long_as_the_clock_is_wrong(bus: Bus, own: Leases) -> None:
    guard = guard_of(bus, own)
    running = asyncio.create_task(guard.run())
    read(guard, HOUR_NS)
    (alert,) = await until_incidents(bus, 1)
    assert alert.detail.startswith("gateway-1: the clock of this host is 3600.0 s ahead")
    read(guard, 0)
    await until_incidents(bus, 0)
    running.cancel()


async def test_the_next_process_ends_the_alert_of_one_that_was_killed(bus: Bus, own: Leases) -> None:
    running = asyncio.create_task((killed := guard_of(bus, own)).run())
    read(killed, HOUR_NS)
    await until_incidents(bus, 1)
    running.cancel()
    running = asyncio.create_task(guard_of(bus, own).run())
    await until_incidents(bus, 0)
    running.cancel()


async def test_renewals_are_readings_of_the_clock_of_the_bus(bus: Bus) -> None:
    readings: list[tuple[TimeNs, TimeNs, TimeNs]] = []
    found = asyncio.Event()

    def on_reading(sent: TimeNs, other: TimeNs, answered: TimeNs) -> None:
        readings.append((sent, other, answered))
        found.set()

    async with leases(bus, "engine", "engine-1", timing=FAST) as own:
        own.entry_times.on_reading = on_reading
        async with asyncio.timeout(30):
            await found.wait()
    sent, other, answered = readings[0]
    assert sent <= other <= answered
