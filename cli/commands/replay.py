"""A recording played to its end: progress on the way, then what came of it, whether the books agree, and digests."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime
from decimal import Decimal

import aiohttp
import msgspec

from bus import Bus, FromStart, read
from cli.background import beside
from cli.console import Console
from cli.errors import CommandError
from cli.inspect.audit import VenueBooks, differences
from cli.inspect.digest import StepsSoFar, follow, last_step
from cli.stack.stack import Stack
from engine.core.view import view
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.events import Fill
from schemas.engine.journal import SymbolEntry
from schemas.grid.state import GridState
from schemas.subjects import Stream

LOOK_EVERY_S = 0.5
SETTLE_S = 30.0
"""How long after the recording's end the last steps and their copies may take to arrive."""


class Progress(msgspec.Struct, frozen=True):
    """How far the venue has got."""

    candle: int
    of: int


class _Market(msgspec.Struct, frozen=True):
    time: float
    progress: Progress | None = None


class _VenueStatus(msgspec.Struct, frozen=True):
    market: _Market


async def play(stack: Stack, entry: SymbolEntry, console: Console) -> bool:
    """Follow a replay to its end, print what came of it; tell whether the books agree.

    Raises: CommandError when the last steps do not arrive.
    """
    so_far = StepsSoFar()
    started = asyncio.get_running_loop().time()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10.0)) as session:
        async with (
            beside(follow(stack.bus, entry, so_far), "follow") as following,
            beside(stack.finished(), "finished") as finished,
        ):
            while not finished.done():
                await asyncio.wait({following, finished}, timeout=LOOK_EVERY_S, return_when="FIRST_COMPLETED")
                if following.done():
                    following.result()
                elapsed = asyncio.get_running_loop().time() - started
                console.progress(await _progress(stack, so_far, session, elapsed))
        console.end_progress()
        await _complete(stack.bus, entry, so_far)
        fills = await _fills(stack.bus, entry, so_far.fills)
        books = await _books(stack, session)
    state = so_far.state
    if state is None:
        raise CommandError("the recording ended before the engine took a step: see its log")
    found = differences(state, fills, books)
    console.say(summary(so_far, state, fills, asyncio.get_running_loop().time() - started))
    console.say(agreement(books, entry, found))
    return not found


def summary(so_far: StepsSoFar, state: GridState, fills: list[Fill], elapsed_s: float) -> str:
    """Return what came of a run, for people, with the digests by which runs are compared."""
    grid, quote = view(state, so_far.steps), state.instrument.quote
    rows = [
        ("symbol", f"{state.symbol} on {state.venue}, {state.settings.mode}"),
        ("market time", f"{_clock(grid.first_time)} to {_clock(state.time)}, in {elapsed_s:.1f} s"),
        ("steps", f"{so_far.steps}"),
        (
            "trades",
            f"{grid.opened_trades + grid.closed_trades} ({grid.opened_trades} opened, {grid.closed_trades} closed)",
        ),
        ("fills", f"{len(fills)}"),
        ("position", f"{grid.position} {state.instrument.base}"),
        ("cash", f"{grid.cash} {quote}"),
        ("fees", f"{grid.fees} {quote}"),
        ("grid profit", f"{_money(grid.grid_profit)} {quote}"),
        ("unpaired", f"{_money(grid.unpaired_profit)} {quote}"),
        ("total", f"{_money(grid.total_profit)} {quote}"),
        ("buy and hold", f"{_money(grid.buy_and_hold)} {quote}"),
        ("decisions_digest", so_far.decisions_digest),
        ("fills_digest", so_far.fills_digest),
        ("steps_digest", so_far.steps_digest),
    ]
    if so_far.first_missing is not None:
        rows.append(
            ("incomplete", f"step {so_far.first_missing} was gone: the digests are not of the whole run")
        )
    return "\n".join(f"  {name:<16} {value}" for name, value in rows)


def agreement(books: VenueBooks, entry: SymbolEntry, found: list[str]) -> str:
    """Return whether our books and the venue's are the same, for people."""
    if found:
        return "\n".join(["the books DISAGREE with the venue's:", *(f"  {line}" for line in found)])
    trades = sum(trade.symbol == entry.symbol for trade in books.trades)
    orders = sum(order.symbol == entry.symbol and order.is_open for order in books.orders)
    return f"the books agree with the venue's: {trades} trades each booked once, {orders} open orders, money and position"


async def _progress(
    stack: Stack, so_far: StepsSoFar, session: aiohttp.ClientSession, elapsed_s: float
) -> str:
    try:
        async with session.get(f"{stack.venue_url}/status") as answer:
            market = msgspec.json.decode(await answer.read(), type=_VenueStatus).market
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError):
        return "the venue is being started again"
    if market.progress is None:
        return "the recording is being read"
    done, of = market.progress.candle, market.progress.of
    left = f", {elapsed_s / done * (of - done):.0f} s left" if elapsed_s > 5 and done else ""
    state = so_far.state
    profit = view(state, so_far.steps).total_profit if state is not None else Decimal(0)
    return (
        f"candle {done} of {of} ({done / of:.1%})  {_clock(int(market.time * 1e9))}  fills {so_far.fills}  "
        f"profit {_money(profit)}{left}"
    )


async def _complete(bus: Bus, entry: SymbolEntry, so_far: StepsSoFar) -> None:
    last = await last_step(bus, entry)
    try:
        async with asyncio.timeout(SETTLE_S):
            await follow(bus, entry, so_far, until=last)
    except TimeoutError:
        raise CommandError(
            f"the journal's last steps did not arrive ({so_far.sequence} of {last}): is the bus well?"
        ) from None


async def _fills(bus: Bus, entry: SymbolEntry, expected: int) -> list[Fill]:
    """Return all fills, waiting until there are as many as the steps had."""
    found: dict[tuple[int, str], Fill] = {}
    filters = [subjects.fill(entry.venue, entry.symbol)]
    try:
        async with asyncio.timeout(SETTLE_S):
            async with aclosing(read(bus, Stream.ENGINE, filters, FromStart())) as batches:
                async for batch in batches:
                    for received in batch.messages:
                        fill = decode_as(received.data, Fill)
                        found[fill.step, fill.trade_id] = fill
                    if batch.caught_up and len(found) >= expected:
                        break
    except TimeoutError:
        pass  # what lacks is told as a difference
    return list(found.values())


async def _books(stack: Stack, session: aiohttp.ClientSession) -> VenueBooks:
    try:
        async with session.get(f"{stack.venue_url}/admin/books") as answer:
            return msgspec.json.decode(await answer.read(), type=VenueBooks)
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError) as error:
        raise CommandError(f"the venue's books cannot be had: {error}") from error


def _clock(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M")


def _money(value: Decimal) -> str:
    return f"{value:+.4f}"
