"""Keeps the opening orders of one symbol up to date from the bus.

The start is the newest sweep of open orders (`account.V.S.orders`), which names the ORDERS sequence that it reflects. The
intents and reports behind it are read from ORDERS. An intent is stored before its orders are sent, so a little earlier
ones are read as well: their orders may have been on their way while the sweep read the open ones.
"""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import aclosing

from bus import (
    Bus,
    FromStart,
    FromTime,
    Logger,
    OffsetLost,
    Received,
    Registry,
    Start,
    decode_or_log,
    newest,
    read,
    stored_at,
)
from bus.runtime import time_ns
from producers.gateway.holdings import OrderEvent, SymbolHoldings, WorkingOrder
from producers.gateway.steps import StepHeader, decode_state, decode_step
from schemas import subjects
from schemas.codec import UndecodableError, decode
from schemas.engine.journal import SymbolEntry
from schemas.subjects import Stream
from schemas.units import SECOND_NS, ZERO, ClientOrderId, Symbol, VenueId
from schemas.venue.account import OpenOrder, OpenOrders
from schemas.venue.order_ids import parse_order_id, symbol_code
from schemas.venue.orders import OrderIntent, OrderReport, PlaceOrder, Trade

IN_FLIGHT_NS = 120 * SECOND_NS
"""How far before a sweep intents are read: longer than any venue's receive window and the difference of clocks."""
MAX_INTENT_AGE_NS = 24 * 3600 * SECOND_NS
"""How far back intents are read to find out whether an order that was open at the start is a closing one."""


