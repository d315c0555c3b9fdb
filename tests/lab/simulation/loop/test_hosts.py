"""Hosts: crashes without any `finally`, pauses, restarts, signals."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from lab.simulation.loop.event_loop import SimulatedLoop
from lab.simulation.loop.hosts import Host


@pytest.fixture
def loop() -> SimulatedLoop:
    return SimulatedLoop(1)


@pytest.fixture
def host(loop: SimulatedLoop) -> Host:
    return loop.host("engine", "10.0.0.1")


def during(loop: SimulatedLoop, host: Host, work: Coroutine[Any, Any, object], seconds: float) -> None:
    """Run a coroutine on a host for some time."""

    async def main() -> None:
        host.spawn(work)
        await asyncio.sleep(seconds)

    loop.run(main())


def test_a_crash_runs_no_finally_even_when_garbage_is_collected(loop: SimulatedLoop, host: Host) -> None:
    ended: list[str] = []

    @contextmanager
    def plain() -> Iterator[None]:
        try:
            yield
        finally:
            ended.append("context manager")

    @asynccontextmanager
    async def asynchronous() -> AsyncIterator[None]:
        try:
            yield
        finally:
            ended.append("asynchronous context manager")

    async def work() -> None:
        try:
            with plain():
                async with asynchronous():
                    await asyncio.sleep(100)
        except BaseException:
            ended.append("except")
            raise
        finally:
            ended.append("finally")

    async def main() -> None:
        host.spawn(work())
        await asyncio.sleep(1)
        host.crash()
        gc.collect()
        await asyncio.sleep(200)

    loop.run(main())
    gc.collect()
    assert ended == []


def test_a_task_that_only_waits_is_not_garbage(loop: SimulatedLoop, host: Host) -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("finally")

    async def main() -> None:
        host.spawn(work())
        await asyncio.sleep(1)
        gc.collect()
        assert len(asyncio.all_tasks()) == 2

    loop.run(main())
    assert ended == []


def test_a_crashed_process_does_nothing_more(loop: SimulatedLoop, host: Host) -> None:
    beats: list[float] = []

    async def beat() -> None:
        while True:
            await asyncio.sleep(1)
            beats.append(loop.time())

    async def main() -> None:
        host.spawn(beat())
        await asyncio.sleep(3.5)
        host.crash()
        assert len(asyncio.all_tasks()) == 1
        await asyncio.sleep(10)
        host.spawn(beat())
        await asyncio.sleep(1.5)

    loop.run(main())
    assert beats == [1, 2, 3, 14.5]


def test_the_end_of_a_run_ends_no_task_of_a_host(loop: SimulatedLoop, host: Host) -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            ended.append("finally")

    during(loop, host, work(), 1)
    gc.collect()
    assert ended == []


@pytest.mark.parametrize(("has_clock_stopped", "fired_at"), [(False, 8.0), (True, 12.0)])
def test_timers_wait_for_the_end_of_a_pause(
    loop: SimulatedLoop, host: Host, has_clock_stopped: bool, fired_at: float
) -> None:
    fired: list[float] = []

    async def work() -> None:
        await asyncio.sleep(5)
        fired.append(loop.true_time())

    async def main() -> None:
        host.spawn(work())
        await asyncio.sleep(1)
        host.pause()
        await asyncio.sleep(7)
        assert fired == []
        host.resume(has_clock_stopped=has_clock_stopped)
        await asyncio.sleep(10)

    loop.run(main())
    assert fired == [fired_at]


def test_a_clock_that_stood_still_is_late(loop: SimulatedLoop, host: Host) -> None:
    async def read() -> float:
        await asyncio.sleep(1)
        return loop.time()

    async def main() -> float:
        host.pause()
        await asyncio.sleep(10)
        host.resume(has_clock_stopped=True)
        return float(await host.spawn(read()))

    assert loop.run(main()) == 1


def test_ready_tasks_wait_for_the_end_of_a_pause(loop: SimulatedLoop, host: Host) -> None:
    found: list[float] = []

    async def work() -> None:
        found.append(loop.time())

    async def main() -> None:
        host.pause()
        host.spawn(work())
        await asyncio.sleep(4)
        host.resume()
        await asyncio.sleep(1)

    loop.run(main())
    assert found == [4]


def test_a_signal_calls_the_handler_of_the_process(loop: SimulatedLoop, host: Host) -> None:
    async def work(stopped: asyncio.Event) -> float:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        await stopped.wait()
        return loop.time()

    async def main() -> float:
        task = host.spawn(work(asyncio.Event()))
        await asyncio.sleep(2)
        host.signal(signal.SIGTERM)
        return float(await task)

    assert loop.run(main()) == 2


def test_a_process_cannot_crash_itself(loop: SimulatedLoop, host: Host) -> None:
    async def work() -> None:
        with pytest.raises(AssertionError, match="cannot crash itself"):
            host.crash()

    during(loop, host, work(), 1)


@pytest.mark.parametrize("stopped_s", [18.0691, 0.1, 1 / 3])
def test_a_timer_is_not_early_by_the_rounding_of_a_late_clock(
    loop: SimulatedLoop, host: Host, stopped_s: float
) -> None:
    early: list[float] = []

    def fire(due: float) -> None:
        early.append(due - loop.time())

    async def read() -> None:
        for number in range(1, 200):
            due = loop.time() + number / 7
            await asyncio.sleep(due - loop.time())
            asyncio.get_running_loop().call_at(due, fire, due)
            await asyncio.sleep(0.001)

    async def main() -> None:
        host.spawn(asyncio.sleep(1e6))
        host.pause()
        await asyncio.sleep(stopped_s)
        host.resume(has_clock_stopped=True)
        await host.spawn(read())

    loop.run(main())
    assert max(early) <= 0.0
