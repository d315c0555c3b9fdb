"""Symbols added or removed while the market publisher runs; other streams are untouched."""

import asyncio
from collections.abc import Iterable
from contextlib import aclosing

from bus import Bus, Logger, follow_venue_symbols
from producers.market.publisher import MarketPublisher
from producers.ports import VenueError
from schemas.units import Symbol, VenueId


async def follow_symbol_changes(
    publisher: MarketPublisher, initial: Iterable[Symbol], bus: Bus, venue: VenueId, log: Logger
) -> None:
    """Publish symbols added after the `initial` ones, each from a stream of its own; mute removed ones; for ever."""
    followed = set(initial)
    for symbol in followed:
        publisher.unmute(symbol)
    async with asyncio.TaskGroup() as tasks, aclosing(follow_venue_symbols(bus, venue, log)) as changes:
        async for symbol, is_registered in changes:
            if not is_registered:
                publisher.mute(symbol)
            elif symbol not in followed:
                followed.add(symbol)
                tasks.create_task(_follow(publisher, symbol, log), name=f"market:{symbol}")
            elif publisher.is_muted(symbol):
                publisher.unmute(symbol)
                await publisher.backfill([symbol])


async def _follow(publisher: MarketPublisher, symbol: Symbol, log: Logger) -> None:
    publisher.unmute(symbol)
    try:
        await publisher.publish_instruments([symbol])
        await publisher.backfill([symbol])
        await publisher.follow([symbol])
    except (LookupError, VenueError) as error:
        log.error("symbol_not_followed", symbol=symbol, detail=str(error))
