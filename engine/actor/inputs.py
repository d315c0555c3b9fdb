"""What a message on the bus is to an actor."""

import time

from bus import Received
from schemas.codec import UndecodableError, decode, decode_as
from schemas.engine.control import Command, CommandName
from schemas.engine.journal import CommandReceived, Input, SymbolAdded, SymbolEntry
from schemas.units import TimeNs
from schemas.venue.instruments import Instrument
from schemas.venue.orders import CancelRejected, Funding, OrderReport, Trade


def order_event(message: Received) -> Input:
    """Return what the venue said of our orders.

    Raises: UndecodableError when it is something else.
    """
    event = decode(message.data)
    if isinstance(event, OrderReport | CancelRejected | Trade | Funding):
        return event
    raise UndecodableError(f"not an order event: {type(event).__name__}")


def command(message: Received) -> Input:
    """Return what somebody asked for, read now.

    Raises: UndecodableError when it is no command.
    """
    return CommandReceived(command=decode_as(message.data, Command), received_time=time.time_ns())


def asks_for_sweep(cause: Input) -> bool:
    """Tell whether an input has to be answered by a sweep."""
    return isinstance(cause, CommandReceived) and cause.command.name is CommandName.RECONCILE


def added(entry: SymbolEntry, instrument: Instrument, now: TimeNs) -> SymbolAdded:
    """Return the first input of a symbol."""
    return SymbolAdded(
        venue=entry.venue,
        symbol=entry.symbol,
        instance=entry.instance,
        generation=entry.generation,
        settings=entry.settings,
        instrument=instrument,
        time=now,
    )
