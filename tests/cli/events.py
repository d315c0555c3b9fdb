"""Example events for the tests of cli."""

from decimal import Decimal

import msgspec

from schemas.engine.events import Fill
from schemas.engine.journal import Step, SymbolEntry, TimePassed
from schemas.grid.settings import GridMode, GridSettings
from schemas.grid.state import GridState
from schemas.units import Side, Symbol, TradeId, VenueId
from schemas.venue.instruments import Instrument, InstrumentKind
from schemas.venue.order_ids import order_id

VENUE, SYMBOL = VenueId("sim"), Symbol("BTC/USDT:USDT")
ONE = Decimal(1)

SETTINGS = GridSettings(mode=GridMode.LONG, order_amount=Decimal(100), price_interval=ONE)
ENTRY = SymbolEntry(venue=VENUE, symbol=SYMBOL, instance="sqt", generation=1, settings=SETTINGS)
INSTRUMENT = Instrument(
    venue=VENUE,
    symbol=SYMBOL,
    kind=InstrumentKind.LINEAR_PERPETUAL,
    base="BTC",
    quote="USDT",
    settle="USDT",
    tick_size=ONE,
    lot_size=ONE,
    minimum_quantity=ONE,
    minimum_notional=ONE,
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
)
FILL = Fill(
    venue=VENUE,
    symbol=SYMBOL,
    trade_id=TradeId("1"),
    client_order_id=order_id("sqt", SYMBOL, 1, -1, Side.BUY, 1),
    level=-1,
    side=Side.BUY,
    price=Decimal(100),
    quantity=ONE,
    fee=Decimal("0.02"),
    fee_asset="USDT",
    opens=True,
    grid_profit=Decimal(0),
    position=ONE,
    is_maker=True,
    step=3,
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
