"""The `bus` section of a configuration: port and limits of the embedded bus, or where another bus is.

bus: { port: 4222, memory: 512MiB, store: 20GiB }
bus: { context: contexts/engine.json }
"""

from collections.abc import Callable
from pathlib import Path

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
    url: str | None = None
    context: Path | None = None
    """How parts and commands reach a bus that is not of `up`; None if the file does not say. See `bus.client.context`."""


def read_bus(top: Section, folder: Path) -> BusSettings:
    """Read the section and note its problems. Paths in it are relative to `folder`."""
    section = top.section("bus")
    if section is None:
        return BusSettings()
    default = ServerLimits()
    port = section.optional("port", units.whole(0, 65535), -1)
    limits = ServerLimits(
        memory=section.optional("memory", _at_least(MIN_MEMORY_BYTES), default.memory),
        store=section.optional("store", _at_least(MIN_STORE_BYTES), default.store),
    )
    url = section.optional("url", units.word, "")
    context = section.optional("context", units.word, "")
    section.close()
    return BusSettings(
        port=None if port == -1 else port,
        limits=limits,
        url=url or None,
        context=folder / context if context else None,
    )


def _at_least(minimum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        size = units.size(text)
        if size < minimum:
            raise ValueError(f"has to be at least {minimum // MEBIBYTE}MiB")
        return size

    return parse
