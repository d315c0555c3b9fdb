"""Symbols that join or leave the roster while the market publisher runs: nobody else's stream is touched."""

import asyncio
from collections.abc import Iterable
from contextlib import aclosing

from bus import Bus, Logger
from producers.market.publisher import MarketPublisher
from producers.ports import VenueError
from producers.symbols import changes_of
from schemas.units import Symbol, VenueId


async def follow_newcomers(
    publisher: MarketPublisher, first: Iterable[Symbol], bus: Bus, venue: VenueId, log: Logger
) -> None:
    """Publish what joins after the `first` symbols, each from a stream of its own, and not what leaves; for ever."""
    followed = set(first)
    for symbol in followed:
        publisher.unmute(symbol)
    async with asyncio.TaskGroup() as tasks, aclosing(changes_of(bus, venue, log)) as changes:
        async for symbol, is_there in changes:
            if not is_there:
                publisher.mute(symbol)
            elif symbol not in followed:
                followed.add(symbol)
                tasks.create_task(_follow(publisher, symbol, log), name=f"market:{symbol}")
            elif publisher.is_muted(symbol):
                publisher.unmute(symbol)
                await publisher.back_fill([symbol])


async def _follow(publisher: MarketPublisher, symbol: Symbol, log: Logger) -> None:
    publisher.unmute(symbol)
    try:
        await publisher.publish_instruments([symbol])
        await publisher.back_fill([symbol])
        await publisher.follow([symbol])
    except (LookupError, VenueError) as error:
        log.error("not_followed", symbol=symbol, detail=str(error))
