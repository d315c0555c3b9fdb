"""Snapshots of one stream."""

import asyncio
import io
import random

import msgspec
import pytest

from bus import BackupFailed, Bus, FromStart, StreamGone, provision, read
from bus.backup.snapshot import RESTORE_CHUNK_BYTES, SnapshotInfo, load_stream, save_stream
from schemas.subjects import Stream
from tests.bus.events import numbers, store_many, until_caught_up

REPORT = "order.sim.BTC-USDT.report"


def no_progress(size: int) -> None:
    pass


async def saved(bus: Bus) -> tuple[SnapshotInfo, io.BytesIO]:
    file = io.BytesIO()
    info = await save_stream(bus, Stream.ORDERS, file, no_progress)
    file.seek(0)
    return info, file


async def stored_numbers(bus: Bus) -> list[int]:
    return numbers(await until_caught_up(read(bus, Stream.ORDERS, (REPORT,), FromStart())))


async def test_a_restored_stream_has_the_messages_of_the_snapshot(bus: Bus) -> None:
    await store_many(bus, REPORT, 3)
    before = await bus.stream_state(Stream.ORDERS)
    info, file = await saved(bus)
    await store_many(bus, REPORT, 2, first=3)
    await load_stream(bus, info, file, no_progress)

    after = await bus.stream_state(Stream.ORDERS)
    assert await stored_numbers(bus) == [0, 1, 2]
    assert (after.first, after.last, after.created) == (1, 3, after.created)
    assert after.created != before.created


async def test_a_deleted_stream_is_restored(bus: Bus) -> None:
    await store_many(bus, REPORT, 3)
    info, file = await saved(bus)
    await bus.api("STREAM.DELETE.ORDERS", None, dict)
    await load_stream(bus, info, file, no_progress)

    assert await stored_numbers(bus) == [0, 1, 2]


async def test_a_snapshot_of_many_chunks_is_complete(bus: Bus) -> None:
    incompressible = random.Random(1)
    for _ in range(30):
        await bus.nc.publish(REPORT, incompressible.randbytes(100_000))
    await store_many(bus, REPORT, 1)
    info, file = await saved(bus)
    transferred: list[int] = []
    await load_stream(bus, info, file, transferred.append)

    assert len(transferred) == -(-len(file.getvalue()) // RESTORE_CHUNK_BYTES) > 1
    assert (await bus.stream_state(Stream.ORDERS)).messages == 31


async def test_a_truncated_archive_is_an_error(bus: Bus) -> None:
    await store_many(bus, REPORT, 300)
    info, file = await saved(bus)
    half = io.BytesIO(file.getvalue()[: len(file.getvalue()) // 2])

    with pytest.raises(BackupFailed, match=r"ORDERS was (not restored|restored in part)"):
        await load_stream(bus, info, half, no_progress)


async def test_a_stream_that_is_not_the_one_described_is_an_error(bus: Bus) -> None:
    await store_many(bus, REPORT, 3)
    info, file = await saved(bus)
    info = msgspec.structs.replace(info, state={**info.state, "messages": 4})

    with pytest.raises(BackupFailed, match="has 3 messages up to 3, the backup has 4 up to 3"):
        await load_stream(bus, info, file, no_progress)


async def test_a_missing_stream_has_no_snapshot(bus: Bus) -> None:
    await bus.api("STREAM.DELETE.ORDERS", None, dict)

    with pytest.raises(StreamGone):
        await saved(bus)


async def test_a_stream_that_a_part_recreates_meanwhile_is_replaced(bus: Bus) -> None:
    await store_many(bus, REPORT, 3)
    info, file = await saved(bus)

    async def recreate() -> None:
        while True:
            await provision(bus)

    running = asyncio.create_task(recreate())
    await load_stream(bus, info, file, no_progress)
    running.cancel()

    assert await stored_numbers(bus) == [0, 1, 2]
