"""What a symbol is traded with: every setting of a grid and its guards."""

from decimal import Decimal
from enum import StrEnum

import msgspec

from schemas.units import SECOND_NS, ZERO, DurationNs, Money, Price, Ratio, Symbol


class GridMode(StrEnum):
    """Long buys below and sells what it holds; neutral also opens shorts above."""

    LONG = "long"
    NEUTRAL = "neutral"


class GridSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a symbol is traded with. Exactly one of `price_interval` and `interval_ratio` is set."""

    mode: GridMode
    order_amount: Money
    """Quote notional of one level."""
    price_interval: Money | None = None
    """Arithmetic spacing, in quote."""
    interval_ratio: Ratio | None = None
    """Geometric spacing: 0.001 puts the next level 0.1 % away."""
    buy_window: int = 10
    sell_window: int = 10
    post_only_retries: int = 3
    rejection_cool_down: DurationNs = 60 * SECOND_NS
    """How long a slot stays empty after `post_only_retries` rejections in a row."""
    allow_taker: bool = False
    order_cleanup_threshold: int = 50
    """No more live orders than this."""
    cleanup_batch_size: int = 20
    """So many far orders at most are canceled at once when others wait for room."""
    margin_lock_duration: DurationNs = 20 * SECOND_NS
    lower_price: Price | None = None
    """The window follows the price down to here, and nothing is opened below."""
    upper_price: Price | None = None
    """The same upwards."""
    stale_after: DurationNs = 5 * SECOND_NS
    """Without a tick for so long nothing is opened; 0 is never."""
    monitor_symbols: tuple[Symbol, ...] = ()
    """Symbols of the venue whose candles the risk monitor watches; none is no monitor."""
    monitor_interval: str = "1m"
    average_window: int = 20
    """How many closed candles make the means of close and volume."""
    volume_multiplier: Decimal = Decimal(3)
    risk_trigger: int = 1
    """How many abnormal symbols stop what opens: 1 is any of them, 0 all of them."""
    recovery_threshold: int = 3
    """How many calm symbols end it; all of them when there are fewer."""
    max_losing_round_trips: int = 0
    """So many losing round trips in a row open the circuit breaker; 0 is no limit."""
    max_drawdown: Money = ZERO
    """A fall of the total profit from its peak that opens the circuit breaker; 0 is no limit."""
    max_drawdown_ratio: Ratio = ZERO
    """The same as a share of a full window's worth: `order_amount` times the larger window."""
    drawdown_window: DurationNs = 24 * 3600 * SECOND_NS
    """How far back the peak is looked for."""
    breaker_cool_down: DurationNs = 300 * SECOND_NS
    """How long the circuit breaker stays open before it is half-open."""
    flatten_slippage: Ratio = Decimal("0.005")
    """How far beyond the best price an order that closes the whole position may go."""
    stop_loss: Money = ZERO
    """A loss of the whole grid that closes its position and stops it; 0 is none."""
    take_profit: Money = ZERO
    """The same for a total profit."""
    stop_below_price: Price | None = None
    """The same for a price at or below this one."""
    stop_above_price: Price | None = None
    """The same for a price at or above this one."""
    max_order_latency: DurationNs = 0
    """A p99 from decision to acceptance that opens the circuit breaker; 0 is no limit."""
    max_link_latency: DurationNs = 0
    """Ticks that arrive so late, and keep doing so, open the circuit breaker; 0 is no limit."""
    max_stale: DurationNs = 0
    """A feed that is lost for so long opens the circuit breaker; 0 is no limit."""
    cancel_on_exit: bool = True
    """When the engine ends and no other takes over, the grid's own orders are canceled."""
    volatility_scale: Decimal = ZERO
    """The levels in use are so far apart as this times the average true range, in whole intervals; 0 is off."""
    atr_window: int = 14
    """Over how many closed candles of the symbol the true range is averaged."""
    volatility_interval: str = "1m"
    """The candles that it is taken from."""
    inventory_skew: Ratio = ZERO
    """A full window's inventory moves the grid by this share of the price, against the inventory; 0 is off."""
    dynamic_quantity: bool = False
    """The more volatile the smaller the opening orders, down to a tenth."""
    trigger_price: Price | None = None
    """Nothing is placed until the price has come here from where it was first seen."""
    adopt_position: bool | None = None
    """Spread what the account holds at the first start over the levels; None: of perpetuals alone."""
    preflight: bool = False
    """Nothing is placed until the account was looked at. Entries from before there was a preflight have none."""
    max_leverage: Decimal = Decimal(10)
    position_safety_check: Decimal = Decimal(100)
    """So many orders of one level the balance, times its leverage, has to be good for."""
