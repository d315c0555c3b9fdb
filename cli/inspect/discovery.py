"""Which parts take part in the bus: asked with the NATS service protocol, which every part answers."""

import asyncio
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from bus import Bus

T = TypeVar("T")


class NatsService(msgspec.Struct, frozen=True):
    """One part that runs."""

    name: str
    id: str
    metadata: dict[str, str] = {}
    started: str = ""
    """When it started, as RFC 3339 has it; empty when it did not say."""


class _Statistics(msgspec.Struct, frozen=True):
    id: str
    started: str = ""


async def discover(bus: Bus, quiet_s: float = 0.3) -> list[NatsService]:
    """Return the parts that answer, by name, once no more answers have come for a while."""
    answers, times = await asyncio.gather(
        _gather(bus, "$SRV.INFO", quiet_s), _gather(bus, "$SRV.STATS", quiet_s)
    )
    started: Mapping[str, str] = {s.id: s.started for s in _decoded(times, _Statistics)}
    found = [
        msgspec.structs.replace(service, started=started.get(service.id, ""))
        for service in _decoded(answers, NatsService)
    ]
    return sorted(found, key=lambda service: (service.name, service.id))


async def _gather(bus: Bus, subject: str, quiet_s: float) -> list[bytes]:
    answers: asyncio.Queue[bytes] = asyncio.Queue()
    inbox = bus.nc.new_inbox()
    unsubscribe = await bus.subscribe(inbox, lambda message: answers.put_nowait(message.data))
    found: list[bytes] = []
    try:
        await bus.publish(subject, b"", reply=inbox)
        while True:
            async with asyncio.timeout(quiet_s):
                found.append(await answers.get())
    except TimeoutError:
        return [data for data in found if data]
    finally:
        await unsubscribe()


def _decoded(answers: list[bytes], kind: type[T]) -> list[T]:
    found = []
    for data in answers:
        try:
            found.append(msgspec.json.decode(data, type=kind))
        except msgspec.MsgspecError:
            continue  # somebody else's service on the same bus
    return found
