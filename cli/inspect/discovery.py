"""Discover running parts with the NATS service protocol (`$SRV.INFO`, `$SRV.STATS`)."""

import asyncio
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from bus import Bus
from schemas.codec import INVALID_JSON

T = TypeVar("T")


class DiscoveredService(msgspec.Struct, frozen=True):
    """A running part, as it answers `$SRV.INFO`.

    {"type": "io.nats.micro.v1.info_response", "name": "engine", "id": "...", "metadata": {"http": "http://..."}}
    """

    name: str
    id: str
    metadata: dict[str, str] = {}
    started: str = ""
    """RFC 3339 time, from `$SRV.STATS`; empty when unknown."""


class _Statistics(msgspec.Struct, frozen=True):
    id: str
    started: str = ""


async def discover(bus: Bus, quiet_s: float = 0.3) -> list[DiscoveredService]:
    """Return the services that answer, sorted by name; waits until none has answered for `quiet_s` seconds."""
    infos, statistics = await asyncio.gather(
        _request_all(bus, "$SRV.INFO", quiet_s), _request_all(bus, "$SRV.STATS", quiet_s)
    )
    started: Mapping[str, str] = {each.id: each.started for each in _decoded(statistics, _Statistics)}
    services = [
        msgspec.structs.replace(service, started=started.get(service.id, ""))
        for service in _decoded(infos, DiscoveredService)
    ]
    return sorted(services, key=lambda service: (service.name, service.id))


async def _request_all(bus: Bus, subject: str, quiet_s: float) -> list[bytes]:
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


def _decoded(answers: list[bytes], expected: type[T]) -> list[T]:
    found = []
    for data in answers:
        try:
            found.append(msgspec.json.decode(data, type=expected))
        except INVALID_JSON:
            continue  # another program's service on the same bus
    return found
