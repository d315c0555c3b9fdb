"""Inbox of an actor: queues durable inputs in order, and keeps only the newest of each state update and the newest sweep."""

import asyncio
from collections import deque
from typing import NamedTuple

import msgspec

from bus import Received
from bus.runtime import time_ns
from schemas.codec import UndecodableError, UnknownKind, decode, decode_as
from schemas.engine.control import Command, CommandName
from schemas.engine.journal import (
    CommandReceived,
    EngineStopping,
    Input,
    LedgerGap,
    ResyncRequired,
    StreamOffset,
    SymbolAdded,
    SymbolEntry,
    TimePassed,
)
from schemas.engine.portfolio import PortfolioLimits
from schemas.grid.state import EarlierGenerations, GridState
from schemas.subjects import Stream
from schemas.units import Side, TimeNs
from schemas.venue.account import Balance, OpenOrders
from schemas.venue.instruments import Instrument, InstrumentKind
from schemas.venue.market import Candle, FeedChanged, Ticker
from schemas.venue.order_ids import parse_order_id
from schemas.venue.orders import CancelRejected, Funding, OrderReport, RejectReason, Trade

MAX_WAITING = 2000
"""Maximum number of durable inputs that wait; a reader that is further ahead of the actor waits."""

StateUpdate = (
    Balance
    | Candle
    | Ticker
    | FeedChanged
    | TimePassed
    | PortfolioLimits
    | EngineStopping
    | Instrument
    | ResyncRequired
    | LedgerGap
)
"""An input that a newer one of its kind replaces; of candles, the forming one of a symbol; of balances, that of an asset."""

UPDATE_ORDER: tuple[type[StateUpdate], ...] = (
    EngineStopping,
    ResyncRequired,
    Instrument,
    LedgerGap,
    PortfolioLimits,
    Balance,
    Candle,
    Ticker,
    FeedChanged,
    TimePassed,
)
"""Order of delivery: the loss of the feed is delivered after the tick that preceded it."""


class DurableInput(NamedTuple):
    """An input of a durable stream and its offset; `event` is None for a message that is skipped."""

    stream: Stream
    offset: StreamOffset
    event: Input | None
    trace: str = ""
    """The traceparent of the message; empty without one."""
    unknown: UnknownKind | None = None
    """Set for a message of a newer version: the symbol must not go on without it."""


class Inbox:
    """Delivers durable inputs first, then a sweep (query of the open orders) that is due, then the newest updates."""

    def __init__(self, orders_sequence: int) -> None:
        self._durable: deque[DurableInput] = deque()
        self._updates: dict[type[StateUpdate], dict[object, StateUpdate]] = {
            kind: {} for kind in UPDATE_ORDER
        }
        self._sweep: OpenOrders | None = None
        self._orders_sequence = orders_sequence
        self._filled = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def put(self, durable: DurableInput) -> None:
        """Add a durable input; once `MAX_WAITING` are queued, wait until half of them are taken."""
        await self._has_room.wait()
        self._durable.append(durable)
        if len(self._durable) >= MAX_WAITING:
            self._has_room.clear()
        self._filled.set()

    def put_update(self, update: StateUpdate) -> None:
        """Add a state update in place of the one of its kind that waits."""
        self._updates[type(update)][_key(update)] = update
        self._filled.set()

    def put_sweep(self, sweep: OpenOrders) -> None:
        """Add a sweep in place of the one that waits. It is due once its trades and the events included were delivered."""
        if self._sweep is not None and self._sweep.answers:
            # The trades of the older sweep were stored before those of the newer one.
            sweep = msgspec.structs.replace(sweep, answers=(*self._sweep.answers, *sweep.answers))
        self._sweep = sweep
        self._filled.set()

    async def next(self, timeout_s: float | None = None) -> DurableInput | StateUpdate | OpenOrders | None:
        """Return the next input, waiting for one; None when there was none for `timeout_s`."""
        if timeout_s is None:
            return await self._next()
        try:
            async with asyncio.timeout(timeout_s):
                return await self._next()
        except TimeoutError:
            return None

    async def _next(self) -> DurableInput | StateUpdate | OpenOrders:
        while True:
            if self._durable:
                return self._next_durable()
            if self._sweep is not None and _read_before(self._sweep) <= self._orders_sequence:
                sweep, self._sweep = self._sweep, None
                return sweep
            for kind in UPDATE_ORDER:
                if waiting := self._updates[kind]:
                    return waiting.pop(next(iter(waiting)))
            self._filled.clear()
            await self._filled.wait()

    def _next_durable(self) -> DurableInput:
        durable = self._durable.popleft()
        if durable.stream is Stream.ORDERS:
            self._orders_sequence = durable.offset.sequence
        if len(self._durable) < MAX_WAITING // 2:
            self._has_room.set()
        return durable


def _read_before(sweep: OpenOrders) -> int:
    return max(sweep.includes, sweep.trades_sequence)


def order_event(message: Received) -> Input:
    """Return the order event of a message on ORDERS.

    Raises: UndecodableError when it is something else.
    """
    event = decode(message.data)
    if isinstance(event, OrderReport | CancelRejected | Trade | Funding):
        return event
    raise UndecodableError(f"not an order event: {type(event).__name__}")


def command_received(message: Received) -> Input:
    """Return the command of a message on CONTROL, with the present time as its time of receipt.

    Raises: UndecodableError when it is no command.
    """
    return CommandReceived(command=decode_as(message.data, Command), received_time=time_ns())


def requires_sweep(cause: Input, state: GridState) -> bool:
    """Return whether an input has to be followed by a sweep.

    After a `reconcile` command, a sweep that left one unanswered, or a closing order for which the venue has too little.
    """
    if isinstance(cause, OpenOrders):
        return bool(state.asked)
    if isinstance(cause, OrderReport):
        return _lacks_position(cause, state)
    return isinstance(cause, CommandReceived) and cause.command.name is CommandName.RECONCILE


def symbol_added(
    entry: SymbolEntry, instrument: Instrument, now: TimeNs, earlier: EarlierGenerations | None = None
) -> SymbolAdded:
    """Return the first input of a symbol."""
    return SymbolAdded(
        venue=entry.venue,
        symbol=entry.symbol,
        instance=entry.instance,
        generation=entry.generation,
        settings=entry.settings,
        instrument=instrument,
        time=now,
        earlier=earlier,
    )


def _lacks_position(report: OrderReport, state: GridState) -> bool:
    if report.reject_reason is RejectReason.INSUFFICIENT_MARGIN:
        parts = parse_order_id(report.client_order_id)
        is_spot = state.instrument.kind is InstrumentKind.SPOT
        return is_spot and parts is not None and parts.side is Side.SELL
    return report.reject_reason is RejectReason.REDUCE_ONLY


def _key(update: StateUpdate) -> object:
    if isinstance(update, Candle):
        return update.symbol, update.interval, update.closed and update.open_time
    return update.asset if isinstance(update, Balance) else None
