"""Leases on a real bus: shared fairly, taken over from the silent, released at the end, kept through a new bucket."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import msgspec
import pytest

from bus import (
    Bus,
    EmbeddedServer,
    LastPerSubject,
    Leases,
    Registry,
    Timing,
    connect,
    leases,
    provision,
    read,
)
from bus.coordination.membership import Claim, Member
from bus.coordination.tenure import Lease

QUICK = Timing(renew_s=0.05, expire_s=0.3)
KEYS = ("a", "b", "c", "d")


class Worker:
    """A member that works on whatever it gets."""

    def __init__(self, tenure: Leases) -> None:
        self.tenure = tenure
        self.works: set[str] = set()
        self.changed = asyncio.Event()

    async def run(self, key: str) -> None:
        while True:
            await self.tenure.run_while_held(key, self._work)

    async def until(self, wanted: Callable[[set[str]], bool]) -> None:
        async with asyncio.timeout(10):
            while not wanted(self.works):
                self.changed.clear()
                await self.changed.wait()

    async def _work(self, lease: Lease) -> None:
        self.works.add(lease.key)
        self.changed.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.works.discard(lease.key)
            self.changed.set()


@asynccontextmanager
async def worker(url: str, name: str, keys: tuple[str, ...] = KEYS) -> AsyncIterator[Worker]:
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(connect(url, name=name))
        tenure = await stack.enter_async_context(leases(bus, "engine", name, timing=QUICK))
        here = Worker(tenure)
        tasks = [asyncio.create_task(here.run(key)) for key in keys]
        try:
            yield here
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def nothing(lease: Lease) -> None:
    assert not lease.lost.is_set()


async def test_who_is_alone_has_everything(server: EmbeddedServer, bus: Bus) -> None:
    async with worker(server.url, "one") as one:
        await one.until(lambda works: works == set(KEYS))
        assert one.tenure.members() == ["one"]


async def test_two_share_fairly_and_never_work_on_the_same(server: EmbeddedServer, bus: Bus) -> None:
    async with worker(server.url, "one") as one:
        await one.until(lambda works: works == set(KEYS))
        async with worker(server.url, "two") as two:
            await two.until(lambda works: len(works) == 2)
            assert one.works == set(KEYS) - two.works
            key = next(iter(two.works))
            assert one.tenure.holder(key) == "two"


async def test_what_is_released_at_the_end_is_taken_at_once(server: EmbeddedServer, bus: Bus) -> None:
    async with worker(server.url, "one") as one:
        async with worker(server.url, "two") as two:
            await two.until(lambda works: len(works) == 2)
        assert (await Registry(bus, "lease").get("member.engine.two")) is None
        await one.until(lambda works: works == set(KEYS))


async def test_the_keys_of_a_dead_member_are_taken_over(server: EmbeddedServer, bus: Bus) -> None:
    registry = Registry(bus, "lease")
    await registry.create("member.engine.dead", Member(incarnation="1"))
    await registry.create("engine.a", Claim(holder="dead", incarnation="1"))
    async with worker(server.url, "one", ("a",)) as one:
        await one.until(lambda works: works == {"a"})
        assert (await registry.get("member.engine.dead")) is None


async def test_a_restart_under_the_same_name_waits_for_nothing(server: EmbeddedServer, bus: Bus) -> None:
    registry = Registry(bus, "lease")
    await registry.create("member.engine.one", Member(incarnation="1"))
    await registry.create("engine.a", Claim(holder="one", incarnation="1"))
    patient = Timing(renew_s=0.05, expire_s=3600)
    async with connect(server.url, name="one") as own, leases(own, "engine", "one", timing=patient) as mine:
        async with asyncio.timeout(5):
            await mine.run_while_held("a", nothing)


async def test_of_one_name_the_later_works_and_the_earlier_waits(server: EmbeddedServer, bus: Bus) -> None:
    async with worker(server.url, "one", ("a",)) as earlier:
        await earlier.until(lambda works: works == {"a"})
        async with worker(server.url, "one", ("a",)) as later:
            await later.until(lambda works: works == {"a"})
            await earlier.until(lambda works: not works)
        await earlier.until(lambda works: works == {"a"})


async def test_a_bucket_that_was_made_anew_is_filled_again_and_nobody_stops(
    server: EmbeddedServer, bus: Bus
) -> None:
    async with worker(server.url, "one") as one, worker(server.url, "two") as two:
        await two.until(lambda works: len(works) == 2)
        await one.until(lambda works: len(works) == 2)
        one.changed.clear()
        two.changed.clear()
        await bus.api("STREAM.DELETE.KV_lease", None, dict)
        await provision(bus)
        claimed = {key: await first_claim(bus, key) for key in KEYS}
        assert {key for key, name in claimed.items() if name == "two"} == two.works
        assert not one.changed.is_set()
        assert not two.changed.is_set()


async def first_claim(bus: Bus, key: str) -> str:
    async with aclosing(read(bus, "KV_lease", (f"$KV.lease.engine.{key}",), LastPerSubject())) as batches:
        async for batch in batches:
            for message in batch.messages:
                return msgspec.json.decode(message.data, type=Claim).holder
    raise AssertionError("a stream is read for ever")


async def test_nonsense_in_the_bucket_is_written_over(server: EmbeddedServer, bus: Bus) -> None:
    await bus.publish("$KV.lease.engine.a", b"{nonsense")
    await bus.publish("$KV.lease.member.engine.one", b"[]")
    async with worker(server.url, "one", ("a",)) as one:
        await one.until(lambda works: works == {"a"})


async def test_of_two_that_end_together_each_is_the_last(server: EmbeddedServer, bus: Bus) -> None:
    async with AsyncExitStack() as stack:
        held = []
        for name in ("one", "two"):
            own = await stack.enter_async_context(connect(server.url, name=name))
            tenure = await stack.enter_async_context(leases(own, "engine", name, timing=QUICK))
            held.append(await stack.enter_async_context(tenure.held(name)))
        assert await asyncio.gather(*(lease.is_last() for lease in held)) == [True, True]


async def test_who_ends_while_another_stays_is_not_the_last(server: EmbeddedServer, bus: Bus) -> None:
    async def work(lease: Lease) -> None:
        assert not await lease.is_last()

    async with worker(server.url, "one") as one, connect(server.url, name="two") as own:
        await one.until(lambda works: works == set(KEYS))
        async with leases(own, "engine", "two", timing=QUICK) as mine:
            await mine.run_while_held("two", work)


async def test_who_lost_its_key_is_not_the_last(server: EmbeddedServer, bus: Bus) -> None:
    async def work(lease: Lease) -> None:
        lease.lost.set()
        assert not await lease.is_last()

    async with connect(server.url, name="one") as own, leases(own, "engine", "one", timing=QUICK) as mine:
        await mine.run_while_held("a", work)


async def test_work_that_fails_lets_go_and_says_so(server: EmbeddedServer, bus: Bus) -> None:
    async def work(lease: Lease) -> None:
        raise ValueError(lease.key)

    async with connect(server.url, name="one") as own, leases(own, "engine", "one", timing=QUICK) as mine:
        with pytest.raises(ValueError, match="a"):
            await mine.run_while_held("a", work)
        assert (await Registry(bus, "lease").get("engine.a")) is None


PAUSED = """
import asyncio, sys
from bus import Timing, connect, leases
async def main():
    async with connect(sys.argv[1], name="paused") as bus:
        async with leases(bus, "engine", "paused", timing=Timing(0.05, 0.3)) as mine:
            for _ in range(2):
                async with mine.held("a") as lease:
                    print("held", flush=True)
                    await lease.lost.wait()
                    print("lost", flush=True)
asyncio.run(main())
"""


async def test_who_was_paused_finds_its_key_gone_and_waits_for_it(server: EmbeddedServer, bus: Bus) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PAUSED,
        server.url,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            assert await process.stdout.readline() == b"held\n"
            process.send_signal(signal.SIGSTOP)
            async with worker(server.url, "other", ("a",)) as other:
                await other.until(lambda works: works == {"a"})
                process.send_signal(signal.SIGCONT)
                assert await process.stdout.readline() == b"lost\n"
                assert other.works == {"a"}
            assert await process.stdout.readline() == b"held\n"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_a_claim_that_vanished_unheard_is_no_claim(server: EmbeddedServer, bus: Bus) -> None:
    async with connect(server.url, name="one") as own, leases(own, "engine", "one", timing=QUICK) as mine:
        gone = Claim(holder="nobody", incarnation="gone")
        mine._board.hear("engine.a", msgspec.json.encode(gone), 99, 0.0)

        async with asyncio.timeout(10):
            await mine.run_while_held("a", nothing)
