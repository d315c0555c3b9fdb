"""Faults of what is stored on the bus by others than the parts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal

from bus import BusError, connect
from bus.runtime import time_ns
from lab.simulation.faults.fault import Effect, Fault, NotPossible, Scene
from schemas import subjects
from schemas.engine.control import Command, CommandName
from schemas.engine.journal import SymbolEntry
from schemas.units import SECOND_NS, ClientOrderId, Side, TradeId
from schemas.venue.orders import Trade

RESET_AFTER_S = 15.0
"""Longer than an engine tries again before it stops the symbol."""
RESETS = 2
"""A reset skips one message: there may be another one of this kind behind it."""
NOT_A_NUMBER = Decimal("NaN")


@asynccontextmanager
async def poison(scene: Scene) -> AsyncIterator[None]:
    """Store a trade that the core cannot apply; an operator resets the symbol at the end, as often as it needs."""
    entry = scene.choose(scene.world.settings.configuration.symbols)
    name = f"{scene.random.getrandbits(64):016x}"
    async with connect(scene.world.bus_url, name="stranger") as bus:
        with suppress(BusError):
            await bus.store(subjects.own_trade(entry.venue, entry.symbol), _trade(entry, name))
        yield
        for number in range(RESETS):
            await asyncio.sleep(RESET_AFTER_S)
            with suppress(BusError):
                reset = _reset(entry, f"{name}-{number}")
                await bus.store(subjects.command(entry.venue, entry.symbol, reset.name), reset)


@asynccontextmanager
async def purge_orders(scene: Scene) -> AsyncIterator[None]:
    """Purge stream ORDERS, as an operator might: its sequences go on."""
    async with connect(scene.world.bus_url, name="stranger") as bus:
        try:
            await bus.api("STREAM.PURGE.ORDERS", None, dict)
        except BusError as error:
            raise NotPossible from error
        yield


def _trade(entry: SymbolEntry, name: str) -> Trade:
    return Trade(
        venue=entry.venue,
        symbol=entry.symbol,
        trade_id=TradeId(name),
        client_order_id=ClientOrderId(""),
        side=Side.BUY,
        price=NOT_A_NUMBER,
        quantity=NOT_A_NUMBER,
        fee=NOT_A_NUMBER,
        fee_asset="USDT",
        is_maker=True,
        time=time_ns(),
    )


def _reset(entry: SymbolEntry, name: str) -> Command:
    now = time_ns()
    return Command(
        venue=entry.venue,
        symbol=entry.symbol,
        command_id=name,
        name=CommandName.RESET,
        operator="simulation",
        reason="continue without the message",
        time=now,
        expires_time=now + 60 * SECOND_NS,
    )


FAULTS = (
    Fault(
        "purge-orders",
        "Stream ORDERS is purged.",
        purge_orders,
        effect=Effect.RECORDS_ARE_LOST,
        is_by_name_only=True,
    ),
    Fault(
        "poison",
        "A trade that is no number is stored; the symbol stops until an operator resets it.",
        poison,
        30.0,
        effect=Effect.RECORDS_ARE_CHANGED,
    ),
)
