import asyncio

import pytest

from bus import Bus, FreeRunning, LockStep, connect, grant_step
from tests.conftest import NewServer


async def test_whoever_runs_free_never_waits() -> None:
    turns = FreeRunning()
    await turns.enter(10**18)
    turns.leave(10**18, 1)


async def test_work_waits_for_its_turn_and_the_giver_for_the_work(bus: Bus) -> None:
    done: list[int] = []

    async def work(turns: LockStep) -> None:
        for position in range(1, 6):
            await turns.enter(position)
            done.append(position)
            turns.leave(position, 10 * position)

    async with LockStep(bus, "engine") as turns:
        working = asyncio.create_task(work(turns))
        assert await grant_step(bus, "engine", until=2) == 20
        assert done == [1, 2]
        assert await grant_step(bus, "engine", until=5) == 50
        await working


async def test_a_turn_up_to_what_is_done_is_answered_at_once(bus: Bus) -> None:
    async with LockStep(bus, "engine") as turns:
        turns.leave(7, 70)
        turns.leave(3, 71)

        assert await grant_step(bus, "engine", until=7) == 71


async def test_the_giver_waits_for_a_part_that_is_away(bus: Bus) -> None:
    giving = asyncio.create_task(grant_step(bus, "engine", until=1))
    await asyncio.wait([giving], timeout=0.02)
    async with LockStep(bus, "engine") as turns:
        await turns.enter(1)
        turns.leave(1, 5)

        assert await giving == 5


async def test_a_part_started_anew_in_its_turn_is_asked_again(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.coordination.lock_step.ASK_AGAIN_S", 0.05)
    async with LockStep(bus, "engine") as crashed:
        giving = asyncio.create_task(grant_step(bus, "engine", until=1))
        await crashed.enter(1)
    async with LockStep(bus, "engine") as turns:
        await turns.enter(1)
        turns.leave(1, 5)

        assert await giving == 5


async def test_the_givers_patience_ends(bus: Bus) -> None:
    with pytest.raises(TimeoutError, match="nobody did not finish its turn up to 3"):
        await grant_step(bus, "nobody", until=3, timeout_s=0.05)


async def test_a_turn_survives_the_server(new_server: NewServer) -> None:
    server = await new_server()
    async with (
        connect(server.url, name="a") as bus,
        connect(server.url, name="b") as other,
        LockStep(other, "engine") as turns,
    ):
        server.kill()
        await server.wait()
        giving = asyncio.create_task(grant_step(bus, "engine", until=1))
        await server.start()
        await turns.enter(1)
        turns.leave(1, 5)

        assert await giving == 5
