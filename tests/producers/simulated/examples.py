"""Builders of symbols, settings, candle files and orders for tests of the simulated venue."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from producers.simulated.listing import Liquidity, Listing, Quote, VolumeLimit
from producers.simulated.matching.engine import MatchingEngine
from producers.simulated.matching.ledger import Wallet
from producers.simulated.matching.orders import NewOrder
from producers.simulated.parameters import FillModel, FillSettings, PositionMode
from producers.simulated.settings import RecordingSettings, SymbolSettings, VenueSettings
from schemas.units import SECOND_NS, ClientOrderId, Side, Symbol
from schemas.venue.instruments import Instrument, InstrumentKind
from schemas.venue.orders import PlaceOrder
from tests.builders import BTC, INSTRUMENT, SIM

PERP = BTC
SPOT = Symbol("ETH/USDT")
START_NS = 1_700_000_000 * SECOND_NS
AMPLE_LIQUIDITY = Liquidity(Decimal(1_000_000), Decimal(0))

PERPETUAL = msgspec.structs.replace(
    INSTRUMENT,
    lot_size=Decimal("0.001"),
    minimum_quantity=Decimal("0.001"),
    minimum_notional=Decimal(1),
    closes_exempt_from_minimum=True,
)
SPOT_INSTRUMENT = Instrument(
    venue=SIM,
    symbol=SPOT,
    kind=InstrumentKind.SPOT,
    base="ETH",
    quote="USDT",
    settle="USDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.001"),
    minimum_quantity=Decimal("0.001"),
    minimum_notional=Decimal(1),
    maker_fee=Decimal("0.001"),
    taker_fee=Decimal("0.001"),
)


def new_engine(
    *,
    cash: str = "10000",
    leverage: int = 10,
    maximum_open_orders: int = 50,
    mode: PositionMode = PositionMode.ONE_WAY,
    **fields: object,
) -> MatchingEngine:
    """Return a matching engine with a new account, both markets quoted at 100.0 to 100.1; `fields` are of both listings.

    The fill model is `optimistic`, unless a field says otherwise.
    """
    listings = {
        rules.symbol: Listing(rules, Decimal(leverage), maximum_open_orders, Decimal(10_000))._replace(
            **{"fills": FillSettings(model=FillModel.OPTIMISTIC), **fields}  # type: ignore[arg-type]
        )
        for rules in (PERPETUAL, SPOT_INSTRUMENT)
    }
    wallets = [
        Wallet(asset=asset, initial=Decimal(total), total=Decimal(total))
        for asset, total in (("USDT", cash), ("ETH", "5"))
    ]
    quotes = dict.fromkeys(listings, quote("100.0"))
    return MatchingEngine(SIM, listings, wallets, quotes, position_mode=mode)


def quote(last: str, *, is_rising: bool = False) -> Quote:
    """Return a quote with a spread of one tick; `last` is its bid, or its ask if the price is rising."""
    price, tick = Decimal(last), PERPETUAL.tick_size
    return Quote(price - tick, price, price) if is_rising else Quote(price, price + tick, price)


def order(
    side: Side,
    price: str,
    quantity: str = "1",
    name: str = "a",
    *,
    symbol: Symbol = PERP,
    post_only: bool = False,
    reduce_only: bool = False,
) -> NewOrder:
    return NewOrder(
        symbol=symbol,
        side=side,
        price=Decimal(price),
        quantity=Decimal(quantity),
        client_order_id=ClientOrderId(name),
        post_only=post_only,
        reduce_only=reduce_only,
    )


def apply_tick(
    matching: MatchingEngine, last: str, liquidity: Liquidity = AMPLE_LIQUIDITY, symbol: Symbol = PERP
) -> None:
    """Apply a market tick with this last price."""
    matching.apply_tick(symbol, quote(last), lambda: liquidity, START_NS)


def recorded(volume: str, *, traded: str = "0", candle: int = 0) -> Liquidity:
    """Return the liquidity of a tick in a recorded candle with this volume."""
    return Liquidity(Decimal(traded), Decimal(0), VolumeLimit(candle, Decimal(volume)))


def decision(
    side: Side, price: str, name: str = "a", *, quantity: str = "1", post_only: bool = True
) -> PlaceOrder:
    """Return a place decision of the trading engine."""
    return PlaceOrder(
        client_order_id=ClientOrderId(name),
        side=side,
        price=Decimal(price),
        quantity=Decimal(quantity),
        post_only=post_only,
        reduce_only=False,
        level=0,
    )


def new_settings(directory: Path, **changes: object) -> VenueSettings:
    """Return the settings of a lock-step model of the perpetual, with changes."""
    settings: dict[str, object] = {
        "store": str(directory / "venue.db"),
        "symbols": (perpetual_settings(),),
        "balances": {"USDT": Decimal(10_000)},
        "speed": "max",
        "start_time": START_NS,
    }
    return VenueSettings(**{**settings, **changes})  # type: ignore[arg-type]


def perpetual_settings() -> SymbolSettings:
    return SymbolSettings(instrument=PERPETUAL, leverage=Decimal(10), traded_notional=Decimal(1_000_000))


def recording_settings(directory: Path, candles: Sequence[str], **changes: object) -> VenueSettings:
    """Return the settings of a lock-step recording; each candle is `open high low close`."""
    path = write_candles(directory / "candles.csv", candles)
    recording = RecordingSettings(paths={PERP: str(path)}, warmup=0)
    return new_settings(directory, recording=recording, **changes)


def write_candles(path: Path, candles: Sequence[str]) -> Path:
    """Write a candle file with one candle per minute."""
    rows = [
        ",".join([str(START_NS // 10**6 + i * 60_000), *prices.split(), "12.5"])
        for i, prices in enumerate(candles)
    ]
    path.write_text("\n".join(["open_time,open,high,low,close,volume", *rows, ""]))
    return path
