"""Symbols, settings, candle files and orders to test the simulated venue with."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from producers.simulated.listing import Listing, Quote
from producers.simulated.matching.engine import Books, Liquidity
from producers.simulated.matching.ledger import Wallet
from producers.simulated.matching.orders import NewOrder
from producers.simulated.settings import RecordingSettings, SymbolSettings, VenueSettings
from schemas.units import SECOND_NS, ClientOrderId, Side, Symbol, VenueId
from schemas.venue.instruments import Instrument, InstrumentKind
from schemas.venue.orders import PlaceOrder

SIM = VenueId("sim")
PERP = Symbol("BTC/USDT:USDT")
SPOT = Symbol("ETH/USDT")
START_NS = 1_700_000_000 * SECOND_NS
PLENTY = Liquidity(Decimal(1_000_000), Decimal(0))

PERPETUAL = Instrument(
    venue=SIM,
    symbol=PERP,
    kind=InstrumentKind.LINEAR_PERPETUAL,
    base="BTC",
    quote="USDT",
    settle="USDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.001"),
    minimum_quantity=Decimal("0.001"),
    minimum_notional=Decimal(1),
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
    maximum_leverage=Decimal(20),
)
CASH = Instrument(
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


def new_books(*, cash: str = "10000", leverage: int = 10, maximum_open_orders: int = 50) -> Books:
    """Return the books of a new account, with both markets at 100.0 to 100.1."""
    listings = {
        rules.symbol: Listing(rules, Decimal(leverage), maximum_open_orders, Decimal(10_000))
        for rules in (PERPETUAL, CASH)
    }
    wallets = [
        Wallet(asset=asset, initial=Decimal(total), total=Decimal(total))
        for asset, total in (("USDT", cash), ("ETH", "5"))
    ]
    books = Books(SIM, listings, wallets)
    books.account.quotes = dict.fromkeys(listings, quote("100.0"))
    return books


def quote(last: str, *, is_rising: bool = False) -> Quote:
    """Return a quote whose last price is the bid, or the ask where it is rising."""
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


def trade_at(books: Books, last: str, liquidity: Liquidity = PLENTY, symbol: Symbol = PERP) -> None:
    """Let the market trade at a price."""
    books.trade_at(symbol, quote(last), lambda: liquidity, START_NS)


def decision(
    side: Side, price: str, name: str = "a", *, quantity: str = "1", post_only: bool = True
) -> PlaceOrder:
    """Return an order as the engine decides it."""
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
    """Return the settings of a lock-step model of the perpetual, some of them changed."""
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


def recorded(directory: Path, candles: Sequence[str], **changes: object) -> VenueSettings:
    """Return the settings of a lock-step recording, each candle as `open high low close`."""
    path = write_candles(directory / "candles.csv", candles)
    recording = RecordingSettings(paths={PERP: str(path)}, warmup=0)
    return new_settings(directory, recording=recording, **changes)


def write_candles(path: Path, candles: Sequence[str]) -> Path:
    """Write a candle file, one candle a minute."""
    rows = [
        ",".join([str(START_NS // 10**6 + i * 60_000), *prices.split(), "12.5"])
        for i, prices in enumerate(candles)
    ]
    path.write_text("\n".join(["open_time,open,high,low,close,volume", *rows, ""]))
    return path
