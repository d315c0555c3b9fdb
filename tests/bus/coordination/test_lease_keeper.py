"""Leases on a real bus: fair shares, takeover from silent members, release, recovery from a recreated bucket."""

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
from bus.coordination.lease import Lease
from bus.coordination.membership import Claim, Member

FAST = Timing(renew_s=0.05, expire_s=0.3)
KEYS = ("a", "b", "c", "d")


class Worker:
    """A member that records which keys it works on."""

    def __init__(self, provider: Leases) -> None:
        self.provider = provider
        self.works: set[str] = set()
        self.changed = asyncio.Event()

    async def run(self, key: str) -> None:
        while True:
            await self.provider.run_while_held(key, self._work)

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
async def running_worker(url: str, name: str, keys: tuple[str, ...] = KEYS) -> AsyncIterator[Worker]:
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(connect(url, name=name))
        provider = await stack.enter_async_context(leases(bus, "engine", name, timing=FAST))
        worker = Worker(provider)
        tasks = [asyncio.create_task(worker.run(key)) for key in keys]
        try:
            yield worker
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def no_work(lease: Lease) -> None:
    assert not lease.lost.is_set()


async def test_a_single_member_holds_every_key(server: EmbeddedServer, bus: Bus) -> None:
    async with running_worker(server.url, "one") as one:
        await one.until(lambda works: works == set(KEYS))
        assert one.provider.members() == ["one"]


async def test_two_members_share_the_keys_and_never_hold_the_same(server: EmbeddedServer, bus: Bus) -> None:
    async with running_worker(server.url, "one") as one:
        await one.until(lambda works: works == set(KEYS))
        async with running_worker(server.url, "two") as two:
            await two.until(lambda works: len(works) == 2)
            assert one.works == set(KEYS) - two.works
            key = next(iter(two.works))
            assert one.provider.holder(key) == "two"


async def test_keys_released_on_exit_are_taken_over(server: EmbeddedServer, bus: Bus) -> None:
    async with running_worker(server.url, "one") as one:
        async with running_worker(server.url, "two") as two:
            await two.until(lambda works: len(works) == 2)
        assert (await Registry(bus, "lease").get("member.engine.two")) is None
        await one.until(lambda works: works == set(KEYS))


async def test_the_keys_of_a_dead_member_are_taken_over(server: EmbeddedServer, bus: Bus) -> None:
    registry = Registry(bus, "lease")
    await registry.create("member.engine.dead", Member(incarnation="1"))
    await registry.create("engine.a", Claim(holder="dead", incarnation="1"))
    async with running_worker(server.url, "one", ("a",)) as one:
        await one.until(lambda works: works == {"a"})
        assert (await registry.get("member.engine.dead")) is None


async def test_a_restart_under_the_same_name_gets_its_keys_at_once(server: EmbeddedServer, bus: Bus) -> None:
    registry = Registry(bus, "lease")
    await registry.create("member.engine.one", Member(incarnation="1"))
    await registry.create("engine.a", Claim(holder="one", incarnation="1"))
    slow = Timing(renew_s=0.05, expire_s=3600)
    async with connect(server.url, name="one") as own, leases(own, "engine", "one", timing=slow) as mine:
        async with asyncio.timeout(5):
            await mine.run_while_held("a", no_work)


async def test_of_two_members_with_one_name_only_the_later_works(server: EmbeddedServer, bus: Bus) -> None:
    async with running_worker(server.url, "one", ("a",)) as earlier:
        await earlier.until(lambda works: works == {"a"})
        async with running_worker(server.url, "one", ("a",)) as later:
            await later.until(lambda works: works == {"a"})
            await earlier.until(lambda works: not works)
        await earlier.until(lambda works: works == {"a"})


async def test_a_recreated_bucket_is_refilled_without_interrupting_work(
    server: EmbeddedServer, bus: Bus
) -> None:
    async with running_worker(server.url, "one") as one, running_worker(server.url, "two") as two:
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


async def test_leases_are_taken_again_when_the_bucket_is_purged(server: EmbeddedServer, bus: Bus) -> None:
    async with running_worker(server.url, "one") as one, running_worker(server.url, "two") as two:
        await one.until(lambda works: len(works) == 2)
        await two.until(lambda works: len(works) == 2)
        await bus.api("STREAM.PURGE.KV_lease", None, dict)
        await one.until(lambda works: len(works) < 2)
        while {*one.works, *two.works} != {*KEYS} or one.works & two.works:
            await asyncio.wait(
                [asyncio.ensure_future(w.changed.wait()) for w in (one, two)], return_when="FIRST_COMPLETED"
            )


async def test_invalid_entries_are_overwritten(server: EmbeddedServer, bus: Bus) -> None:
    await bus.publish("$KV.lease.engine.a", b"{invalid")
    await bus.publish("$KV.lease.member.engine.one", b"[]")
    async with running_worker(server.url, "one", ("a",)) as one:
        await one.until(lambda works: works == {"a"})


async def test_members_that_end_together_are_each_the_last(server: EmbeddedServer, bus: Bus) -> None:
    async with AsyncExitStack() as stack:
        held = []
        for name in ("one", "two"):
            own = await stack.enter_async_context(connect(server.url, name=name))
            provider = await stack.enter_async_context(leases(own, "engine", name, timing=FAST))
            held.append(await stack.enter_async_context(provider.held(name)))
        assert await asyncio.gather(*(lease.is_last() for lease in held)) == [True, True]


async def test_a_member_is_not_the_last_while_another_stays(server: EmbeddedServer, bus: Bus) -> None:
    async def work(lease: Lease) -> None:
        assert not await lease.is_last()

    async with running_worker(server.url, "one") as one, connect(server.url, name="two") as own:
        await one.until(lambda works: works == set(KEYS))
        async with leases(own, "engine", "two", timing=FAST) as mine:
            await mine.run_while_held("two", work)


async def test_a_member_that_lost_its_lease_is_not_the_last(server: EmbeddedServer, bus: Bus) -> None:
    async def work(lease: Lease) -> None:
        lease.lost.set()
        assert not await lease.is_last()

    async with connect(server.url, name="one") as own, leases(own, "engine", "one", timing=FAST) as mine:
        await mine.run_while_held("a", work)


async def test_failed_work_releases_its_key_and_raises(server: EmbeddedServer, bus: Bus) -> None:
    async def work(lease: Lease) -> None:
        raise ValueError(lease.key)

    async with connect(server.url, name="one") as own, leases(own, "engine", "one", timing=FAST) as mine:
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


async def test_a_paused_member_loses_its_lease_and_waits_for_it(server: EmbeddedServer, bus: Bus) -> None:
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
            async with running_worker(server.url, "other", ("a",)) as other:
                await other.until(lambda works: works == {"a"})
                process.send_signal(signal.SIGCONT)
                assert await process.stdout.readline() == b"lost\n"
                assert other.works == {"a"}
            assert await process.stdout.readline() == b"held\n"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_a_claim_deleted_without_notice_does_not_block_the_key(
    server: EmbeddedServer, bus: Bus
) -> None:
    async with connect(server.url, name="one") as own, leases(own, "engine", "one", timing=FAST) as mine:
        gone = Claim(holder="gone", incarnation="gone")
        mine._membership.apply("engine.a", msgspec.json.encode(gone), 99, 0.0)

        async with asyncio.timeout(10):
            await mine.run_while_held("a", no_work)
