"""Faults of the bus, as `bus_model/faults.py` documents them; its methods of the same names."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from lab.simulation.bus_model.faults import PublishFault
from lab.simulation.faults.fault import Effect, Fault, NotPossible, Scene

WRITTEN = ("JOURNAL", "ORDERS", "ENGINE", "ACCOUNT", "KV_lease")
"""The streams that a change of the leader hits: those that are written all the time."""
RECORDS = ("JOURNAL", "ORDERS")
MAX_PUBLISHES = 3
MAX_TAIL = 20
"""Bound of the number of acknowledged messages that are lost with the tail of a stream."""
MAX_STALE_S = 5.0
MAX_REGROWTH_S = 20
"""How long engines are kept from running so that a stream that was set back grows beyond its former end."""


@asynccontextmanager
async def restart(scene: Scene) -> AsyncIterator[None]:
    scene.bus.kill()
    yield


@asynccontextmanager
async def power_loss(scene: Scene) -> AsyncIterator[None]:
    scene.bus.kill(is_power_lost=True)
    yield


@asynccontextmanager
async def pause(scene: Scene) -> AsyncIterator[None]:
    if scene.bus.host.process.is_paused:
        raise NotPossible
    scene.bus.send(signal.SIGSTOP)
    try:
        yield
    finally:
        scene.bus.send(signal.SIGCONT)


def _publishes(kind: PublishFault) -> Callable[[Scene], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def inject(scene: Scene) -> AsyncIterator[None]:
        stream = _stream(scene, WRITTEN)
        scene.world.model.faults.change_leader(stream, *[kind] * scene.random.randint(1, MAX_PUBLISHES))
        try:
            yield
        finally:
            scene.world.model.faults.keep_leader(stream)

    return inject


@asynccontextmanager
async def no_leader(scene: Scene) -> AsyncIterator[None]:
    stream, faults = _stream(scene, tuple(scene.world.model.streams)), scene.world.model.faults
    faults.lose_leader(stream)
    try:
        yield
    finally:
        faults.elect_leader(stream)


@asynccontextmanager
async def stale_follower(scene: Scene) -> AsyncIterator[None]:
    found = [name for name, each in scene.world.model.streams.items() if each.config.num_replicas > 1]
    if not found:
        raise NotPossible
    stream, faults = scene.choose(found), scene.world.model.faults
    faults.stale_follower(stream, is_only_one=scene.random.random() < 0.3)
    try:
        yield
    finally:
        faults.catch_up(stream)


@asynccontextmanager
async def stale_start(scene: Scene) -> AsyncIterator[None]:
    """Start engines and gateways while the only replica that answers direct gets stays behind."""
    stream, faults = scene.choose(RECORDS), scene.world.model.faults
    faults.stale_follower(stream, is_only_one=True)
    try:
        await asyncio.sleep(scene.random.uniform(1.0, MAX_STALE_S))
        for part in scene.traders():
            if part.name.startswith(("engine", "gateway")):
                part.kill()
        yield
    finally:
        faults.catch_up(stream)


@asynccontextmanager
async def recreate_memory(scene: Scene) -> AsyncIterator[None]:
    scene.world.model.faults.recreate_stream(_stream_of(scene, is_file=False))
    yield


@asynccontextmanager
async def empty_memory(scene: Scene) -> AsyncIterator[None]:
    scene.world.model.faults.empty_memory_streams()
    yield


@asynccontextmanager
async def slow_consumer(scene: Scene) -> AsyncIterator[None]:
    addresses = {part.host.address for part in scene.traders()}
    found = [each for each in scene.world.model.connections.values() if each.ip in addresses]
    if not found:
        raise NotPossible
    scene.world.model.faults.drop_slow_consumer(scene.choose(found))
    yield


@asynccontextmanager
async def full_store(scene: Scene) -> AsyncIterator[None]:
    is_file, faults = scene.random.random() < 0.7, scene.world.model.faults
    faults.fill_store(is_file=is_file)
    try:
        yield
    finally:
        faults.free_store(is_file=is_file)


@asynccontextmanager
async def disk_error(scene: Scene) -> AsyncIterator[None]:
    scene.world.model.faults.disk_full()
    try:
        yield
    finally:
        scene.bus.kill()


@asynccontextmanager
async def lost_tail(scene: Scene) -> AsyncIterator[None]:
    stream = _stream_of(scene, is_file=True)
    scene.bus.kill(is_power_lost=True)
    scene.world.model.faults.lose_tail(stream, scene.random.randint(1, MAX_TAIL))
    yield


@asynccontextmanager
async def rollback(scene: Scene) -> AsyncIterator[None]:
    stream, faults = _stream_of(scene, is_file=True), scene.world.model.faults
    faults.checkpoint(stream)
    try:
        yield
    finally:
        faults.roll_back(stream)


@asynccontextmanager
async def recreate_file(scene: Scene) -> AsyncIterator[None]:
    scene.world.model.faults.recreate_stream(_stream_of(scene, is_file=True))
    yield


@asynccontextmanager
async def recreate_orders(scene: Scene) -> AsyncIterator[None]:
    scene.world.model.faults.recreate_stream("ORDERS")
    yield


def _restore(stream: str) -> Callable[[Scene], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def inject(scene: Scene) -> AsyncIterator[None]:
        faults = scene.world.model.faults
        faults.checkpoint(stream)
        yield
        engines = [part for part in scene.traders() if part.name.startswith("engine")]
        for engine in engines:
            engine.send(signal.SIGSTOP)
        end = scene.world.model.streams[stream].store.last
        faults.roll_back(stream)
        for _ in range(MAX_REGROWTH_S):
            if scene.world.model.streams[stream].store.last > end:
                break
            await asyncio.sleep(1.0)
        for engine in engines:
            engine.kill()

    return inject


def _flip(*, is_detected: bool) -> Callable[[Scene], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def inject(scene: Scene) -> AsyncIterator[None]:
        stream = _stream(scene, RECORDS)
        newest = list(scene.world.model.streams[stream].store.messages)[-MAX_TAIL:]
        if not newest:
            raise NotPossible
        sequence, bit = scene.choose(newest), scene.random.randrange(80_000)
        scene.world.model.faults.flip_bit(stream, sequence, bit, is_detected=is_detected)
        yield

    return inject


def _stream(scene: Scene, names: tuple[str, ...]) -> str:
    found = [name for name in names if name in scene.world.model.streams]
    if not found:
        raise NotPossible
    return scene.choose(found)


def _stream_of(scene: Scene, *, is_file: bool) -> str:
    streams = scene.world.model.streams
    return _stream(scene, tuple(name for name, each in streams.items() if each.store.is_file == is_file))


_PUBLISHES = (
    ("publish-lost", "is lost without an answer", PublishFault.LOST),
    ("publish-unanswered", "is stored, but not acknowledged", PublishFault.UNACKNOWLEDGED),
    ("publish-unavailable", "is answered with 503, and not stored", PublishFault.UNAVAILABLE),
    ("publish-denied", "is stored, but answered with 503", PublishFault.STORED_UNAVAILABLE),
)
_LOST, _CHANGED = Effect.RECORDS_ARE_LOST, Effect.RECORDS_ARE_CHANGED

FAULTS = (
    Fault("bus-restart", "The bus server is killed and started again.", restart),
    Fault("bus-power", "The host of the bus loses its power; every acknowledged record is kept.", power_loss),
    Fault("bus-pause", "The bus server stands still.", pause, 20.0),
    *(
        Fault(name, f"A record {what}: the leader of a stream changes.", _publishes(kind), 30.0)
        for name, what, kind in _PUBLISHES
    ),
    Fault("no-leader", "A stream has no leader: it answers no publish and no request.", no_leader, 15.0),
    Fault(
        "stale-follower",
        "Direct gets are answered by a replica that stays behind.",
        stale_follower,
        20.0,
        needs_cluster=True,
    ),
    Fault(
        "stale-start",
        "Engines and gateways are killed while the replica that answers them stays behind in JOURNAL or ORDERS.",
        stale_start,
        10.0,
        needs_cluster=True,
        is_by_name_only=True,
    ),
    Fault("recreate-memory", "A memory stream is deleted and created again.", recreate_memory),
    Fault("empty-memory", "All memory streams are emptied.", empty_memory),
    Fault("slow-consumer", "The bus drops a connection as too slow.", slow_consumer),
    Fault("full-store", "The store is full: new records are rejected.", full_store, 30.0),
    Fault("disk-error", "Writes fail without an answer until the bus is restarted.", disk_error, 20.0),
    Fault("lost-tail", "The last acknowledged records of a stream are lost.", lost_tail, effect=_LOST),
    Fault("rollback", "A stream returns to an earlier state.", rollback, 20.0, effect=_LOST),
    Fault("recreate", "A file stream is deleted and created again.", recreate_file, effect=_LOST),
    Fault("rotten-record", "A record is lost to a detected bit.", _flip(is_detected=True), effect=_LOST),
    Fault(
        "recreate-orders",
        "Stream ORDERS is deleted and created again.",
        recreate_orders,
        effect=_LOST,
        is_by_name_only=True,
    ),
    *(
        Fault(
            f"restore-{stream.lower()}",
            f"Stream {stream} is set back while no engine runs, and grows again before one starts.",
            _restore(stream),
            10.0,
            effect=_LOST,
            is_by_name_only=True,
        )
        for stream in RECORDS
    ),
    Fault("flipped-bit", "A bit of a record is flipped.", _flip(is_detected=False), effect=_CHANGED),
)
