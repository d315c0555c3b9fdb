"""The engine's process, wired."""

import msgspec

from bus import part
from engine.candles import LiveCandles, RecordedCandles
from engine.orchestrator import Orchestrator
from engine.watch import LiveWatch, RecordedWatch


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine is started with."""

    bus_url: str
    http_port: int = 0
    lock_step: bool = False
    is_recorded: bool = False
    """The market is a recording: its silence and its gaps mean nothing."""


async def main(settings: Settings) -> None:
    """Run an engine, for ever."""
    async with part("engine", bus_url=settings.bus_url, http_port=settings.http_port, labels={}) as here:
        watch = RecordedWatch if settings.is_recorded else LiveWatch
        candles = RecordedCandles if settings.is_recorded else LiveCandles
        orchestrator = Orchestrator(here, lock_step=settings.lock_step, watch=watch, candles=candles)
        here.report("engine", orchestrator.status)
        await orchestrator.run()
