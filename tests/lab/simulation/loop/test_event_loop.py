"""The event loop: virtual time, order by seed, independence of the process it runs in."""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from lab.simulation.loop.event_loop import EPOCH_NS, SimulatedLoop, StalledError
from tests.layout import ROOT

T = TypeVar("T")

PROGRAM = """
import asyncio
from lab.simulation.loop.event_loop import SimulatedLoop

async def work(name, log):
    try:
        for _ in range(5):
            await asyncio.sleep(0)
            log.append(name)
        await asyncio.sleep(100)
    finally:
        log.append("ended " + name)

async def main(log):
    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(work(f"task {number}", log))
        await asyncio.sleep(1)
        tasks.create_task(asyncio.wait_for(asyncio.Event().wait(), 0.1))  # cancels a set of tasks

log = []
try:
    SimulatedLoop(7).run(main(log))
except BaseExceptionGroup:
    pass
print(log)
"""


def run(main: Callable[[], Awaitable[T]], seed: int = 1) -> T:
    async def call() -> T:
        return await main()

    return SimulatedLoop(seed).run(call())


def order_of(seed: int) -> list[int]:
    async def main() -> list[int]:
        found: list[int] = []

        async def note(number: int) -> None:
            await asyncio.sleep(0)
            found.append(number)

        await asyncio.gather(*(note(number) for number in range(10)))
        return found

    return run(main, seed)


def test_waiting_takes_virtual_time_only() -> None:
    async def main() -> float:
        await asyncio.sleep(30 * 86_400)
        return asyncio.get_running_loop().time()

    assert run(main) == 30 * 86_400


def test_a_timeout_ends_a_wait() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run(main) == 5


def test_the_seed_decides_the_order_of_tasks_that_are_ready_together() -> None:
    orders = [order_of(seed) for seed in (1, 1, 2)]

    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[2]) == list(range(10))


def test_the_seed_decides_the_random_numbers_of_the_code() -> None:
    async def main() -> float:
        return random.random()

    first = run(main)
    random.random()
    assert first == run(main) != run(main, seed=2)


def test_callbacks_keep_their_order() -> None:
    async def main() -> list[int]:
        found: list[int] = []
        for number in range(10):
            asyncio.get_running_loop().call_soon(found.append, number)
        await asyncio.sleep(1)
        return found

    assert run(main) == list(range(10))


@pytest.mark.parametrize("variables", [{"PYTHONHASHSEED": "1"}, {"PYTHONASYNCIODEBUG": "1"}])
def test_the_order_is_the_same_in_every_process(variables: dict[str, str]) -> None:
    def output(more: dict[str, str]) -> str:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **more}
        command = [sys.executable, "-c", PROGRAM]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert output(variables) == output({"PYTHONHASHSEED": "0"}) != "[]\n"


def test_a_function_runs_in_the_executor_without_a_thread() -> None:
    async def main() -> tuple[int, str]:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        return await asyncio.to_thread(lambda: 42), await asyncio.to_thread(str, 7)

    assert run(main) == (42, "7")


def test_waiting_for_ever_is_an_error() -> None:
    async def main() -> None:
        await asyncio.sleep(3)
        await asyncio.Event().wait()

    with pytest.raises(StalledError, match="nothing is left to do at 3 s"):
        run(main)


def test_a_busy_loop_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.simulation.loop.event_loop.MAX_ROUNDS_AT_ONCE", 1000)

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def again() -> None:
            loop.call_soon(again)

        again()
        await asyncio.sleep(1)

    with pytest.raises(StalledError, match="world is in a busy loop"):
        run(main)


def test_a_host_may_have_a_wrong_clock() -> None:
    loop = SimulatedLoop(1)
    host = loop.host("late", "10.0.0.1")
    host.wall_offset_ns = -2_000_000_000

    async def read() -> int:
        await asyncio.sleep(5)
        return loop.wall_time_ns()

    async def main() -> tuple[int, int]:
        return await host.spawn(read()), loop.wall_time_ns()

    assert loop.run(main()) == (EPOCH_NS + 3_000_000_000, EPOCH_NS + 5_000_000_000)


def test_many_canceled_timers_are_removed() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        for _ in range(5000):
            loop.call_later(1000, print).cancel()
        assert isinstance(loop, SimulatedLoop)
        return len(loop._timers._heap)

    assert run(main) < 2500
