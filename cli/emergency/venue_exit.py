"""Cancel the orders of this installation at a venue, and close what they have bought or sold, by the venue's API alone.

An order belongs to this installation if its id begins with the instance and the code of its symbol (see
`schemas.venue.order_ids`). What is closed is the sum of the trades of such orders, as far as the venue still lists them, and
at most what the account holds: orders placed by hand stay, and what they hold is not sold.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from bus.runtime import time_ns
from producers.ports import (
    AccountSource,
    MarketSource,
    MarketUpdate,
    OrderEntry,
    OrderUnknown,
    OutcomeUnknown,
    Overloaded,
    VenueError,
    VenueUnreachable,
)
from schemas.units import (
    MILLISECOND_NS,
    SECOND_NS,
    ZERO,
    ClientOrderId,
    Ratio,
    Side,
    SignedQuantity,
    Symbol,
)
from schemas.venue.account import OpenOrder
from schemas.venue.fees import position_change
from schemas.venue.instruments import Instrument, InstrumentKind
from schemas.venue.market import Ticker
from schemas.venue.order_ids import is_own_order_id, parse_order_id, symbol_code
from schemas.venue.orders import PlaceOrder

T = TypeVar("T")

TRIES = 5
RETRY_S = 1.0
FILL_S = 1.0
"""Time for a closing order to be filled, before what is left of it is canceled."""
PRICE_TIMEOUT_S = 10.0
ORDER_PREFIX = "exit"
"""Of the ids of closing orders: no grid takes them for its own."""

Report = Callable[[str], None]


class ExitVenue(MarketSource, AccountSource, OrderEntry, Protocol):
    """What the exit needs of a venue."""

    def market(self, symbols: Sequence[Symbol]) -> AsyncGenerator[MarketUpdate, None]: ...


@dataclass(frozen=True, slots=True)
class Holding:
    """What was found of one symbol."""

    instrument: Instrument
    orders: tuple[OpenOrder, ...] = ()
    """The open orders of this installation."""
    other_orders: int = 0
    """Open orders of others."""
    other_instances: Counter[str] = field(default_factory=Counter)
    """Of these, the orders of other installations, by instance."""
    traded: SignedQuantity = ZERO
    """The net quantity of the trades of this installation, in base currency; negative if more was sold."""
    held: SignedQuantity = ZERO
    """What the account holds, in base currency."""

    @property
    def symbol(self) -> Symbol:
        return self.instrument.symbol

    @property
    def to_close(self) -> SignedQuantity:
        """What is closed: what was traded, at most what is held, in whole lots."""
        if self.traded * self.held <= 0:
            return ZERO
        quantity = self.instrument.quantity_down(min(abs(self.traded), abs(self.held)))
        return quantity if self.held > 0 else -quantity


class VenueExit:
    """The orders and holdings of one installation at a venue. `report` receives a line for each thing done or failed."""

    def __init__(self, venue: ExitVenue, instance: str, report: Report) -> None:
        self._venue = venue
        self._instance = instance
        self._report = report
        self._exit_prefix = f"{ORDER_PREFIX}{instance}"

    async def find(self, symbols: Sequence[Symbol] = ()) -> list[Holding]:
        """Return what there is of each symbol, or of some; symbols without anything of an installation are left out.

        Raises: VenueError.
        """
        venue = self._venue
        held = {each.symbol: each.quantity for each in await _tried(venue.positions)}
        found = []
        for instrument in await _tried(venue.instruments):
            if symbols and instrument.symbol not in symbols:
                continue
            holding = await self._holding(instrument, held.get(instrument.symbol, ZERO))
            if holding.orders or holding.other_instances or holding.traded:
                found.append(holding)
        return found

    async def cancel(self, holdings: Sequence[Holding]) -> int:
        """Cancel the orders of this installation, and return how many are left."""
        left = 0
        for holding in holdings:
            for order in holding.orders:
                try:
                    await self._cancel(holding.symbol, order.client_order_id)
                except VenueError as error:
                    left += 1
                    self._report(f"{holding.symbol} {order.client_order_id} is not canceled: {error}")
        return left

    async def close(self, holdings: Sequence[Holding], slippage: Ratio) -> list[Holding]:
        """Close what is held by orders that may be filled at once, at most `slippage` away; return what is left to close.

        Raises: VenueError.
        """
        left = [each for each in holdings if each.to_close]
        for _ in range(TRIES):
            for holding in left:
                try:
                    await self._close(holding, slippage)
                except VenueError as error:
                    self._report(f"{holding.symbol} is not closed: {error}")
            if not left:
                break
            left = [each for each in await self.find([each.symbol for each in left]) if each.to_close]
        return left

    async def _holding(self, instrument: Instrument, held: SignedQuantity) -> Holding:
        symbol = instrument.symbol
        orders = await _tried(lambda: self._venue.open_orders(symbol))
        trades = await _tried(lambda: self._venue.trades_since(symbol, 0))
        own = tuple(each for each in orders if self._is_own(each.client_order_id, symbol))
        others = [parse_order_id(each.client_order_id) for each in orders if each not in own]
        traded = sum(
            (position_change(each) for each in trades if self._is_own(each.client_order_id, symbol)),
            ZERO,
        )
        instances = Counter(each.instance for each in others if each and each.code == symbol_code(symbol))
        return Holding(instrument, own, len(others), instances, traded, held)

    def _is_own(self, order_id: str, symbol: Symbol) -> bool:
        return order_id.startswith(self._exit_prefix) or is_own_order_id(order_id, self._instance, symbol)

    async def _close(self, holding: Holding, slippage: Ratio) -> None:
        venue, instrument = self._venue, holding.instrument
        side = Side.SELL if holding.to_close > 0 else Side.BUY
        ticker = await _ticker(venue, instrument.symbol)
        if side is Side.SELL:
            price = instrument.price_down(ticker.bid * (1 - slippage))
        else:
            price = instrument.price_up(ticker.ask * (1 + slippage))
        order = PlaceOrder(
            client_order_id=ClientOrderId(f"{self._exit_prefix}{time_ns() // MILLISECOND_NS}"),
            side=side,
            price=price,
            quantity=instrument.order_quantity(abs(holding.to_close), price),
            post_only=False,
            reduce_only=instrument.kind is InstrumentKind.LINEAR_PERPETUAL,
            level=0,
            opens=False,
        )
        self._report(f"{holding.symbol}: {side} {order.quantity} at {price} or better")
        try:
            await venue.place(holding.symbol, order, time_ns())
        except OutcomeUnknown:
            await asyncio.sleep(
                venue.receive_window / SECOND_NS
            )  # after it the order is there, or never will be
        await asyncio.sleep(FILL_S)
        await self._cancel(holding.symbol, order.client_order_id)  # what is not filled

    async def _cancel(self, symbol: Symbol, client_order_id: ClientOrderId) -> None:
        with suppress(OrderUnknown):  # filled or canceled meanwhile
            await _tried(lambda: self._venue.cancel(symbol, client_order_id))


async def _ticker(venue: ExitVenue, symbol: Symbol) -> Ticker:
    """Return the first ticker that the venue sends. Raises: VenueUnreachable."""
    try:
        async with asyncio.timeout(PRICE_TIMEOUT_S), aclosing(venue.market([symbol])) as updates:
            async for update in updates:
                for event in update.events:
                    if isinstance(event, Ticker):
                        return event
    except TimeoutError:
        pass
    raise VenueUnreachable(f"no price of {symbol} within {PRICE_TIMEOUT_S:g} s")


async def _tried(request: Callable[[], Awaitable[T]]) -> T:
    """Return the answer to a request that may be repeated, trying it again when it has no definite answer.

    Raises: VenueError.
    """
    for _ in range(TRIES - 1):
        try:
            return await request()
        except Overloaded as error:
            await asyncio.sleep(error.retry_after_s)
        except (OutcomeUnknown, VenueUnreachable):
            await asyncio.sleep(RETRY_S)
    return await request()
