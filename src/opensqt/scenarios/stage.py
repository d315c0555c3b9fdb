"""The running stack that a scenario acts on, and what it can do to it: the venue's knobs, commands, orders by hand."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

import aiohttp
import msgspec

from bus import BusError
from bus.commands import give
from opensqt import control
from opensqt.books import VenueBooks
from opensqt.config import Configuration
from opensqt.data_dir import DataDir
from opensqt.listening import any_free
from opensqt.scenarios.story import Story, telling
from opensqt.stack import Stack, StackSettings, running
from opensqt.verify.evidence import Witness, venue_evidence
from opensqt.verify.proofs import contradictions
from producers.simulated.client import SimulatedVenue
from producers.simulated.settings import FaultSettings
from schemas.control import Command, CommandName, CommandResult
from schemas.engine import Fill
from schemas.grid_view import GridView
from schemas.journal import SymbolEntry
from schemas.orders import OrderReport, PlaceOrder
from schemas.units import SECOND_NS, ClientOrderId, Price, Quantity, Side, Symbol

ASK_EVERY_S = 0.5
SETTLE_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A stack that trades, and the story of it."""

    stack: Stack
    story: Story
    entries: tuple[SymbolEntry, ...]
    say: Callable[[str], None]

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

    async def books(self) -> VenueBooks:
        """Return the venue's own books."""
        return (await venue_evidence(self.stack.venue_url)).books

    async def grid(
        self, symbol: Symbol, what: str, wanted: Callable[[GridView], bool], *, since: int = 0
    ) -> GridView:
        """Return the first grid of a symbol that is as wanted; wait for it."""
        return await self.story.until(
            what, GridView, lambda view: view.symbol == symbol and wanted(view), since=since
        )

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
async def staged(
    configuration: Configuration, data: DataDir, say: Callable[[str], None]
) -> AsyncIterator[Stage]:
    """Run a stack until every symbol shows a grid, and for as long as the context lasts."""
    settings = StackSettings(
        configuration=configuration, data=data, bus_port=any_free(), http_port=any_free()
    )
    async with running(settings, lambda line: None) as stack, telling(stack.bus) as story:
        stage = Stage(stack, story, configuration.symbols, say)
        for entry in configuration.symbols:
            await stage.grid(entry.symbol, f"{entry.symbol} has slots", lambda view: bool(view.slots))
        yield stage


def is_close(one: Decimal, other: Decimal, ratio: Decimal = Decimal("0.001")) -> bool:
    """Tell whether two figures differ by less than a share of the second."""
    return abs(one - other) <= abs(other) * ratio
