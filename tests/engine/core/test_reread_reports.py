"""Reports read again after a crash at any point change nothing, in generated histories.

A history is a sequence of order reports, trades, commands and tickers for one grid, as an exchange could send them: late,
repeated, and out of order. It is applied once without a crash, and once with a crash after a random input. The grid is then
loaded from the last committed step, and the durable inputs after that step's offset are applied again.
"""

import random
from decimal import Decimal
from typing import NamedTuple

import msgspec
import pytest

from engine.core.grid import Grid
from engine.core.step import Change
from schemas.codec import encode
from schemas.engine.control import CommandName
from schemas.engine.journal import Input
from schemas.grid.state import GridState
from schemas.units import TradeId
from schemas.venue.market import Ticker
from schemas.venue.orders import CancelOrder, OrderReport, OrderStatus, PlaceOrder, Trade
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
    START,
    added,
    answers,
    command,
    report,
    settings_of,
    ticker,
)

HISTORIES = 10_000
SHARDS = 16
LENGTH = 24
COMMANDS = 0.05
"""Share of commands in a history."""
NAMES = (CommandName.PAUSE, CommandName.STOP, CommandName.FLATTEN, CommandName.RESUME)
SMALL = [settings_of(each, buy_window=2, sell_window=2) for each in (LONG, NEUTRAL)]


class Engine:
    """A grid with a journal of one record: the last committed state and its offset in the history."""

    def __init__(self, *, is_offset_moved_without_commit: bool = False) -> None:
        self._is_offset_moved_without_commit = is_offset_moved_without_commit
        self._grid = Grid(None, 0)
        self._committed = (b"", 0, 0)
        self._read_to = 0
        self.changes: list[Change] = []

    @property
    def state(self) -> GridState:
        assert self._grid.state is not None
        return self._grid.state

    def apply(self, number: int, event: Input) -> None:
        """Apply the input of a number, counted from 1; numbers up to the last one applied are skipped."""
        if number <= self._read_to:
            return
        self._read_to = number
        inputs = [added(SMALL[0]), event] if self._grid.state is None else [event]
        self._commit(self._grid.process(inputs, may_hold=isinstance(event, OrderReport)))

    def release(self) -> None:
        self._commit(self._grid.release_held())

    def crash(self) -> None:
        """Continue from the last committed step."""
        state, step, offset = self._committed
        self._grid = Grid(msgspec.json.decode(state, type=GridState) if state else None, step)
        self._read_to = self._read_to if self._is_offset_moved_without_commit else offset

    @property
    def committed_offset(self) -> int:
        return self._committed[2]

    def _commit(self, change: Change | None) -> None:
        if change is not None:
            self.changes.append(change)
            self._committed = (encode(self.state), change.step, self._read_to)


class History(NamedTuple):
    """A generated history, and the grid that it was applied to."""

    engine: Engine
    inputs: list[Input]
    crash_points: list[int]
    """The numbers of inputs after which a crash loses reports alone: every ticker so far is part of a committed step.

    A ticker is no durable input. With one that was lost, the grid would decide at an older price than without the crash.
    """


def history(seed: int) -> History:
    """Generate a history with a grid that reacts to it."""
    random_ = random.Random(seed)
    engine = Engine()
    inputs: list[Input] = [ticker(1000)]
    engine.apply(1, inputs[0])
    newest_ticker, crash_points = 1, [1]
    for number in range(2, LENGTH + 2):
        inputs.append(_next_input(random_, engine, number, inputs))
        engine.apply(number, inputs[-1])
        newest_ticker = number if isinstance(inputs[-1], Ticker) else newest_ticker
        if newest_ticker <= engine.committed_offset:
            crash_points.append(number)
    engine.release()
    return History(engine, inputs, crash_points)


def _next_input(random_: random.Random, engine: Engine, number: int, before: list[Input]) -> Input:
    orders = [slot.order for slot in engine.state.slots.values() if slot.order]
    placed = {
        each.client_order_id: each
        for change in engine.changes
        for each in change.decisions
        if isinstance(each, PlaceOrder)
    }
    if random_.random() < COMMANDS:
        return command(random_.choice(NAMES), command_id=f"c{number}")
    kind = random_.choice(("accept", "accept", "trade", "end", "repeat", "tick"))
    durable = [each for each in before if not isinstance(each, Ticker)]
    if kind == "tick" or not placed:
        return ticker(1000 + random_.randint(-12, 12), seconds=number)
    if kind == "repeat" and durable:
        return random_.choice(durable)
    chosen = placed[random_.choice(sorted(placed))]
    if orders and random_.random() < 0.8:
        chosen = placed[random_.choice(orders).client_order_id]
    if kind == "trade":
        return _trade(chosen, chosen.quantity * random_.choice((Decimal(1), Decimal("0.5"))), number)
    canceled = {
        each.client_order_id
        for change in engine.changes
        for each in change.decisions
        if isinstance(each, CancelOrder)
    }
    if kind == "end":
        is_canceled = chosen.client_order_id in canceled or random_.random() < 0.5
        status = OrderStatus.CANCELED if is_canceled else OrderStatus.FILLED
        traded = sum(
            (
                each.quantity
                for each in before
                if isinstance(each, Trade) and each.client_order_id == chosen.client_order_id
            ),
            Decimal(0),
        )
        return report(chosen.client_order_id, status, traded)
    return report(chosen.client_order_id, OrderStatus.NEW)


def _trade(order: PlaceOrder, quantity: Decimal, number: int) -> Trade:
    return Trade(
        venue=added().venue,
        symbol=added().symbol,
        trade_id=TradeId(f"t{number}"),
        client_order_id=order.client_order_id,
        side=order.side,
        price=order.price,
        quantity=quantity,
        fee=Decimal("0.01"),
        fee_asset="USDT",
        is_maker=True,
        time=START + number,
    )


def outcome(engine: Engine) -> tuple[bytes, list[TradeId], list[str], list[str]]:
    """Return the final state, the booked trades, the decisions, and the results of commands."""
    fills = [fill.trade_id for change in engine.changes for fill in change.fills]
    decisions = [repr(each) for change in engine.changes for each in change.decisions]
    results = [repr(result) for change in engine.changes for result in answers(change)]
    return encode(engine.state), fills, decisions, results


def crashed(inputs: list[Input], after: int, *, is_offset_moved_without_commit: bool = False) -> Engine:
    """Apply a history with a crash after an input."""
    engine = Engine(is_offset_moved_without_commit=is_offset_moved_without_commit)
    for number, event in enumerate(inputs[:after], 1):
        engine.apply(number, event)
    engine.crash()
    for number, event in enumerate(inputs, 1):
        if number > after or not isinstance(event, Ticker):
            engine.apply(number, event)
    engine.release()
    return engine


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
def test_reports_read_again_after_a_crash_change_nothing(shard: int) -> None:
    for seed in range(shard, HISTORIES, SHARDS):
        engine, inputs, crash_points = history(seed)
        after = random.Random(-seed).choice(crash_points)
        assert outcome(crashed(inputs, after)) == outcome(engine), f"seed {seed}, crash after {after}"


def test_offsets_moved_without_a_commit_are_noticed() -> None:
    differing = 0
    for seed in range(100):
        engine, inputs, crash_points = history(seed)
        moved = crashed(inputs, crash_points[-1], is_offset_moved_without_commit=True)
        differing += outcome(moved) != outcome(engine)
    assert differing
