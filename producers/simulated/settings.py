"""Settings of the simulated venue and their validation."""

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from producers.simulated.parameters import (
    BookSettings,
    Duration,
    FeeTier,
    FillSettings,
    LatencySettings,
    Maintenance,
    MarginMode,
    MarkSettings,
    OrderRateWindow,
    PositionMode,
    PositiveDuration,
    Probability,
    RuleChange,
    SelfTradePrevention,
)
from schemas.codec import INVALID_JSON
from schemas.units import (
    MILLISECOND_NS,
    SECOND_NS,
    ZERO,
    DurationNs,
    Money,
    Price,
    Ratio,
    Symbol,
    TimeNs,
    VenueId,
)
from schemas.venue.instruments import FEE_IN_QUOTE, FEE_IN_RECEIVED, Instrument, InstrumentKind
from schemas.venue.market import Recording

Speed = Annotated[float, msgspec.Meta(gt=0)] | Literal["max"]
"""Speed-up factor over the wall clock; `max` is lock-step: each tick waits for `proceed`."""


class SettingsError(ValueError):
    """The settings are invalid. The text lists all mistakes, separated by semicolons."""


class SymbolSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A symbol and the parameters of its market model."""

    instrument: Instrument
    start_price: Price = Decimal(100)
    """First price of the model; unused with a recording."""
    volatility: Annotated[float, msgspec.Meta(ge=0, le=0.1)] = 0.0025
    """Standard deviation of a one-minute return: 0.0025 crosses a 0.1 % grid about six times a minute."""
    drift: float = 0.0
    """Expected return per day."""
    jumps: Annotated[float, msgspec.Meta(ge=0)] = 0.02
    """Expected price jumps per minute."""
    spread_ticks: Annotated[int, msgspec.Meta(ge=1)] = 1
    traded_notional: Money = Decimal(100)
    """Mean notional that other participants trade in one tick: the liquidity of resting orders."""
    depth_notional: Money = Decimal(10_000)
    """Notional at the best price, refilled by each tick: the liquidity of taker orders."""
    leverage: Decimal = Decimal(1)
    fee_asset_price: Money | None = None
    """Price in quote of the instrument's `fee_asset`, if that is neither base nor quote; the price does not move."""
    fee_tiers: tuple[FeeTier, ...] = ()
    """By ascending volume; below the first one the instrument's fees hold."""
    margin_mode: MarginMode = MarginMode.CROSS


class RecordingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Candle files that replace the model."""

    paths: dict[Symbol, str]
    """Path of the candle file of each symbol."""
    warmup: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """Number of candles that are history at the start; None: a tenth of the recording, at most 1500."""
    volume: Literal["base", "quote"] = "base"
    """Currency of the volume column."""


class FaultSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Probabilities of the injected faults. Answers to queries are never falsified."""

    seed: int = 0
    lost: Probability = 0.0
    """An account event is dropped."""
    doubled: Probability = 0.0
    """An account event is sent twice."""
    late: Probability = 0.0
    """An account event is delayed by `late_by`."""
    late_by: PositiveDuration = 2 * SECOND_NS
    reordered: Probability = 0.0
    """An account event is sent after the next one."""
    answer_lost: Probability = 0.0
    """A place or cancel is carried out; after `answer_delay` the connection is closed without a response."""
    answer_delay: PositiveDuration = 30 * SECOND_NS
    request_late: Probability = 0.0
    """A place or cancel is processed after a delay of 50 to 100 % of `request_delay`."""
    request_delay: PositiveDuration = 8 * SECOND_NS
    rate_limited: Probability = 0.0
    """A private request is answered with 429 and not carried out."""
    overloaded: Probability = 0.0
    """A private request is answered with 503 and not carried out."""
    retry_after_s: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    latency: Duration = 0
    """Fixed delay of every place and cancel, in addition to the venue's own latency."""
    disconnect_account: Probability = 0.0
    """The account streams are disconnected instead of sent an event."""
    disconnect_market: Probability = 0.0
    """The market streams are disconnected instead of sent a tick."""


class FundingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Funding of the perpetuals."""

    rate: Ratio = Decimal(0)
    """Share of the position's value that longs pay to shorts per interval; negative: shorts pay longs."""
    interval: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Nanoseconds of market time between payments, aligned to the Unix epoch; 0 disables funding."""


class VenueSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a simulated venue."""

    store: str
    """Path of the SQLite file; the lock file is `<store>.lock`."""
    symbols: tuple[SymbolSettings, ...]
    balances: dict[str, Money]
    """Initial balances of a new account, by asset."""
    venue: VenueId = VenueId("sim")
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    seed: int = 1
    tick_interval: PositiveDuration = 250 * MILLISECOND_NS
    speed: Speed = 1.0
    recording: RecordingSettings | None = None
    ticks: Annotated[int, msgspec.Meta(gt=0)] | None = None
    """Number of ticks after which the model's market ends; unused with a recording."""
    start_time: TimeNs | None = None
    """Market time at which a lock-step model starts; None: the wall clock when the store is created."""
    maximum_open_orders: Annotated[int, msgspec.Meta(gt=0)] = 200
    """Per symbol."""
    receive_window: DurationNs = 5 * SECOND_NS
    """Default for requests without a receive window."""
    faults: FaultSettings = FaultSettings()
    funding: FundingSettings = FundingSettings()
    maintenance_margin: Ratio = Decimal(0)
    """Positions are liquidated when the equity falls below this share of their value; 0 disables liquidation."""
    fills: FillSettings = FillSettings()
    book: BookSettings = BookSettings()
    marks: MarkSettings = MarkSettings()
    latency: LatencySettings = LatencySettings()
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.IGNORE
    position_mode: PositionMode = PositionMode.ONE_WAY
    order_rate_windows: tuple[OrderRateWindow, ...] = ()
    maintenances: tuple[Maintenance, ...] = ()
    rule_changes: tuple[RuleChange, ...] = ()

    @property
    def is_lock_step(self) -> bool:
        """Whether each tick waits for `proceed`."""
        return self.speed == "max"

    @property
    def clock_speed(self) -> float:
        """Market time by wall-clock time: 1 in lock-step, which has no clock."""
        return 1.0 if self.speed == "max" else self.speed

    @property
    def replayed(self) -> Recording | None:
        """The recording and its speed, as shown to operators; None with a generated market."""
        if self.recording is None:
            return None
        names = dict.fromkeys(Path(path).name for path in self.recording.paths.values())
        return Recording(name=", ".join(names), speed=0.0 if self.speed == "max" else self.speed)


def read_settings(path: Path) -> VenueSettings:
    """Read and validate a JSON settings file.

    Raises: SettingsError when it cannot be read, is not valid JSON, or has invalid values.
    """
    try:
        settings = msgspec.json.decode(path.read_bytes(), type=VenueSettings)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except INVALID_JSON as error:
        raise SettingsError(f"{path}: {error}") from error
    check(settings)
    return settings


def check(settings: VenueSettings) -> None:
    """Check the constraints that the types do not express.

    Raises: SettingsError with every mistake.
    """
    mistakes = [
        *_settings_mistakes(settings),
        *(m for symbol in settings.symbols for m in symbol_mistakes(settings, symbol)),
    ]
    if mistakes:
        raise SettingsError("; ".join(mistakes))


def _settings_mistakes(settings: VenueSettings) -> list[str]:
    symbols = Counter(symbol.instrument.symbol for symbol in settings.symbols)
    mistakes = [f"symbols: {symbol} is listed twice" for symbol, count in symbols.items() if count > 1]
    if not settings.funding.rate.is_finite():
        mistakes.append("funding.rate is not a number")
    if not settings.maintenance_margin.is_finite() or not 0 <= settings.maintenance_margin < 1:
        mistakes.append("maintenance_margin must be at least 0 and below 1")
    if not symbols:
        mistakes.append("symbols: at least one is required")
    if settings.maintenances and settings.is_lock_step:
        mistakes.append("maintenances: in lock-step the market would wait for requests that are not answered")
    for asset, total in settings.balances.items():
        if not total.is_finite():
            mistakes.append(f"balances: {asset} is not a number")
        elif total < 0:
            mistakes.append(f"balances: {asset} is negative")
    mistakes += [
        f"rule_changes: {each.symbol} is not in symbols"
        for each in settings.rule_changes
        if each.symbol not in symbols
    ]
    if settings.recording is not None and settings.recording.paths.keys() != symbols.keys():
        mistakes.append("recording.paths: must have exactly one file for each symbol")
    return mistakes


