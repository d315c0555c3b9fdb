"""Lock-step execution."""

import asyncio

import pytest

from bus import Bus, FreeRunning, LockStep, connect, grant_step
from tests.conftest import NewServer


async def test_free_running_never_waits() -> None:
    gate = FreeRunning()
    await gate.enter(10**18)
    gate.leave(10**18, 1)


async def test_work_waits_for_its_grant_and_grant_step_for_the_work(bus: Bus) -> None:
    done: list[int] = []

    async def work(gate: LockStep) -> None:
        for position in range(1, 6):
            await gate.enter(position)
            done.append(position)
            gate.leave(position, 10 * position)

    async with LockStep(bus, "engine") as gate:
        working = asyncio.create_task(work(gate))
        assert await grant_step(bus, "engine", until=2) == 20
        assert done == [1, 2]
        assert await grant_step(bus, "engine", until=5) == 50
        await working


async def test_a_grant_for_finished_work_returns_at_once(bus: Bus) -> None:
    async with LockStep(bus, "engine") as gate:
        gate.leave(7, 70)
        gate.leave(3, 71)

        assert await grant_step(bus, "engine", until=7) == 71


async def test_grant_step_waits_for_a_service_that_is_not_running(bus: Bus) -> None:
    granting = asyncio.create_task(grant_step(bus, "engine", until=1))
    await asyncio.wait([granting], timeout=0.02)
    async with LockStep(bus, "engine") as gate:
        await gate.enter(1)
        gate.leave(1, 5)

        assert await granting == 5


async def test_a_grant_is_repeated_after_a_restart_of_the_service(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.coordination.lock_step.REPLY_TIMEOUT_S", 0.05)
    async with LockStep(bus, "engine") as crashed:
        granting = asyncio.create_task(grant_step(bus, "engine", until=1))
        await crashed.enter(1)
    async with LockStep(bus, "engine") as gate:
        await gate.enter(1)
        gate.leave(1, 5)

        assert await granting == 5


async def test_grant_step_times_out(bus: Bus) -> None:
    with pytest.raises(TimeoutError, match="missing did not finish its step up to 3"):
        await grant_step(bus, "missing", until=3, timeout_s=0.05)


async def test_a_grant_survives_a_server_restart(new_server: NewServer) -> None:
    server = await new_server()
    async with (
        connect(server.url, name="a") as bus,
        connect(server.url, name="b") as other,
        LockStep(other, "engine") as gate,
    ):
        server.kill()
        await server.wait()
        granting = asyncio.create_task(grant_step(bus, "engine", until=1))
        await server.start()
        await gate.enter(1)
        gate.leave(1, 5)

        assert await granting == 5
