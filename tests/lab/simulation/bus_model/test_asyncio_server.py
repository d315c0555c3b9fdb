"""The model, used by the unmodified client of the bus, on the simulated event loop."""

import asyncio
import hashlib
import random
from contextlib import aclosing, suppress

import msgspec
import pytest

from bus import Ambiguous, BusError, Conflict, NoResponders, StreamGone, connect, provision
from bus.client.connections import other_connections
from bus.streams.reader import read
from bus.streams.registry import Registry
from bus.streams.start import FromStart
from lab.simulation.bus_model.asyncio_server import BusServer
from lab.simulation.bus_model.server import BusModel
from lab.simulation.loop.event_loop import SimulatedLoop
from lab.simulation.loop.hosts import Host

URL = "nats://10.0.0.1:4222"
SUBJECT = "journal.sim.BTC-USDT.step"


class Note(msgspec.Struct, frozen=True, tag="Note"):
    number: int


class World:
    """A bus and three hosts that use it."""

    def __init__(self, seed: int = 1, servers: int = 1) -> None:
        self.loop = SimulatedLoop(seed)
        self.bus = self.loop.host("bus", "10.0.0.1")
        self.hosts = [self.loop.host(f"host {number}", f"10.0.1.{number}") for number in range(3)]
        self.model = BusModel(now_ns=self.loop.true_time_ns(), random=random.Random(seed), servers=servers)

    async def serve(self) -> None:
        await BusServer(self.model, self.loop.true_time_ns).start()
        await asyncio.Event().wait()

    async def restart(self) -> None:
        self.bus.crash()
        self.model.restart()
        await asyncio.sleep(1)
        self.bus.spawn(self.serve())


@pytest.fixture
def world() -> World:
    return World()


def test_the_client_stores_reads_and_is_fenced(world: World) -> None:
    async def use() -> None:
        async with connect(URL, name="test") as bus:
            with pytest.raises(StreamGone):
                await bus.store(SUBJECT, Note(0))
            await provision(bus)
            assert await bus.store(SUBJECT, Note(1), expect_last=0) == 1
            with pytest.raises(Conflict):
                await bus.store(SUBJECT, Note(2), expect_last=0)
            last = await bus.last("JOURNAL", SUBJECT)
            assert last is not None
            assert msgspec.json.decode(last.data, type=Note) == Note(1)
            with pytest.raises(NoResponders):
                await bus.request("nobody", b"")
            assert await other_connections(bus) == []

    async def main() -> None:
        world.bus.spawn(world.serve())
        await world.hosts[0].spawn(use())

    world.loop.run(main())


def test_leases_expire_in_virtual_time(world: World) -> None:
    async def use() -> float:
        async with connect(URL, name="test") as bus:
            await provision(bus)
            leases = Registry(bus, "lease")
            assert await leases.create("a", Note(1), ttl_s=3) == 1
            assert await leases.create("a", Note(2), ttl_s=3) is None
            await asyncio.sleep(3.1)
            assert await leases.create("a", Note(3), ttl_s=3) == 2
            return world.loop.time()

    async def main() -> float:
        world.bus.spawn(world.serve())
        return float(await world.hosts[0].spawn(use()))

    assert world.loop.run(main()) < 4


def test_the_server_drops_a_client_that_reads_nothing(world: World) -> None:
    async def listen() -> None:
        async with connect(URL, name="slow") as bus:
            await bus.subscribe("noise", lambda message: None)
            await asyncio.Event().wait()

    async def shout() -> list[str]:
        async with connect(URL, name="loud") as bus:
            await asyncio.sleep(1)
            world.hosts[0].pause()
            for _ in range(20):
                await bus.publish("noise", b"x" * 200_000)
                await asyncio.sleep(1)
            return [connection.name for connection in world.model.connections.values()]

    async def main() -> list[str]:
        world.bus.spawn(world.serve())
        world.hosts[0].spawn(listen())
        found: list[str] = await world.hosts[1].spawn(shout())
        return found

    assert world.loop.run(main()) == ["loud"]


def test_the_server_forgets_a_half_open_connection_after_three_pings(world: World) -> None:
    async def use() -> None:
        async with connect(URL, name="gone"):
            await asyncio.Event().wait()

    async def main() -> tuple[int, int]:
        world.bus.spawn(world.serve())
        world.hosts[0].spawn(use())
        await asyncio.sleep(1)
        world.hosts[0].crash(is_power_lost=True)
        await asyncio.sleep(250)
        before = len(world.model.connections)
        await asyncio.sleep(120)
        return before, len(world.model.connections)

    assert world.loop.run(main()) == (1, 0)


