"""Mutants of what is read: replicas, restored streams, sweeps, trades that are read again."""

from collections.abc import Mapping
from contextlib import AbstractContextManager

from bus.streams import offsets, read_position
from bus.streams.history import History
from engine.actor import start as engine_start
from engine.core.orders import execution
from lab.simulation.mutants.mutant import Mutant, in_parts, replaced
from producers.account import symbol_sweeper
from producers.account.symbol_sweeper import SymbolSweeper
from schemas.grid.state import GridState, SlotOrder
from schemas.units import TimeNs
from schemas.venue.orders import Trade

_last_stored = History._last_stored


def trust_stale_follower() -> AbstractContextManager[None]:
    async def last_stored(self: History) -> Mapping[str, int]:
        return {}

    return replaced((History, "_last_stored", in_parts(_last_stored, last_stored)))


def trust_restored_offsets() -> AbstractContextManager[None]:
    async def is_replaced(*_: object) -> bool:
        return False

    # Engine and gateway vouch for each other's records since: that mend hides the first one.
    mutated = in_parts(offsets.is_replaced, is_replaced)
    return replaced((read_position, "is_replaced", mutated), (engine_start, "find_loss", _no_loss))


def ignore_lost_records() -> AbstractContextManager[None]:
    return replaced((engine_start, "find_loss", _no_loss))


def skip_sweep() -> AbstractContextManager[None]:
    async def store_missing(self: SymbolSweeper, since: TimeNs, *, is_lost: bool) -> None:
        pass

    return replaced((SymbolSweeper, "_store_missing", store_missing))


def forget_mark() -> AbstractContextManager[None]:
    async def sweep_start(bus: object, venue: object, symbol: object, now: TimeNs, log: object) -> TimeNs:
        return now

    return replaced((symbol_sweeper, "sweep_start", sweep_start), (symbol_sweeper, "TRADE_OVERLAP_NS", 0))


def ignore_trade_ids() -> AbstractContextManager[None]:
    def is_booked(state: GridState, order: SlotOrder | None, trade: Trade) -> bool:
        return False

    return replaced((execution, "is_booked", is_booked))


def forget_booked_trades() -> AbstractContextManager[None]:
    def is_booked(state: GridState, order: SlotOrder | None, trade: Trade) -> bool:
        return order is not None and trade.trade_id in order.trade_ids

    return replaced((execution, "is_booked", is_booked))


async def _no_loss(*_: object, **__: object) -> None:
    return None


MUTANTS = (
    Mutant(
        "trust-stale-follower",
        "A replica that answers with nothing is believed: what the leader has stored since is skipped.",
        trust_stale_follower,
        ("stale-start",),
    ),
    Mutant(
        "trust-restored-offsets",
        "An offset in a stream that was set back and has grown again is believed.",
        trust_restored_offsets,
        ("restore-orders",),
    ),
    Mutant(
        "ignore-lost-records",
        "An engine starts from what its journal has, whatever the gateway's intents say was there.",
        ignore_lost_records,
        ("restore-journal",),
    ),
    Mutant(
        "skip-sweep",
        "A sweep stores no trades that the private stream missed.",
        skip_sweep,
        ("venue-events",),
    ),
    Mutant(
        "forget-mark",
        "A sweep starts at the present instead of at the mark of booked trades.",
        forget_mark,
        ("venue-events", "account-outage"),
    ),
    Mutant(
        "ignore-trade-ids",
        "A trade that is read again is booked again.",
        ignore_trade_ids,
        ("recreate-orders",),
    ),
    Mutant(
        "forget-booked-trades",
        "The ids of trades are forgotten with the order that they filled.",
        forget_booked_trades,
        ("recreate-orders",),
    ),
)
