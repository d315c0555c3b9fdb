"""Example events for the tests of cli."""

from decimal import Decimal

import msgspec

from schemas.engine.journal import Step, TimePassed
from schemas.grid.settings import GridMode, GridSettings
from schemas.grid.state import GridState
from schemas.units import Side, TradeId
from schemas.venue.order_ids import order_id
from tests import builders
from tests.builders import BTC, SIM

VENUE, SYMBOL = SIM, BTC
ONE = Decimal(1)

SETTINGS = GridSettings(mode=GridMode.LONG, order_amount=Decimal(100), price_interval=ONE)
ENTRY = msgspec.structs.replace(builders.ENTRY, settings=SETTINGS)
INSTRUMENT = msgspec.structs.replace(
    builders.INSTRUMENT,
    tick_size=ONE,
    lot_size=ONE,
    minimum_quantity=ONE,
    minimum_notional=ONE,
    maximum_leverage=ONE,
)
FILL = msgspec.structs.replace(
    builders.FILL,
    trade_id=TradeId("1"),
    client_order_id=order_id("sqt", SYMBOL, 1, -1, Side.BUY, 1),
    level=-1,
    price=Decimal(100),
    quantity=ONE,
    fee=Decimal("0.02"),
    position=ONE,
    time=1,
)


def grid_state(**changes: object) -> GridState:
    """Return the state of an empty grid with changes."""
    made = GridState(
        venue=VENUE, symbol=SYMBOL, instance="sqt", generation=1, settings=SETTINGS, instrument=INSTRUMENT
    )
    return msgspec.structs.replace(made, **changes)


def step(number: int, **changes: object) -> Step:
    """Return a step caused by `TimePassed`, with changes."""
    made = Step(
        venue=VENUE,
        symbol=SYMBOL,
        step=number,
        epoch=1,
        offsets={},
        causes=(TimePassed(time=number),),
        state=grid_state(time=number),
        decisions=(),
        fills=(),
        notices=(),
        published_through=0,
        time=number,
    )
    return msgspec.structs.replace(made, **changes)
