"""A trade of an order long forgotten: booked when ORDERS has it once, not when it is a repeat."""

from decimal import Decimal

import msgspec
import pytest

from bus import Bus
from engine.actor.inbox import DurableInput
from engine.actor.late_trades import looked_up
from schemas import subjects
from schemas.engine.journal import LateTrade, Step, StreamOffset
from schemas.grid.state import FinishedOrder, GridState
from schemas.subjects import Stream
from schemas.units import TradeId
from schemas.venue.orders import Trade
from tests.schemas.examples import BTC, EXAMPLES, SIM, TICKER, TRADE

STATE = next(each for each in EXAMPLES if isinstance(each, Step)).state


def forgetful() -> GridState:
    return msgspec.structs.replace(STATE, slots={}, finished=[])


async def hear(bus: Bus, trade: Trade) -> DurableInput:
    sequence = await bus.store(subjects.own_trade(SIM, BTC), trade)
    return DurableInput(Stream.ORDERS, StreamOffset(created="", sequence=sequence), trade)


async def test_one_that_was_never_there_before_is_new(bus: Bus) -> None:
    await bus.store(subjects.own_trade(SIM, BTC), TICKER)
    await hear(bus, msgspec.structs.replace(TRADE, trade_id=TradeId("another")))
    heard = await hear(bus, TRADE)
    await hear(bus, TRADE)
    assert await looked_up(bus, forgetful(), heard) == LateTrade(trade=TRADE)


async def test_one_that_was_there_before_is_a_repeat(bus: Bus) -> None:
    await hear(bus, TRADE)
    assert await looked_up(bus, forgetful(), await hear(bus, TRADE)) == TRADE


@pytest.mark.parametrize("state", [None, "known", "another generation"])
async def test_nothing_is_looked_up_for_what_is_known_or_not_ours(bus: Bus, state: str | None) -> None:
    grid = None if state is None else forgetful()
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
    assert await looked_up(bus, grid, await hear(bus, TRADE)) == TRADE
