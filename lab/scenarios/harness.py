"""Harness of a scenario: the running stack, real or simulated, and operations on it.

Operations script the simulated venue, send commands, place manual orders, wait for events and check invariants.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import msgspec

from bus import BusError
from bus.commands import submit
from bus.runtime import monotonic_s, new_id, time_ns
from cli.apply.instance import registered_instance
from cli.apply.start import apply_at_start
from cli.config.file import Configuration
from cli.inspect.audit import VenueRecords
from lab.chaos.history import HistoryRecorder, fetch_venue_history
from lab.chaos.invariants import violations
from lab.scenarios.event_recorder import EventRecorder, NotObserved, recording_events
from lab.scenarios.stack import RunningStack
from producers.simulated.client.client import SimulatedVenue
from producers.simulated.market.model import ScriptedTick
from producers.simulated.settings import FaultSettings, SymbolSettings
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.control import Command, CommandName, CommandResult
from schemas.engine.events import Fill, RiskChanged
from schemas.engine.journal import Step, SymbolEntry
from schemas.grid.view import GridView, NotQuoting
from schemas.subjects import Stream
from schemas.units import SECOND_NS, ZERO, ClientOrderId, Price, Quantity, Side, Symbol
from schemas.venue.order_ids import is_own_order_id
from schemas.venue.orders import OrderReport, PlaceOrder

POLL_S = 0.5
SETTLE_WITHIN_S = 60.0
COMMAND_LIFETIME_S = 30


@dataclass(frozen=True, slots=True)
class Harness:
    """A stack that trades, and the recorder of its events."""

    stack: RunningStack
    recorder: EventRecorder
    configuration: Configuration

    @property
    def entries(self) -> tuple[SymbolEntry, ...]:
        """The traded symbols with their grid settings."""
        return self.configuration.symbols

    @property
    def venue_symbols(self) -> tuple[SymbolSettings, ...]:
        """The symbols that the venue lists."""
        return self.configuration.venue.symbols

    @property
    def symbol(self) -> Symbol:
        """The first traded symbol."""
        return self.entries[0].symbol

    async def post_admin(self, path: str, body: object) -> None:
        """POST to `/admin/<path>` of the simulated venue.

        Raises: AssertionError when the status is not 200.
        """
        url = f"{self.stack.venue_url}/admin/{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, json=msgspec.to_builtins(body)) as response,
        ):
            if response.status != 200:
                raise AssertionError(f"{url}: {response.status} {await response.text()}")

    async def script_prices(
        self, symbol: Symbol, prices: Sequence[Price], volume: Quantity | None = None
    ) -> None:
        """Set the prices of the next ticks of a symbol, and their market volume."""
        rules = next(s.instrument for s in self.venue_symbols if s.instrument.symbol == symbol)
        ticks = [ScriptedTick(price=rules.price_down(price), volume=volume) for price in prices]
        await self.post_admin("path", {"symbol": symbol, "scenes": msgspec.to_builtins(ticks, str_keys=True)})

    async def venue_books(self) -> VenueRecords:
        """Return the venue's own record of orders, trades and holdings."""
        return (await fetch_venue_history(self.stack.venue_url)).accounts

    async def wait_for_grid(
        self,
        symbol: Symbol,
        description: str,
        matches: Callable[[GridView], bool],
        *,
        since: int = 0,
        within_s: float = 30.0,
    ) -> GridView:
        """Return the first grid view of a symbol that matches.

        Raises: NotObserved.
        """
        return await self.recorder.wait_for(
            description,
            GridView,
            lambda view: view.symbol == symbol and matches(view),
            since=since,
            within_s=within_s,
        )

    async def wait_until_quoting(self, symbol: Symbol, *, since: int, within_s: float = 30.0) -> None:
        """Wait for a grid view of a symbol that is quoting.

        Raises: NotObserved.
        """
        await self.wait_for_grid(
            symbol,
            f"{symbol}: quoting again",
            lambda view: view.not_quoting is None,
            since=since,
            within_s=within_s,
        )

    async def wait_until_not_quoting(self, symbol: Symbol, reason: NotQuoting, *, since: int) -> GridView:
        """Return the first grid view of a symbol that is not quoting for this reason.

        Raises: NotObserved.
        """
        return await self.wait_for_grid(
            symbol, f"{symbol}: not quoting, {reason}", lambda view: view.not_quoting is reason, since=since
        )

    async def wait_for_risk(
        self, symbol: Symbol, reason: str, *, since: int, active: bool = True, within_s: float = 30.0
    ) -> RiskChanged:
        """Return the first event that a guard is activated, or with `active=False` cleared.

        Raises: NotObserved.
        """
        return await self.recorder.wait_for(
            f"{symbol}: {reason} {'activated' if active else 'cleared'}",
            RiskChanged,
            lambda e: e.symbol == symbol and e.reason == reason and e.active is active,
            since=since,
            within_s=within_s,
        )

    async def wait_for_open_orders(
        self,
        symbol: Symbol,
        matches: Callable[[int], bool],
        *,
        opening_only: bool = True,
        within_s: float = 30.0,
    ) -> None:
        """Wait until the number of the engine's open orders at the venue matches.

        Raises: NotObserved.
        """
        deadline = monotonic_s() + within_s
        while not matches(count := len(await self.open_orders(symbol, opening_only=opening_only))):
            if monotonic_s() > deadline:
                raise NotObserved(f"{symbol}: {count} orders are open at the venue after {within_s:g} s")
            await asyncio.sleep(POLL_S)

    async def next_fill(self, symbol: Symbol) -> Fill:
        """Return the next fill of a symbol.

        Raises: NotObserved.
        """
        return await self.recorder.wait_for(
            f"a fill of {symbol}",
            Fill,
            lambda fill: fill.symbol == symbol,
            since=self.recorder.mark,
            within_s=60,
        )

    async def last_price(self, symbol: Symbol) -> Price:
        """Return the price of a symbol's newest grid view."""
        view = await self.wait_for_grid(symbol, f"a price of {symbol}", lambda view: view.price is not None)
        newest = self.recorder.all(GridView, lambda view: view.symbol == symbol)[-1]
        return newest.price or view.price or ZERO

    async def open_orders(self, symbol: Symbol, *, opening_only: bool) -> list[ClientOrderId]:
        """Return the ids of the engine's open orders at the venue: all of them, or only those that open a position."""
        entry = next(entry for entry in self.entries if entry.symbol == symbol)
        instance = await registered_instance(self.stack.bus)
        stored = await self.stack.bus.last(Stream.JOURNAL, subjects.step(entry.venue, symbol))
        slots = {} if stored is None else decode_as(stored.data, Step).state.slots
        opening = {slot.order.client_order_id for slot in slots.values() if slot.order and slot.order.opens}
        open_ids = [order.client_order_id for order in (await self.venue_books()).orders if order.is_open]
        ours = [order_id for order_id in open_ids if is_own_order_id(order_id, instance, symbol)]
        return [order_id for order_id in ours if not opening_only or order_id in opening]

    async def apply(self, configuration: Configuration) -> None:
        """Apply a configuration to the running stack, as `up` does at its start: limits and new symbols."""
        tradable = [(entry.venue, entry.symbol) for entry in configuration.symbols]
        await apply_at_start(self.stack.bus, configuration, tradable)

    async def send_command(self, name: CommandName, *, age_s: float = 0) -> CommandResult:
        """Send a command for the first symbol, issued `age_s` seconds ago, and return its result.

        Raises: NotObserved.
        """
        issued = time_ns() - int(age_s * SECOND_NS)
        command = Command(
            venue=self.entries[0].venue,
            symbol=self.symbol,
            command_id=new_id(),
            name=name,
            operator="scenario",
            reason="scenario",
            time=issued,
            expires_time=issued + COMMAND_LIFETIME_S * SECOND_NS,
        )
        try:
            async with asyncio.timeout(COMMAND_LIFETIME_S):
                return await submit(self.stack.bus, command)
        except TimeoutError:
            raise NotObserved(f"not answered within {COMMAND_LIFETIME_S} s: the command {name}") from None

    async def place_manual_order(
        self,
        name: str,
        symbol: Symbol,
        side: Side,
        price: Price,
        quantity: Quantity,
        *,
        post_only: bool = True,
    ) -> OrderReport:
        """Place an order with an id that is not the engine's, as from the venue's own trading page."""
        order = PlaceOrder(
            client_order_id=ClientOrderId(name),
            side=side,
            price=price,
            quantity=quantity,
            post_only=post_only,
            reduce_only=False,
            level=0,
        )
        async with SimulatedVenue(self.stack.venue_url, venue=self.entries[0].venue) as venue:
            return await venue.place(symbol, order)

    async def check_invariants(self) -> dict[str, list[str]]:
        """Remove all faults, halt the market, and return the violations by invariant.

        Checks repeatedly until there are none, because reports and trades may still be under way; gives up after
        `SETTLE_WITHIN_S` seconds.
        """
        await self.post_admin("faults", FaultSettings())
        await self.post_admin("market", {"halted": True})
        deadline = monotonic_s() + SETTLE_WITHIN_S
        recorders = [HistoryRecorder(entry) for entry in self.entries]
        while True:
            try:
                venue = await fetch_venue_history(self.stack.venue_url)
                for recorder in recorders:
                    await recorder.record(self.stack.bus)
                broken = violations([recorder.history for recorder in recorders], venue)
            except (BusError, aiohttp.ClientError) as error:
                broken = {"evidence": [f"not available: {error}"]}
            if not any(broken.values()) or monotonic_s() > deadline:
                return broken
            await self.stack.bus.publish(f"sweep.{self.entries[0].venue}", b"")
            await asyncio.sleep(POLL_S)


@asynccontextmanager
async def harness_on(stack: RunningStack, configuration: Configuration) -> AsyncIterator[Harness]:
    """Record the events of a stack while the context lasts; yield its harness once every grid has started.

    Raises: NotObserved.
    """
    async with recording_events(stack.bus) as recorder:
        harness = Harness(stack, recorder, configuration)
        for entry in configuration.symbols:
            await harness.wait_for_grid(
                entry.symbol,
                f"{entry.symbol} has started",
                lambda view: bool(view.slots) and view.not_quoting is not NotQuoting.PREFLIGHT,
            )
        yield harness