def chaos(seed: int) -> tuple[str, set[str]]:
    """Let three clients append to one subject while the network and the bus fail; return a digest and the outcomes."""
    world = World(seed)
    log: list[tuple[int, str, float]] = []

    async def write(number: int) -> None:
        async with connect(URL, name=f"client {number}") as bus:
            await provision(bus)
            last, pace = 0, random.Random(f"{seed} {number}")
            for count in range(60):
                try:
                    last = await bus.store(SUBJECT, Note(count), expect_last=last, timeout_s=2)
                    log.append((number, "stored", last))
                except Conflict:
                    log.append((number, "conflict", last))
                    found = await bus.last("JOURNAL", SUBJECT)
                    last = found.sequence if found is not None else 0
                except BusError as error:
                    log.append((number, type(error).__name__, world.loop.time()))
                await asyncio.sleep(pace.random())

    async def fail() -> None:
        plan = random.Random(seed)
        for _ in range(6):
            await asyncio.sleep(plan.random() * 5)
            world.loop.network.partition([world.bus], [plan.choice(world.hosts)])
            await asyncio.sleep(plan.random() * 5)
            world.loop.network.heal()
        await world.restart()

    async def main() -> None:
        world.bus.spawn(world.serve())
        tasks = [host.spawn(write(number)) for number, host in enumerate(world.hosts)]
        await fail()
        await asyncio.wait(tasks)
        for task in tasks:
            task.result()

    world.loop.run(main())
    return hashlib.sha256(repr(log).encode()).hexdigest(), {outcome for _, outcome, _ in log}


def test_a_seed_makes_the_same_universe_again() -> None:
    first, again, other = chaos(1), chaos(1), chaos(2)

    assert first == again
    assert first[0] != other[0]
    assert first[1] >= {"stored", "conflict", "Ambiguous"}


def test_an_ambiguous_write_may_be_stored(world: World) -> None:
    async def use(host: Host) -> list[int]:
        async with connect(URL, name="test") as bus:
            await provision(bus)
            world.loop.network.block(world.bus, host)  # the reply does not arrive
            with pytest.raises(Ambiguous):
                await bus.store(SUBJECT, Note(1), timeout_s=1)
            world.loop.network.heal()
            return list(world.model.streams["JOURNAL"].store.sequences.iterate())

    async def main() -> list[int]:
        world.bus.spawn(world.serve())
        found: list[int] = await world.hosts[0].spawn(use(world.hosts[0]))
        return found

    assert world.loop.run(main()) == [1]


@pytest.mark.parametrize("seed", range(3))
def test_readers_miss_nothing_while_everything_fails(seed: int) -> None:
    world = World(seed, servers=3)
    received: dict[int, list[int]] = {number: [] for number in range(len(world.hosts))}
    filters = (("journal.>",), ("journal.>",), ("journal.sim.S1.*", "journal.sim.S3.*"))
    plan = random.Random(seed)

    async def write() -> None:
        async with connect(URL, name="writer") as bus:
            await provision(bus, replicas=3)
            for count in range(150):
                with suppress(BusError):
                    await bus.store(f"journal.sim.S{count % 5}.step", Note(count), timeout_s=2)
                await asyncio.sleep(plan.random() / 3)

    async def follow(number: int) -> None:
        async with (
            connect(URL, name=f"reader {number}") as bus,
            aclosing(read(bus, "JOURNAL", filters[number], FromStart())) as batches,
        ):
            async for batch in batches:
                received[number] += [message.sequence for message in batch.messages]

    async def fail() -> None:
        for host in world.hosts:
            world.loop.network.partition([world.bus], [host])
            await asyncio.sleep(plan.random() * 4)
            world.loop.network.heal()
            await asyncio.sleep(plan.random())
            world.loop.network.reset(world.bus, host)
            world.model.faults.stale_follower("JOURNAL")
            await asyncio.sleep(plan.random() * 3)
            world.model.faults.catch_up("JOURNAL")
        await world.restart()

    async def main() -> None:
        world.bus.spawn(world.serve())
        writing = world.loop.host("writer", "10.0.2.1").spawn(write())
        await asyncio.sleep(1)
        for number, host in enumerate(world.hosts):
            host.spawn(follow(number))
        await fail()
        await writing
        await asyncio.sleep(20)

    world.loop.run(main())
    stored = world.model.streams["JOURNAL"].store
    assert received[0] == received[1] == list(stored.sequences.iterate())
    assert received[2] == [
        each.sequence for each in stored.iterate("journal.sim.*.step", 0) if each.sequence in received[2]
    ]
    assert len(received[2]) == stored.pending("journal.sim.S1.*", 0) + stored.pending("journal.sim.S3.*", 0)
