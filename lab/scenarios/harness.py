"""The running stack that a scenario acts on, and what it can do to it: the venue's knobs, commands, orders by hand."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

import aiohttp
import msgspec

from bus import BusError
from bus.commands import give
from cli.commands import control
from cli.config.file import Configuration
from cli.inspect.audit import VenueBooks
from cli.stack.data_dir import DataDir
from cli.stack.ports import any_free
from cli.stack.stack import Stack, StackSettings, running
from lab.chaos.history import Witness, venue_evidence
from lab.chaos.invariants import contradictions
from lab.scenarios.event_recorder import NotSeen, Story, telling
from producers.simulated.client.client import SimulatedVenue
from producers.simulated.market.model import Scene
from producers.simulated.settings import FaultSettings, SymbolSettings
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.control import Command, CommandName, CommandResult
from schemas.engine.events import Fill, RiskChanged
from schemas.engine.journal import Step, SymbolEntry
from schemas.grid.view import GridView, NotQuoting
from schemas.subjects import Stream
from schemas.units import SECOND_NS, ClientOrderId, Price, Quantity, Side, Symbol
from schemas.venue.order_ids import is_ours
from schemas.venue.orders import OrderReport, PlaceOrder

ASK_EVERY_S = 0.5
SETTLE_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A stack that trades, and the story of it."""

    stack: Stack
    story: Story
    configuration: Configuration

    @property
    def entries(self) -> tuple[SymbolEntry, ...]:
        """Return what is traded."""
        return self.configuration.symbols

    @property
    def symbols(self) -> tuple[SymbolSettings, ...]:
        """Return what the venue has."""
        return self.configuration.venue.symbols

    @property
    def symbol(self) -> Symbol:
        """Return the first symbol."""
        return self.entries[0].symbol

    async def venue(self, what: str, body: object) -> None:
        """Tell the simulated venue what to do."""
        url = f"{self.stack.venue_url}/admin/{what}"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, json=msgspec.to_builtins(body)) as answer,
        ):
            if answer.status != 200:
                raise AssertionError(f"{url}: {answer.status} {await answer.text()}")

    async def path(self, symbol: Symbol, prices: Sequence[Decimal], volume: Decimal | None = None) -> None:
        """Let a symbol's next ticks have these prices, and this volume."""
        tick = next(s.instrument for s in self.symbols if s.instrument.symbol == symbol)
        scenes = [Scene(price=tick.price_down(price), volume=volume) for price in prices]
        await self.venue("path", {"symbol": symbol, "scenes": msgspec.to_builtins(scenes, str_keys=True)})

    async def books(self) -> VenueBooks:
        """Return the venue's own books."""
        return (await venue_evidence(self.stack.venue_url)).books

    async def grid(
        self,
        symbol: Symbol,
        what: str,
        wanted: Callable[[GridView], bool],
        *,
        since: int = 0,
        within_s: float = 30.0,
    ) -> GridView:
        """Return the first grid of a symbol that is as wanted; wait for it."""
        return await self.story.until(
            what,
            GridView,
            lambda view: view.symbol == symbol and wanted(view),
            since=since,
            within_s=within_s,
        )

    async def price(self, symbol: Symbol) -> Price:
        """Return the newest price that a symbol's grid decided at."""
        view = await self.grid(symbol, f"a price of {symbol}", lambda view: view.price is not None)
        newest = self.story.all(GridView, lambda each: each.symbol == symbol)[-1]
        return newest.price or view.price or Decimal(0)

    async def risk(
        self, symbol: Symbol, reason: str, *, since: int, active: bool = True, within_s: float = 30.0
    ) -> RiskChanged:
        """Return the first word that a guard steps in, or back; wait for it."""
        return await self.story.until(
            f"{symbol}: {reason} steps {'in' if active else 'back'}",
            RiskChanged,
            lambda e: e.symbol == symbol and e.reason == reason and e.active is active,
            since=since,
            within_s=within_s,
        )

    async def stopped(self, symbol: Symbol, reason: NotQuoting, *, since: int) -> GridView:
        """Return the first grid that is not quoting for a reason; wait for it."""
        return await self.grid(
            symbol, f"{symbol}: not quoting, {reason}", lambda view: view.not_quoting is reason, since=since
        )

    async def open_orders(self, symbol: Symbol, *, opening: bool) -> list[ClientOrderId]:
        """Return our orders in the venue's book: those that open, or all of them."""
        entry = next(each for each in self.entries if each.symbol == symbol)
        stored = await self.stack.bus.last(Stream.JOURNAL, subjects.step(entry.venue, symbol))
        slots = {} if stored is None else decode_as(stored.data, Step).state.slots
        opens = {slot.order.client_order_id for slot in slots.values() if slot.order and slot.order.opens}
        open_there = [each.client_order_id for each in (await self.books()).orders if each.is_open]
        ours = [name for name in open_there if is_ours(name, entry.instance, symbol)]
        return [name for name in ours if not opening or name in opens]

    async def until_open(
        self, symbol: Symbol, wanted: Callable[[int], bool], *, opening: bool = True, within_s: float = 30.0
    ) -> None:
        """Wait until as many of our orders as wanted are in the venue's book.

        Raises: NotSeen.
        """
        until = time.monotonic() + within_s
        while not wanted(count := len(await self.open_orders(symbol, opening=opening))):
            if time.monotonic() > until:
                raise NotSeen(f"{symbol}: {count} orders in the venue's book after {within_s:g} s")
            await asyncio.sleep(ASK_EVERY_S)

    async def command(
        self, name: CommandName, symbol: Symbol | None = None, *, age_s: float = 0, reason: str = "scenario"
    ) -> CommandResult:
        """Give a command, `age_s` old, and return its answer."""
        entry = self.entries[0]
        given = control.command(
            name,
            entry.venue,
            symbol or entry.symbol,
            reason=reason,
            operator="scenario",
            lifetime=30 * SECOND_NS,
        )
        age_ns = int(age_s * SECOND_NS)
        aged: Command = msgspec.structs.replace(
            given, time=given.time - age_ns, expires_time=given.expires_time - age_ns
        )
        async with asyncio.timeout(30):
            return await give(self.stack.bus, aged)

    async def by_hand(
        self,
        name: str,
        symbol: Symbol,
        side: Side,
        price: Price,
        quantity: Quantity,
        *,
        post_only: bool = True,
    ) -> OrderReport:
        """Place an order that is not the engine's, as somebody at the venue's own page would."""
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

    async def traded(self, symbol: Symbol) -> Fill:
        """Return a fill of a symbol that comes from now on."""
        return await self.story.until(
            f"a fill of {symbol}", Fill, lambda fill: fill.symbol == symbol, since=self.story.now, within_s=60
        )

    async def settle(self) -> dict[str, list[str]]:
        """Take every fault away, let the market stand still, and return what contradicts the proofs in the end."""
        await self.venue("faults", FaultSettings())
        await self.venue("market", {"halted": True})
        until = time.monotonic() + SETTLE_WITHIN_S
        witnesses = [Witness(entry) for entry in self.entries]
        while True:
            try:
                venue = await venue_evidence(self.stack.venue_url)
                for witness in witnesses:
                    await witness.look(self.stack.bus)
                found = contradictions([witness.trail for witness in witnesses], venue)
            except (BusError, aiohttp.ClientError):
                found = {"evidence": ["not to be had"]}
            if not any(found.values()) or time.monotonic() > until:
                return found
            await self.stack.bus.publish(f"sweep.{self.entries[0].venue}", b"")
            await asyncio.sleep(ASK_EVERY_S)


@asynccontextmanager
async def staged(configuration: Configuration, data: DataDir) -> AsyncIterator[Stage]:
    """Run a stack until every symbol shows a grid, and for as long as the context lasts."""
    settings = StackSettings(
        configuration=configuration, data=data, bus_port=any_free(), http_port=any_free()
    )
    async with running(settings, lambda line: None) as stack, telling(stack.bus) as story:
        stage = Stage(stack, story, configuration)
        for entry in configuration.symbols:
            await stage.grid(entry.symbol, f"{entry.symbol} has slots", lambda view: bool(view.slots))
        yield stage
