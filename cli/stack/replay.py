"""Follow a replay (`up --replay`) to its end; print progress, results, digests and the account comparison."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime
from decimal import Decimal

import aiohttp
import msgspec

from bus import Bus, FromStart, read
from cli.background import background_task
from cli.console import Console
from cli.errors import CommandError
from cli.inspect.audit import VenueRecords, differences
from cli.inspect.digest import JournalDigest, follow, last_step_sequence
from cli.inspect.market_model import MarketModel, VenueStatus, model_lines
from cli.stack.stack import Stack
from engine.core.view import view
from schemas import subjects
from schemas.codec import INVALID_JSON, decode_as
from schemas.engine.events import Fill
from schemas.engine.journal import SymbolEntry
from schemas.grid.profit import profit_parts, rounded
from schemas.grid.state import GridState
from schemas.subjects import Stream
from schemas.units import ZERO
from schemas.venue.fees import before_fees

POLL_S = 0.5
HTTP_TIMEOUT_S = 10.0
SETTLE_TIMEOUT_S = 30.0
"""Time for the last steps, and again for the last fills, to arrive after the end of the recording."""
SUMMARY_DIGITS = 4
"""Decimal places of amounts in the summary."""
MIN_ESTIMATE_S = 5.0
"""Elapsed time from which on the remaining time is estimated."""


class Progress(msgspec.Struct, frozen=True):
    """Candles replayed so far, and in all."""

    candle: int
    of: int


class _Market(msgspec.Struct, frozen=True):
    time: float
    progress: Progress | None = None


class _VenueStatus(msgspec.Struct, frozen=True):
    market: _Market


async def play(stack: Stack, entry: SymbolEntry, console: Console, tell: Callable[[str], None]) -> bool:
    """Follow a replay to its end, show its progress and `tell` the results; return whether the accounts match the venue.

    Raises: CommandError when the last steps do not arrive or the venue does not answer.
    """
    digest = JournalDigest()
    started_s = asyncio.get_running_loop().time()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=HTTP_TIMEOUT_S)) as session:
        for line in model_lines(await _fetch_model(stack, session), entry):
            tell(line)
        async with (
            background_task(follow(stack.bus, entry, digest), "follow") as following,
            background_task(stack.finished(), "finished") as finished,
        ):
            while not finished.done():
                await asyncio.wait({following, finished}, timeout=POLL_S, return_when="FIRST_COMPLETED")
                if following.done():
                    following.result()
                elapsed_s = asyncio.get_running_loop().time() - started_s
                console.progress(await _progress(stack, digest, session, elapsed_s))
        console.end_progress()
        await _complete(stack.bus, entry, digest)
        fills = await _read_fills(stack.bus, entry, digest.fills)
        records = await _fetch_records(stack, session)
    state = digest.state
    if state is None:
        raise CommandError("the recording ended before the engine committed a step: see the engine's log")
    found = differences(state, fills, records, digest.corrections)
    tell(summary(digest, state, fills, asyncio.get_running_loop().time() - started_s))
    tell(comparison(records, entry, found))
    return not found


def summary(digest: JournalDigest, state: GridState, fills: list[Fill], elapsed_s: float) -> str:
    """Return the results of a replay as text, with the digests by which runs are compared.

    Grid profit, unpaired, open fees and funding add up to the total as printed.
    """
    grid, quote = view(state, digest.steps), state.instrument.quote
    profit = rounded(profit_parts(grid), SUMMARY_DIGITS)
    trades = grid.opened_trades + grid.closed_trades
    per_fill = digest.requests_per_fill
    rows = [
        ("symbol", f"{state.symbol} on {state.venue}, {state.settings.mode}"),
        ("market time", f"{_clock(grid.first_time)} to {_clock(state.time)}, replayed in {elapsed_s:.1f} s"),
        ("steps", f"{digest.steps}"),
        ("trades", f"{trades} ({grid.opened_trades} opened, {grid.closed_trades} closed)"),
        ("fills", f"{len(fills)}"),
        ("requests", f"{digest.requests} (orders placed and canceled)"),
        ("requests_per_fill", "none" if per_fill is None else f"{per_fill:.2f}"),
        ("position", f"{grid.position} {state.instrument.base}"),
        ("cash", f"{grid.cash} {quote}"),
        ("fees", f"{grid.fees} {quote}"),
        ("grid profit", f"{_money(profit.grid_profit)} {quote}"),
        ("unpaired", f"{_money(profit.unpaired)} {quote}"),
        ("open fees", f"{_money(profit.open_fees)} {quote}"),
        ("funding", f"{_money(profit.funding)} {quote}"),
        ("total", f"{_money(profit.total)} {quote} {before_fees(grid.fees_other)}".rstrip()),
        ("buy and hold", f"{_money(grid.buy_and_hold)} {quote}"),
        ("decisions_digest", digest.decisions_digest),
        ("fills_digest", digest.fills_digest),
        ("steps_digest", digest.steps_digest),
    ]
    if digest.first_missing is not None:
        rows.append(
            (
                "incomplete",
                f"step {digest.first_missing} was already deleted: the digests cover a part of the run",
            )
        )
    return "\n".join(f"  {name:<18} {value}" for name, value in rows)


def comparison(records: VenueRecords, entry: SymbolEntry, found: list[str]) -> str:
    """Return whether the engine's accounts match the venue's records, as text."""
    if found:
        return "\n".join(["the accounts DO NOT MATCH the venue:", *(f"  {line}" for line in found)])
    trades = sum(trade.symbol == entry.symbol for trade in records.trades)
    orders = sum(order.symbol == entry.symbol and order.is_open for order in records.orders)
    return f"the accounts match the venue: {trades} trades each booked once; equal open orders ({orders}), money, position"


async def _progress(
    stack: Stack, digest: JournalDigest, session: aiohttp.ClientSession, elapsed_s: float
) -> str:
    try:
        async with session.get(f"{stack.venue_url}/status") as response:
            market = msgspec.json.decode(await response.read(), type=_VenueStatus).market
    except (aiohttp.ClientError, TimeoutError, OSError, *INVALID_JSON):
        return "the venue is restarting"
    if market.progress is None:
        return "reading the recording"
    done, total = market.progress.candle, market.progress.of
    is_estimable = elapsed_s > MIN_ESTIMATE_S and done
    remaining = f", {elapsed_s / done * (total - done):.0f} s left" if is_estimable else ""
    state = digest.state
    profit = view(state, digest.steps).total_profit if state is not None else ZERO
    return (
        f"candle {done} of {total} ({done / total:.1%})  {_clock(int(market.time * 1e9))}  fills {digest.fills}  "
        f"profit {_money(profit)}{remaining}"
    )


async def _complete(bus: Bus, entry: SymbolEntry, digest: JournalDigest) -> None:
    """Apply the remaining steps of the journal to the digest."""
    last = await last_step_sequence(bus, entry)
    try:
        async with asyncio.timeout(SETTLE_TIMEOUT_S):
            await follow(bus, entry, digest, until=last)
    except TimeoutError:
        raise CommandError(
            f"the journal's last steps did not arrive within {SETTLE_TIMEOUT_S:g} s (at {digest.sequence} of "
            f"{last}): see the log of the bus"
        ) from None


async def _read_fills(bus: Bus, entry: SymbolEntry, expected: int) -> list[Fill]:
    """Return all fills, waiting up to `SETTLE_TIMEOUT_S` until there are `expected` ones, as the steps contain."""
    found: dict[tuple[int, str], Fill] = {}
    filters = [subjects.fill(entry.venue, entry.symbol)]
    try:
        async with asyncio.timeout(SETTLE_TIMEOUT_S):
            async with aclosing(read(bus, Stream.ENGINE, filters, FromStart())) as batches:
                async for batch in batches:
                    for received in batch.messages:
                        fill = decode_as(received.data, Fill)
                        found[fill.step, fill.trade_id] = fill
                    if batch.caught_up and len(found) >= expected:
                        break
    except TimeoutError:
        pass  # missing fills are reported as differences
    return list(found.values())


async def _fetch_model(stack: Stack, session: aiohttp.ClientSession) -> MarketModel:
    try:
        async with session.get(f"{stack.venue_url}/status") as response:
            return msgspec.json.decode(await response.read(), type=VenueStatus).market
    except (aiohttp.ClientError, TimeoutError, OSError, *INVALID_JSON) as error:
        raise CommandError(f"the venue does not answer: {error!r}") from error


async def _fetch_records(stack: Stack, session: aiohttp.ClientSession) -> VenueRecords:
    try:
        async with session.get(f"{stack.venue_url}/admin/books") as response:
            return msgspec.json.decode(await response.read(), type=VenueRecords)
    except (aiohttp.ClientError, TimeoutError, OSError, *INVALID_JSON) as error:
        raise CommandError(
            f"{stack.venue_url}/admin/books cannot be read: {error}; see the venue's log"
        ) from error


def _clock(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M")


def _money(value: Decimal) -> str:
    return f"{value:+.{SUMMARY_DIGITS}f}"
