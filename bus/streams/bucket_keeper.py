"""Put back entries that vanished from a bucket because it was purged or recreated, not because they were deleted."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Never

import msgspec

from bus.client.connection import Bus
from bus.errors import BusError, Conflict, ConnectionClosed, StreamGone
from bus.log import Logger
from bus.runtime import background_s
from bus.streams.decoding import decode_or_log
from bus.streams.provision import provision
from bus.streams.registry import Registry

CHECK_INTERVAL_S = 1.0

OnRestored = Callable[[str], Awaitable[None]]
"""Receives the key of an entry that was put back."""


async def keep_entries(
    bus: Bus,
    bucket: str,
    wanted: Callable[[], Mapping[str, msgspec.Struct]],
    log: Logger,
    *,
    on_restored: OnRestored | None = None,
    interval_s: float | None = None,
) -> Never:
    """Put back each entry of `wanted` whose key has neither a value nor a deletion in the bucket, for ever.

    Several processes may keep the same entries: one of them writes, the others then find the value. `interval_s` defaults
    to `CHECK_INTERVAL_S`.
    Raises: ConnectionClosed.
    """
    registry = Registry(bus, bucket)
    while True:
        await asyncio.sleep(background_s(CHECK_INTERVAL_S) if interval_s is None else interval_s)
        try:
            await bus.wait_connected()
            for key in sorted(await registry.vanished(wanted())):
                if await _put_back(registry, key, wanted()):
                    log.error("bucket_entry_restored", bucket=bucket, key=key, detail="it had vanished")
                    if on_restored is not None:
                        await on_restored(key)
        except ConnectionClosed:
            raise
        except StreamGone:
            log.error("bucket_gone", bucket=bucket)
            await _provision(bus, log)
        except BusError as error:
            log.warning("bucket_check_failed", bucket=bucket, detail=str(error))


async def preserve_entries(
    bus: Bus, bucket: str, kind: type[msgspec.Struct], log: Logger, prefix: str = ""
) -> Never:
    """Follow a bucket and put back the entries that vanish; only keys with the prefix; for ever."""
    known: dict[str, msgspec.Struct] = {}

    async def follow() -> None:
        async with aclosing(Registry(bus, bucket).follow()) as changes:
            async for key, stored in changes:
                if stored is None:
                    known.pop(key, None)
                elif key.startswith(prefix) and (entry := decode_or_log(stored, kind, log)) is not None:
                    known[key] = entry

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(follow(), name=f"follow:{bucket}")
        tasks.create_task(keep_entries(bus, bucket, lambda: known, log), name=f"keep:{bucket}")
    raise AssertionError("its tasks run for ever")


async def _put_back(registry: Registry, key: str, wanted: Mapping[str, msgspec.Struct]) -> bool:
    entry = wanted.get(key)
    if entry is None:  # no longer wanted
        return False
    try:
        await registry.update(key, entry, 0)
    except Conflict:  # written or deleted by another process meanwhile
        return False
    return True


async def _provision(bus: Bus, log: Logger) -> None:
    try:
        await provision(bus)
    except BusError as error:
        log.error("provision_failed", detail=str(error))
