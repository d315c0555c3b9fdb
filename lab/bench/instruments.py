"""The venue, the instruments and the grid settings of the benchmarks."""

from decimal import Decimal

import msgspec

from schemas.engine.journal import SymbolEntry
from schemas.grid.settings import GridMode, GridSettings
from schemas.units import Symbol, VenueId
from schemas.venue.instruments import Instrument, InstrumentKind

VENUE = VenueId("sim")
SYMBOL = Symbol("BTC/USDT:USDT")
TICK_SIZE = Decimal("0.1")
START_PRICE = Decimal(60000)
INSTRUMENT = Instrument(
    venue=VENUE,
    symbol=SYMBOL,
    kind=InstrumentKind.LINEAR_PERPETUAL,
    base="BTC",
    quote="USDT",
    settle="USDT",
    tick_size=TICK_SIZE,
    lot_size=Decimal("0.0001"),
    minimum_quantity=Decimal("0.0001"),
    minimum_notional=Decimal(5),
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
    maximum_leverage=Decimal(20),
)
PRICE_INTERVAL = Decimal(60)
"""Distance between two levels of the grid."""
GRID_SETTINGS = GridSettings(mode=GridMode.NEUTRAL, order_amount=Decimal(100), price_interval=PRICE_INTERVAL)


def instruments(count: int) -> list[Instrument]:
    """Return `INSTRUMENT` and `count - 1` further perpetuals that differ from it in name only."""
    others = [
        msgspec.structs.replace(INSTRUMENT, symbol=Symbol(f"C{number}/USDT:USDT"), base=f"C{number}")
        for number in range(2, count + 1)
    ]
    return [INSTRUMENT, *others]


def symbol_entry(instrument: Instrument) -> SymbolEntry:
    """Return the entry of an instrument in the `symbols` registry."""
    return SymbolEntry(
        venue=VENUE, symbol=instrument.symbol, instance="bch", generation=1, settings=GRID_SETTINGS
    )
