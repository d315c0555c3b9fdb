"""The settings of a grid and its guards."""

from decimal import Decimal
from enum import StrEnum

import msgspec

from schemas.units import SECOND_NS, ZERO, DurationNs, Money, Price, Ratio, Symbol


class GridMode(StrEnum):
    """`long` buys below the price and sells its holdings above; `neutral` also opens shorts above."""

    LONG = "long"
    NEUTRAL = "neutral"


class PositionUnit(StrEnum):
    """The unit of a position limit."""

    WINDOWS = "windows"
    """Full windows of the side, each level at `order_amount`."""
    LEVELS = "levels"
    """Levels at `order_amount`."""
    QUOTE = "quote"
    """Quote currency."""
    BALANCE = "balance"
    """The balance of the settlement currency, unrealized profit included."""


class PositionLimit(msgspec.Struct, frozen=True, kw_only=True):
    """The most that one side of a grid may hold, with its opening orders; what is held counts at its cost."""

    value: Decimal
    """Number of windows or levels, amount in quote currency, or ratio of the balance."""
    unit: PositionUnit


DEFAULT_MAX_POSITION = PositionLimit(value=Decimal(2), unit=PositionUnit.WINDOWS)
"""Of a new grid whose settings do not say otherwise."""
NEW_GRID: dict[str, object] = {
    "preflight": True,
    "adopt_position": False,
    "max_position": DEFAULT_MAX_POSITION,
}
"""Settings of a new grid that do not say otherwise, where they differ from the defaults of `GridSettings`.

Those are what grids stored before the setting existed continue with.
"""


class GridSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one symbol. Exactly one of `price_interval` and `interval_ratio` is set."""

    mode: GridMode
    order_amount: Money
    """Quote notional of the order of one level."""
    price_interval: Money | None = None
    """Arithmetic spacing of the levels, in quote currency."""
    interval_ratio: Ratio | None = None
    """Geometric spacing of the levels: 0.001 is 0.1 % from one level to the next."""
    buy_window: int = 10
    """Number of levels below the center that may have an opening order."""
    sell_window: int = 10
    """Number of levels above the center that may have an opening order (mode neutral), or a closing one."""
    post_only_retries: int = 3
    """Number of post-only or reduce-only rejections in a row before a slot pauses for `rejection_cool_down`."""
    rejection_cool_down: DurationNs = 60 * SECOND_NS
    """How long a slot pauses after `post_only_retries` rejections in a row that may be retried, or after a final one."""
    allow_taker: bool = False
    """Whether an opening order may take liquidity after `post_only_retries` post-only rejections in a row."""
    order_cleanup_threshold: int = 50
    """Maximum number of open orders."""
    cleanup_batch_size: int = 20
    """Maximum number of distant orders canceled at once to make room for closer ones."""
    margin_lock_duration: DurationNs = 20 * SECOND_NS
    """How long nothing is opened after a rejection for insufficient margin."""
    max_position: PositionLimit | None = None
    """The most that a side may hold, with its opening orders; None is off, as in grids from before this limit existed."""
    lower_price: Price | None = None
    """The window follows the price down to this price; nothing is opened below it."""
    upper_price: Price | None = None
    """The same for the upper end."""
    stale_after: DurationNs = 5 * SECOND_NS
    """Nothing is opened when there was no tick for this long; 0 is off."""
    monitor_symbols: tuple[Symbol, ...] = ()
    """Symbols of the venue whose candles the market risk guard monitors; empty is off."""
    monitor_interval: str = "1m"
    """The interval of these candles."""
    average_window: int = 20
    """Number of closed candles in the moving averages of close and volume."""
    volume_multiplier: Decimal = Decimal(3)
    """A volume above this multiple of its average is high."""
    risk_trigger: int = 1
    """Number of abnormal symbols that activates the guard; 0 is all of them."""
    recovery_threshold: int = 3
    """Number of calm symbols that clears it; all of them when there are fewer."""
    max_losing_round_trips: int = 0
    """Number of consecutive losing round trips that opens the circuit breaker; 0 is off."""
    max_drawdown: Money = ZERO
    """Fall of the total profit from its peak that opens the circuit breaker; 0 is off."""
    max_drawdown_ratio: Ratio = ZERO
    """The same as a share of a full window's value, `order_amount` times the larger window; 0 is off."""
    drawdown_window: DurationNs = 24 * 3600 * SECOND_NS
    """Period in which the peak is searched."""
    breaker_cool_down: DurationNs = 300 * SECOND_NS
    """How long the circuit breaker stays open before it becomes half-open."""
    max_correction: Money | None = None
    """Largest value of a position difference that is corrected automatically; None: a tenth of `order_amount`."""
    flatten_slippage: Ratio = Decimal("0.005")
    """Maximum distance beyond the best price for the orders that flatten the position."""
    stop_loss: Money = ZERO
    """Total loss of the grid at which it is flattened and stopped; 0 is off."""
    take_profit: Money = ZERO
    """Total profit at which it is flattened and stopped; 0 is off."""
    stop_below_price: Price | None = None
    """Price at or below which it is flattened and stopped."""
    stop_above_price: Price | None = None
    """Price at or above which it is flattened and stopped."""
    max_order_latency: DurationNs = 0
    """99th percentile from decision to acceptance that opens the circuit breaker; 0 is off."""
    max_link_latency: DurationNs = 0
    """Delay of ticks that opens the circuit breaker if it persists; 0 is off."""
    max_stale: DurationNs = 0
    """Duration of a lost feed that opens the circuit breaker; 0 is off."""
    cancel_on_exit: bool = True
    """Whether own orders are canceled on shutdown when no other engine takes over."""
    volatility_scale: Decimal = ZERO
    """Distance between levels as a multiple of the average true range, rounded to whole intervals; 0 is off."""
    atr_window: int = 14
    """Number of closed candles in the average true range."""
    volatility_interval: str = "1m"
    """The interval of these candles."""
    inventory_skew: Ratio = ZERO
    """Shift of the grid, as a share of the price, against the inventory of a full window; 0 is off."""
    dynamic_quantity: bool = False
    """Whether opening orders shrink with rising volatility, down to a tenth of `order_amount`."""
    trigger_price: Price | None = None
    """Nothing is placed until the price has reached this one from its first value."""
    adopt_position: bool | None = None
    """Whether the account's position at the first start is spread over the levels; None: of perpetuals only.

    Requires `preflight` or `trigger_price`: without both, there is no startup in which a position is adopted.
    """
    preflight: bool = False
    """Whether the account is checked before the first order. False in entries stored before this check existed."""
    max_leverage: Decimal = Decimal(10)
    """Maximum leverage of the account, checked by the preflight."""
    position_safety_check: Decimal = Decimal(100)
    """Number of orders of one level that the balance, times its leverage, must be able to pay for."""
