"""What a simulated venue is started with, and the mistakes that can be seen before it starts."""

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from schemas.units import MILLISECOND_NS, SECOND_NS, DurationNs, Money, Price, Ratio, Symbol, TimeNs, VenueId
from schemas.venue.instruments import Instrument, InstrumentKind

Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
PositiveDuration = Annotated[int, msgspec.Meta(gt=0)]
Speed = Annotated[float, msgspec.Meta(gt=0)] | Literal["max"]
"""How many times as fast as the clock; `max` waits for `proceed` instead."""


class SettingsError(ValueError):
    """The settings cannot be right: one line for each mistake."""


class SymbolSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One symbol and how its market behaves."""

    instrument: Instrument
    start_price: Price = Decimal(100)
    """Where the model starts; a recording knows better."""
    volatility: Annotated[float, msgspec.Meta(ge=0, le=0.1)] = 0.0025
    """Standard deviation of a one-minute return: 0.0025 crosses a 0.1 % grid about six times a minute."""
    drift: float = 0.0
    """Expected return in a day."""
    jumps: Annotated[float, msgspec.Meta(ge=0)] = 0.02
    """Expected jumps in a minute."""
    spread_ticks: Annotated[int, msgspec.Meta(ge=1)] = 1
    traded_notional: Money = Decimal(100)
    """Mean quote size that others trade in one tick: what our resting orders can get of it."""
    depth_notional: Money = Decimal(10_000)
    """Quote size at the best price, filled up again by each tick: what our taker orders can get of it."""
    leverage: Decimal = Decimal(1)


class RecordingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Candle files to walk along instead of the model."""

    paths: dict[Symbol, str]
    """One file for every symbol."""
    warmup: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """Candles that are past at the start; None takes a tenth of the recording, 1500 at most."""
    volume: Literal["base", "quote"] = "base"
    """What the volume column counts."""


class FaultSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often what goes wrong. Queries always tell the truth."""

    seed: int = 0
    lost: Probability = 0.0
    """A private event is not delivered."""
    doubled: Probability = 0.0
    late: Probability = 0.0
    late_by: PositiveDuration = 2 * SECOND_NS
    reordered: Probability = 0.0
    """A private event comes after the next one."""
    answer_lost: Probability = 0.0
    """A place or cancel is carried out, the answer held for `answer_delay` and then not sent."""
    answer_delay: PositiveDuration = 30 * SECOND_NS
    request_late: Probability = 0.0
    """A place or cancel arrives after half to the whole of `request_delay`."""
    request_delay: PositiveDuration = 8 * SECOND_NS
    rate_limited: Probability = 0.0
    """Any private request is answered 429 and not carried out."""
    overloaded: Probability = 0.0
    """Any private request is answered 503 and not carried out."""
    retry_after_s: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    latency: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Every place and cancel arrives so much later."""
    disconnect_account: Probability = 0.0
    """A private event cuts the private streams before it is sent."""
    disconnect_market: Probability = 0.0
    """A tick cuts the market streams before it is sent."""


class FundingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the perpetuals pay for being held."""

    rate: Ratio = Decimal(0)
    """Of the position's worth, at each interval: what longs pay to shorts; negative the other way round."""
    interval: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Counted from the epoch, by the market's time; 0 is no funding."""


class VenueSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A simulated venue."""

    store: str
    """Path of its SQLite file; `<store>.lock` lies beside it."""
    symbols: tuple[SymbolSettings, ...]
    balances: dict[str, Money]
    """What a new account holds, by asset."""
    venue: VenueId = VenueId("sim")
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    seed: int = 1
    tick_interval: PositiveDuration = 250 * MILLISECOND_NS
    speed: Speed = 1.0
    recording: RecordingSettings | None = None
    ticks: Annotated[int, msgspec.Meta(gt=0)] | None = None
    """The model's market ends after so many; a recording has an end of its own."""
    start_time: TimeNs | None = None
    """Market time of a lock-step model's first tick; None takes the wall clock when the store is made."""
    maximum_open_orders: Annotated[int, msgspec.Meta(gt=0)] = 200
    """In one symbol."""
    receive_window: DurationNs = 5 * SECOND_NS
    """For a request that names none."""
    faults: FaultSettings = FaultSettings()
    funding: FundingSettings = FundingSettings()
    maintenance_margin: Ratio = Decimal(0)
    """The share of the positions' worth that has to be left of the account, or they are liquidated; 0 is never."""

    @property
    def is_lock_step(self) -> bool:
        """Each tick waits for `proceed`."""
        return self.speed == "max"


def read_settings(path: Path) -> VenueSettings:
    """Return the settings of a JSON file.

    Raises: SettingsError.
    """
    try:
        settings = msgspec.json.decode(path.read_bytes(), type=VenueSettings)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise SettingsError(f"{path}: {error}") from error
    check(settings)
    return settings


def check(settings: VenueSettings) -> None:
    """Find the mistakes that types do not show.

    Raises: SettingsError.
    """
    mistakes = [*_whole(settings), *(m for symbol in settings.symbols for m in _one(settings, symbol))]
    if mistakes:
        raise SettingsError("; ".join(mistakes))


def _whole(settings: VenueSettings) -> list[str]:
    symbols = Counter(symbol.instrument.symbol for symbol in settings.symbols)
    mistakes = [f"{symbol} is named twice" for symbol, count in symbols.items() if count > 1]
    if not settings.funding.rate.is_finite():
        mistakes.append("funding.rate is not a number")
    if not settings.maintenance_margin.is_finite() or not 0 <= settings.maintenance_margin < 1:
        mistakes.append("maintenance_margin has to be 0 or above, and below 1")
    if not symbols:
        mistakes.append("symbols: name at least one")
    for asset, total in settings.balances.items():
        if not total.is_finite():
            mistakes.append(f"balances: {asset} is not a number")
        elif total < 0:
            mistakes.append(f"balances: {asset} is negative")
    if settings.recording is not None and settings.recording.paths.keys() != symbols.keys():
        mistakes.append("recording.paths: name one file for every symbol and no other")
    return mistakes


def _one(settings: VenueSettings, symbol: SymbolSettings) -> list[str]:
    rules = symbol.instrument
    mistakes = []
    if rules.venue != settings.venue:
        mistakes.append(f"the instrument is of venue {rules.venue}, not {settings.venue}")
    if rules.kind is InstrumentKind.SPOT and rules.settle != rules.quote:
        mistakes.append("a spot instrument settles in its quote currency")
    if not symbol.leverage.is_finite() or not 1 <= symbol.leverage <= rules.maximum_leverage:
        mistakes.append(f"leverage {symbol.leverage} is not in 1..{rules.maximum_leverage}")
    positive = {
        "tick_size": rules.tick_size,
        "lot_size": rules.lot_size,
        "start_price": symbol.start_price,
        "traded_notional": symbol.traded_notional,
        "depth_notional": symbol.depth_notional,
    }
    mistakes += [
        f"{name} has to be above zero"
        for name, value in positive.items()
        if not value.is_finite() or value <= 0
    ]
    return [f"{rules.symbol}: {mistake}" for mistake in mistakes]
