"""Trades of forgotten orders: booked if ORDERS has no earlier copy, else ignored."""

from decimal import Decimal

import msgspec
import pytest

from bus import Bus
from engine.actor.inbox import DurableInput
from engine.actor.late_trades import mark_late_trade
from schemas import subjects
from schemas.engine.journal import LateTrade, Step, StreamOffset
from schemas.grid.state import FinishedOrder, GridState
from schemas.subjects import Stream
from schemas.units import TradeId
from schemas.venue.orders import Trade
from tests.builders import BTC, SIM, TICKER, TRADE
from tests.schemas.examples import EXAMPLES

STATE = next(each for each in EXAMPLES if isinstance(each, Step)).state


def without_orders() -> GridState:
    return msgspec.structs.replace(STATE, slots={}, finished=[])


async def stored(bus: Bus, trade: Trade) -> DurableInput:
    sequence = await bus.store(subjects.own_trade(SIM, BTC), trade)
    return DurableInput(Stream.ORDERS, StreamOffset(created="", sequence=sequence), trade)


async def test_a_trade_without_an_earlier_copy_is_late(bus: Bus) -> None:
    await bus.store(subjects.own_trade(SIM, BTC), TICKER)
    await stored(bus, msgspec.structs.replace(TRADE, trade_id=TradeId("another")))
    durable = await stored(bus, TRADE)
    await stored(bus, TRADE)
    assert await mark_late_trade(bus, without_orders(), durable) == LateTrade(trade=TRADE)


async def test_a_trade_with_an_earlier_copy_is_a_repeat(bus: Bus) -> None:
    await stored(bus, TRADE)
    assert await mark_late_trade(bus, without_orders(), await stored(bus, TRADE)) == TRADE


@pytest.mark.parametrize("state", [None, "known", "another generation"])
async def test_trades_of_known_and_foreign_orders_pass_unchanged(bus: Bus, state: str | None) -> None:
    grid = None if state is None else without_orders()
    if grid is not None and state == "known":
        grid.finished.append(
            FinishedOrder(
                client_order_id=TRADE.client_order_id,
                level=-2,
                opens=True,
                reported_quantity=Decimal(0),
                traded_quantity=Decimal(0),
                trade_ids=[],
            )
        )
    elif grid is not None:
        grid.generation += 1
    assert await mark_late_trade(bus, grid, await stored(bus, TRADE)) == TRADE
