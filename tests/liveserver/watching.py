"""Test helpers: run a live server, connect to its WebSocket, publish events on the bus."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bus import Bus
from liveserver.app import running
from liveserver.hub.replica import Replica
from liveserver.settings import Settings
from schemas import subjects
from schemas.engine.control import CommandResult
from schemas.engine.events import (
    AlertRaised,
    Fill,
    PositionCorrected,
    QuotingChanged,
    Reconciled,
    RiskChanged,
)
from schemas.grid.view import GridView
from schemas.venue.account import Balance, OpenOrders, Position
from schemas.venue.market import Candle, FeedChanged, Ticker
from schemas.venue.orders import OrderReport, Trade

TIMEOUT_S = 10.0

_SUBJECTS: dict[type[msgspec.Struct], Callable[..., str]] = {
    Ticker: subjects.ticker,
    FeedChanged: subjects.feed,
    OrderReport: subjects.order_report,
    Trade: subjects.own_trade,
    OpenOrders: subjects.open_orders,
    Position: subjects.position,
    GridView: subjects.grid,
    Fill: subjects.fill,
    RiskChanged: subjects.risk,
    AlertRaised: subjects.alert,
    QuotingChanged: subjects.quoting,
    Reconciled: subjects.reconciliation,
    PositionCorrected: subjects.correction,
    CommandResult: subjects.command_result,
}


def subject_of(event: Any) -> str:
    """Return the subject that an event is published on."""
    match event:
        case Balance():
            return subjects.balance(event.venue, event.asset)
        case Candle():
            build = subjects.closed_candle if event.closed else subjects.live_candle
            return build(event.venue, event.symbol, event.interval)
        case _:
            return _SUBJECTS[type(event)](event.venue, event.symbol)


async def publish(bus: Bus, *events: msgspec.Struct) -> int:
    """Store events in order; return the sequence of the last."""
    sequence = 0
    for event in events:
        sequence = await bus.store(subject_of(event), event)
    return sequence


@asynccontextmanager
async def serving(bus_url: str, *, port: int = 0, **settings: Any) -> AsyncIterator[Replica]:
    """Run a live server, by default on a free port."""
    async with running(Settings(bus=bus_url, http_port=port, **settings)) as replica:
        yield replica


class SocketClient:
    """A WebSocket client that decodes and records messages."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.messages: list[tuple[str, Any]] = []

    async def next(self) -> tuple[str, Any]:
        """Return the type and data of the next message."""
        async with asyncio.timeout(TIMEOUT_S):
            message = json.loads(await self.socket.recv())
        self.messages.append((message["type"], message["data"]))
        return self.messages[-1]

    async def until(self, kind: str, matches: Callable[[Any], object] = lambda data: True) -> Any:
        """Return the data of the next message of a type that matches."""
        while True:
            received, data = await self.next()
            if received == kind and matches(data):
                return data

    async def wait_closed(self) -> int | None:
        """Read to the end and return the close code."""
        with suppress(ConnectionClosed):
            while True:
                await self.next()
        return self.socket.close_code


@asynccontextmanager
async def watching(replica: Replica, query: str = "", **options: Any) -> AsyncIterator[SocketClient]:
    """Connect to a live server's WebSocket."""
    address = replica.address.replace("http", "ws") + "/ws" + query
    async with connect(address, open_timeout=TIMEOUT_S, close_timeout=1, **options) as socket:
        yield SocketClient(socket)