def symbol_mistakes(settings: VenueSettings, symbol: SymbolSettings) -> list[str]:
    """Return the mistakes in the settings of a symbol."""
    rules = symbol.instrument
    mistakes = []
    if rules.venue != settings.venue:
        mistakes.append(f"the instrument's venue is {rules.venue}, not {settings.venue}")
    if rules.kind is InstrumentKind.SPOT and rules.settle != rules.quote:
        mistakes.append("a spot instrument must settle in its quote currency")
    if not symbol.leverage.is_finite() or not 1 <= symbol.leverage <= rules.maximum_leverage:
        mistakes.append(f"leverage {symbol.leverage} must be in 1..{rules.maximum_leverage}")
    mistakes += limit_mistakes(symbol)
    mistakes += _tier_mistakes(symbol)
    if rules.contract_size not in {ZERO, 1} and rules.lot_size % rules.contract_size:
        mistakes.append(
            f"lot_size {rules.lot_size} must be a multiple of contract_size {rules.contract_size}"
        )
    positive = {
        "tick_size": rules.tick_size,
        "lot_size": rules.lot_size,
        "start_price": symbol.start_price,
        "traded_notional": symbol.traded_notional,
        "depth_notional": symbol.depth_notional,
    }
    mistakes += [
        f"{name} must be above zero"
        for name, value in positive.items()
        if not value.is_finite() or value <= 0
    ]
    return [f"{rules.symbol}: {mistake}" for mistake in mistakes]


def limit_mistakes(symbol: SymbolSettings) -> list[str]:
    """Return the mistakes in a symbol's limits, fee asset and leverage brackets, each beginning with the field's name."""
    rules = symbol.instrument
    limits = {
        "maximum_quantity": rules.maximum_quantity,
        "maximum_notional": rules.maximum_notional,
        "contract_size": rules.contract_size,
        "fee_asset_price": symbol.fee_asset_price,
    }
    mistakes = [
        f"{name} must be above zero"
        for name, value in limits.items()
        if value is not None and not (value.is_finite() and value > 0)
    ]
    is_other = rules.fee_asset not in {FEE_IN_QUOTE, FEE_IN_RECEIVED, rules.base, rules.quote}
    if is_other and symbol.fee_asset_price is None:
        mistakes.append(f"fee_asset_price: the price of {rules.fee_asset} in {rules.quote} is missing")
    if not is_other and symbol.fee_asset_price is not None:
        mistakes.append(f"fee_asset_price: fees in {rules.fee_asset} need none")
    return mistakes + _bracket_mistakes(rules, symbol.leverage)


def _tier_mistakes(symbol: SymbolSettings) -> list[str]:
    rules, mistakes, volume = symbol.instrument, [], ZERO
    for each in symbol.fee_tiers:
        if not (each.volume.is_finite() and each.volume > volume):
            mistakes.append(f"fee_tiers: volume {each.volume} must be above {volume}")
        if not (each.maker_fee <= rules.maker_fee and each.taker_fee <= rules.taker_fee):
            mistakes.append(f"fee_tiers: the fees of {each.volume} must not be above those of the instrument")
        volume = each.volume
    return mistakes


def _bracket_mistakes(rules: Instrument, leverage: Decimal) -> list[str]:
    brackets = rules.leverage_brackets
    if not brackets:
        return []
    if rules.kind is InstrumentKind.SPOT:
        return ["leverage_brackets: spot has none"]
    mistakes = []
    floor: Money | None = ZERO
    for each in brackets:
        if each.notional_floor != floor:
            mistakes.append(f"leverage_brackets: one has to start at {floor}, not {each.notional_floor}")
        if each.notional_cap is not None and each.notional_cap <= each.notional_floor:
            mistakes.append(f"leverage_brackets: {each.notional_cap} must be above {each.notional_floor}")
        if each.maximum_leverage <= 0 or not 0 <= each.maintenance_ratio < 1:
            mistakes.append(
                f"leverage_brackets: leverage or maintenance margin of {each.notional_floor} is invalid"
            )
        floor = each.notional_cap
    if brackets[0].maximum_leverage < leverage:
        mistakes.append(f"leverage_brackets: none allows the leverage of {leverage}")
    return mistakes
