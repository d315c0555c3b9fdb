"""Validate grid settings against an instrument: list the mistakes, not only the first."""

from decimal import Decimal, localcontext

from engine.core.arithmetic import CONTEXT
from engine.core.startup.level_sizes import minimum_order_quantity
from schemas.grid.settings import GridMode, GridSettings
from schemas.units import ZERO, DurationNs, Money, Price
from schemas.venue.instruments import Instrument, InstrumentKind
from schemas.venue.order_ids import MAX_LEVEL

MAX_INVENTORY_SKEW = Decimal("0.5")
"""Exclusive: from here on a rising price could move the grid down."""


def check(settings: GridSettings, instrument: Instrument, price: Price | None = None) -> list[str]:
    """Return one message per mistake, none for valid settings.

    With a price, settings that are valid otherwise are also checked at it: spacing, lowest level and order size.
    """
    with localcontext(CONTEXT):
        mistakes = _mode(settings, instrument) + _interval(settings, instrument) + _limits(settings)
        mistakes += _strategy(settings)
        mistakes += _amount(settings, instrument)
        if price is not None and not mistakes:
            mistakes += _at_price(settings, instrument, price)
        return mistakes


def _mode(settings: GridSettings, instrument: Instrument) -> list[str]:
    if settings.mode is GridMode.NEUTRAL and instrument.kind is InstrumentKind.SPOT:
        return [f"mode neutral sells short, which spot does not allow: use mode long for {instrument.symbol}"]
    return []


def _interval(settings: GridSettings, instrument: Instrument) -> list[str]:
    interval, ratio = settings.price_interval, settings.interval_ratio
    if (interval is None) == (ratio is None):
        return ["exactly one of price_interval and interval_ratio must be set"]
    if ratio is not None and not 0 < ratio < 1:
        return [f"interval_ratio {ratio} must be above 0 and below 1"]
    if interval is not None and interval < instrument.tick_size:
        return [f"price_interval {interval} is below one tick of {instrument.symbol}: {instrument.tick_size}"]
    return []


def _limits(settings: GridSettings) -> list[str]:
    at_least_one = {
        "buy_window": settings.buy_window,
        "sell_window": settings.sell_window,
        "post_only_retries": settings.post_only_retries,
        "order_cleanup_threshold": settings.order_cleanup_threshold,
        "cleanup_batch_size": settings.cleanup_batch_size,
    }
    mistakes = [f"{name} {value} must be at least 1" for name, value in at_least_one.items() if value < 1]
    not_negative: dict[str, DurationNs | Money] = {
        "max_correction": settings.max_correction or ZERO,
        "rejection_cool_down": settings.rejection_cool_down,
        "margin_lock_duration": settings.margin_lock_duration,
        "stale_after": settings.stale_after,
        "drawdown_window": settings.drawdown_window,
        "breaker_cool_down": settings.breaker_cool_down,
        "stop_loss": settings.stop_loss,
        "take_profit": settings.take_profit,
        "max_order_latency": settings.max_order_latency,
        "max_link_latency": settings.max_link_latency,
        "max_stale": settings.max_stale,
    }
    if not 0 <= settings.flatten_slippage < 1:
        mistakes.append(f"flatten_slippage {settings.flatten_slippage} must be at least 0 and below 1")
    below, above = settings.stop_below_price, settings.stop_above_price
    if below is not None and above is not None and below >= above:
        mistakes.append(f"stop_below_price {below} must be below stop_above_price {above}")
    lower, upper = settings.lower_price, settings.upper_price
    if lower is not None and upper is not None and lower >= upper:
        mistakes.append(f"lower_price {lower} must be below upper_price {upper}")
    return mistakes + [f"{name} must not be negative" for name, value in not_negative.items() if value < 0]


def _strategy(settings: GridSettings) -> list[str]:
    not_negative = {
        "volatility_scale": settings.volatility_scale,
        "position_safety_check": settings.position_safety_check,
    }
    mistakes = [f"{name} {value} must not be negative" for name, value in not_negative.items() if value < 0]
    if settings.atr_window < 1:
        mistakes.append(f"atr_window {settings.atr_window} must be at least 1")
    if not 0 <= settings.inventory_skew < MAX_INVENTORY_SKEW:
        mistakes.append(
            f"inventory_skew {settings.inventory_skew} must be at least 0 and below {MAX_INVENTORY_SKEW}"
        )
    above_zero = {"max_leverage": settings.max_leverage, "trigger_price": settings.trigger_price}
    return mistakes + [
        f"{name} {value} must be above 0"
        for name, value in above_zero.items()
        if value is not None and value <= 0
    ]


def _amount(settings: GridSettings, instrument: Instrument) -> list[str]:
    amount, minimum = settings.order_amount, instrument.minimum_notional
    if amount <= 0:
        return [f"order_amount {amount} must be above 0"]
    if amount < minimum:
        return [
            f"order_amount {amount} is below the minimum notional of {instrument.symbol}: {minimum} {instrument.quote}"
        ]
    most = instrument.maximum_notional
    if most is not None and amount > most:
        return [
            f"order_amount {amount} is above the maximum notional of {instrument.symbol}: {most} {instrument.quote}"
        ]
    return []


def _at_price(settings: GridSettings, instrument: Instrument, price: Price) -> list[str]:
    mistakes = []
    spacing = settings.price_interval or price * (settings.interval_ratio or 0)
    if spacing < instrument.tick_size:
        mistakes.append(
            f"interval_ratio {settings.interval_ratio} of {price} is below one tick: {instrument.tick_size}"
        )
    if price / spacing > MAX_LEVEL:
        mistakes.append(
            f"a spacing of {spacing} makes more levels between 0 and {price} than order ids can name, {MAX_LEVEL}: set at "
            f"least {price / MAX_LEVEL:.3g} {instrument.quote}"
        )
    lowest = price - settings.buy_window * spacing
    if lowest <= 0:
        mistakes.append(f"buy_window {settings.buy_window} of {spacing} reaches below zero from {price}")
    quantity = instrument.quantity_down(settings.order_amount / price)
    least = minimum_order_quantity(instrument, price)
    if quantity < least:
        mistakes.append(
            f"order_amount {settings.order_amount} buys {quantity} {instrument.base} at {price}, below the minimum of "
            f"{instrument.symbol}, {least}: set at least {least * price} {instrument.quote}"
        )
    most = instrument.maximum_quantity
    if most is not None and quantity > most:
        mistakes.append(
            f"order_amount {settings.order_amount} buys {quantity} {instrument.base} at {price}, above the maximum of "
            f"{instrument.symbol}, {most}: set at most {most * price} {instrument.quote}"
        )
    return mistakes