class HoldingsFeed:
    """Follows the order events of one symbol. Orders of another gateway (`is_remote`) are counted from its intents."""

    def __init__(
        self,
        bus: Bus,
        venue: VenueId,
        symbol: Symbol,
        holdings: SymbolHoldings,
        log: Logger,
        *,
        is_remote: bool = False,
    ) -> None:
        self._bus = bus
        self._log = log
        self._venue = venue
        self._symbol = symbol
        self._holdings = holdings
        self._is_remote = is_remote
        self._filters = (
            subjects.order_intent(venue, symbol),
            *subjects.own_order_events(venue, symbol),
        )
        self._created = ""
        self._through = 0
        self._has_read = asyncio.Event()
        self._unclassified: dict[ClientOrderId, OpenOrder] = {}
        """Open orders at the start that count, although they may be closing ones."""
        self.ready = asyncio.Event()
        """Set when the opening orders are known."""

    async def run(self) -> None:
        """Follow the order events, for ever. Reads everything again when ORDERS was lost or restored."""
        while True:
            try:
                await self._follow()
            except OffsetLost as lost:
                self._log.warning("order_events_lost", symbol=self._symbol, detail=str(lost))

    async def wait_through(self, step: StepHeader) -> None:
        """Wait until the order events that are inputs of a step are applied."""
        inputs = [each.sequence for each in step.inputs if each.stream == Stream.ORDERS]
        while inputs and self._through < max(inputs):
            self._has_read.clear()
            await self._has_read.wait()

    def apply_step(self, message: Received, step: StepHeader, unresolved: Collection[ClientOrderId]) -> None:
        """Apply the position of a step; orders that are only requested count if they are in `unresolved`."""
        included = step.included(self._created)
        if step.risk is not None:
            self._holdings.apply(step.risk, included)
        elif (state := decode_state(message, self._log)) is not None:
            self._holdings.apply_state(state, included, None if self._is_remote else unresolved)

    async def forget_closing_orders(self) -> None:
        """Stop counting the orders at the start that older intents show to be closing ones."""
        if not self._unclassified:
            return
        oldest = min(each.time for each in self._unclassified.values()) - IN_FLIGHT_NS
        start = FromTime(max(oldest, time_ns() - MAX_INTENT_AGE_NS))
        intents = read(self._bus, Stream.ORDERS, self._filters[:1], start)
        async with aclosing(intents) as batches:
            async for batch in batches:
                for message in batch.messages:
                    for order in _placed(decode_or_log(message, OrderIntent, self._log)):
                        known = self._unclassified.pop(order.client_order_id, None)
                        if known is not None and not order.opens:
                            self._holdings.forget(order.client_order_id)
                if batch.caught_up or not self._unclassified:
                    return

    async def _follow(self) -> None:
        self._created = await self._bus.stream_created(Stream.ORDERS)
        listing, through = await self._newest_sweep()
        last = await self._apply_last_step()
        if last is not None:
            included = last.included(self._created)
            # The state of a step of version 1 has the open orders, and knows which of them are closing ones.
            listing, through = (None, included) if last.risk is None else (listing, min(through, included))
        earlier: list[Received] | None = []
        async with aclosing(
            read(self._bus, Stream.ORDERS, self._filters, await self._start(through))
        ) as batches:
            async for batch in batches:
                if earlier is None:
                    self._apply_all(batch.messages)
                    continue
                earlier += batch.messages
                if batch.caught_up:
                    await self._load(listing, through, earlier)
                    earlier = None

    async def _newest_sweep(self) -> tuple[OpenOrders | None, int]:
        subject = subjects.open_orders(self._venue, self._symbol)
        stored = await self._bus.last(Stream.ACCOUNT, subject)
        found = await newest(self._bus, Stream.ACCOUNT, subject, OpenOrders, stored)
        if found is None:
            return None, 0
        includes = found.event.includes
        message = await stored_at(self._bus, Stream.ORDERS, includes) if includes else None
        if message is None or message.time_ns > found.stored.time_ns:
            return found.event, 0  # ORDERS was recreated, or has discarded the message
        return found.event, includes

    async def _apply_last_step(self) -> StepHeader | None:
        message = await self._bus.last(Stream.JOURNAL, subjects.step(self._venue, self._symbol))
        step = decode_step(message, self._log) if message is not None else None
        if message is not None and step is not None:
            self.apply_step(message, step, ())
        return step

    async def _start(self, through: int) -> Start:
        message = await stored_at(self._bus, Stream.ORDERS, through) if through else None
        return FromStart() if message is None else FromTime(max(message.time_ns - IN_FLIGHT_NS, 0))

    async def _load(self, listing: OpenOrders | None, through: int, messages: list[Received]) -> None:
        self._holdings.discard_events()
        events = list(self._decoded(messages))
        placed: dict[ClientOrderId, PlaceOrder] = {}
        for _, event in events:
            if isinstance(event, OrderIntent):
                placed |= {order.client_order_id: order for order in _placed(event)}
        for order in placed.values():
            self._holdings.count(order)
        later = [(number, event) for number, event in events if number > through]
        entry = await Registry(self._bus, "symbols").get(subjects.registry_key(self._venue, self._symbol))
        known = decode_or_log(entry, SymbolEntry, self._log) if entry is not None else None
        for each in listing.orders if listing is not None else ():
            if each.client_order_id in placed or each.reduce_only or not self._is_own(each, known):
                continue
            self._holdings.orders[each.client_order_id] = _working(each, later)
            self._unclassified[each.client_order_id] = each
        for number, event in events:
            if isinstance(event, OrderReport | Trade) and (
                number > through or event.client_order_id in placed
            ):
                self._holdings.on_order_event(number, event)
        self._advance(messages)
        self.ready.set()

    def _is_own(self, order: OpenOrder, entry: SymbolEntry | None) -> bool:
        parts = parse_order_id(order.client_order_id)
        is_symbol = parts is not None and parts.code == symbol_code(self._symbol)
        return is_symbol and (entry is None or parts is None or parts.instance == entry.instance)

    def _apply_all(self, messages: list[Received]) -> None:
        for number, event in self._decoded(messages):
            if isinstance(event, OrderReport | Trade):
                self._holdings.on_order_event(number, event)
            elif self._is_remote:
                for order in _placed(event):
                    self._holdings.count(order)
        self._advance(messages)

    def _advance(self, messages: list[Received]) -> None:
        if messages:
            self._through = messages[-1].sequence
        self._has_read.set()

    def _decoded(self, messages: list[Received]) -> Iterator[tuple[int, OrderEvent | OrderIntent]]:
        for message in messages:
            try:
                event = decode(message.data)
            except UndecodableError as error:
                self._log.error(
                    "undecodable", subject=message.subject, sequence=message.sequence, detail=str(error)
                )
                continue
            if isinstance(event, OrderReport | Trade | OrderIntent):
                yield message.sequence, event


def _placed(intent: OrderIntent | None) -> list[PlaceOrder]:
    return [each for each in intent.decisions if isinstance(each, PlaceOrder)] if intent is not None else []


def _working(order: OpenOrder, later: list[tuple[int, OrderEvent | OrderIntent]]) -> WorkingOrder:
    """Return an open order of a sweep, without the later trades, which may or may not be in its cumulative quantity."""
    traded = sum(
        (
            event.quantity
            for _, event in later
            if isinstance(event, Trade) and event.client_order_id == order.client_order_id
        ),
        ZERO,
    )
    return WorkingOrder(
        side=order.side,
        price=order.price,
        quantity=order.quantity,
        traded=max(order.cumulative_quantity - traded, ZERO),
    )
