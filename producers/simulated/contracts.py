"""Quantities on the wire of a venue that counts contracts: base currency divided by the instrument's contract size.

Prices and money stay as they are, and so do the trading rules. The server converts what it sends and receives, and so does
the client; everything else counts in base currency.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TypeVar

import msgspec

from producers.ports import AccountEvent
from schemas.units import Quantity, Symbol
from schemas.venue.account import Balance, OpenOrder, Position
from schemas.venue.orders import Funding, OrderReport, Trade

ONE = Decimal(1)

ContractSizes = Mapping[Symbol, Quantity]
"""Base currency in one contract, by symbol; a symbol that is missing counts in base currency."""

Event = TypeVar("Event", bound=AccountEvent | OpenOrder)


def to_contracts(event: Event, symbol: Symbol, sizes: ContractSizes) -> Event:
    """Return an event or an open order with its quantities in contracts."""
    size = sizes.get(symbol, ONE)
    return event if size == ONE else _converted(event, lambda quantity: quantity / size)


def to_base(event: Event, symbol: Symbol, sizes: ContractSizes) -> Event:
    """Return an event or an open order with its quantities in base currency."""
    size = sizes.get(symbol, ONE)
    return event if size == ONE else _converted(event, lambda quantity: quantity * size)


def event_to_contracts(event: AccountEvent, sizes: ContractSizes) -> AccountEvent:
    """Return an event of the account stream with its quantities in contracts."""
    return event if isinstance(event, Balance) else to_contracts(event, event.symbol, sizes)


def event_to_base(event: AccountEvent, sizes: ContractSizes) -> AccountEvent:
    """Return an event of the account stream with its quantities in base currency."""
    return event if isinstance(event, Balance) else to_base(event, event.symbol, sizes)


def quantity_to_base(quantity: Quantity, symbol: Symbol, sizes: ContractSizes) -> Quantity:
    """Return a quantity of a request in base currency."""
    return quantity * sizes.get(symbol, ONE)


def quantity_to_contracts(quantity: Quantity, symbol: Symbol, sizes: ContractSizes) -> Quantity:
    """Return a quantity of a request in contracts."""
    return quantity / sizes.get(symbol, ONE)


def _converted(event: Event, convert: Callable[[Quantity], Quantity]) -> Event:
    match event:
        case OrderReport():
            quantity = None if event.quantity is None else convert(event.quantity)
            cumulative = convert(event.cumulative_quantity)
            return msgspec.structs.replace(event, quantity=quantity, cumulative_quantity=cumulative)
        case OpenOrder():
            quantity, cumulative = convert(event.quantity), convert(event.cumulative_quantity)
            return msgspec.structs.replace(event, quantity=quantity, cumulative_quantity=cumulative)
        case Trade() | Position():
            return msgspec.structs.replace(event, quantity=convert(event.quantity))
        case Funding():
            return msgspec.structs.replace(event, position=convert(event.position))
        case Balance():
            return event
    raise AssertionError(f"not an event of an account: {event!r}")
