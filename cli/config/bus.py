"""The `bus` section of a configuration: port and limits of the embedded bus.

bus: { port: 4222, memory: 512MiB, store: 20GiB }
"""

from collections.abc import Callable

import msgspec

from bus import ServerLimits
from bus.service.server_config import MEBIBYTE, MIN_MEMORY_BYTES
from cli import units
from cli.config.section import Section

MIN_STORE_BYTES = 64 * MEBIBYTE


class BusSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A valid `bus` section."""

    port: int | None = None
    """None if the file sets no port."""
    limits: ServerLimits = ServerLimits()


def read_bus(top: Section) -> BusSettings:
    """Read the section and note its problems."""
    section = top.section("bus")
    if section is None:
        return BusSettings()
    default = ServerLimits()
    port = section.optional("port", units.whole(0, 65535), -1)
    limits = ServerLimits(
        memory=section.optional("memory", _at_least(MIN_MEMORY_BYTES), default.memory),
        store=section.optional("store", _at_least(MIN_STORE_BYTES), default.store),
    )
    section.close()
    return BusSettings(port=None if port == -1 else port, limits=limits)


def _at_least(minimum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        size = units.size(text)
        if size < minimum:
            raise ValueError(f"has to be at least {minimum // MEBIBYTE}MiB")
        return size

    return parse
