"""How each setting of a grid is written, in the configuration and in a `set`, and which may change while it runs.

`mode`, the interval and the monitored symbols are not here: with another one of these it would be another grid.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from schemas import notation
from schemas.grid.settings import GridSettings
from schemas.notation import Amount
from schemas.units import ZERO, Ratio

OFF: Final = "off"
"""Written for a limit, a bound or a stop that there is none of."""

TRIGGERS = {"any": 1, "all": 0}

Value = Amount | Decimal | int | str | None
"""As it was written; None is off."""


class Written(NamedTuple):
    """How one setting is read and shown."""

    read: Callable[[str], Value]
    """Raises ValueError with what to do."""
    show: Callable[[object, str], str]
    """Of a value and the quote currency."""
    is_live: bool = True
    """It may change while the grid runs."""


def amount_or_share(text: str) -> Amount | Ratio:
    """Return an amount above zero, or the fraction that a percentage is.

    Raises: ValueError when it is neither.
    """
    try:
        found: Amount | Ratio = notation.ratio(text) if text.endswith("%") else notation.amount(text)
    except ValueError:
        raise ValueError("has to be an amount, like 20 USDT, or a percentage, like 0.1%") from None
    if (found.value if isinstance(found, Amount) else found) <= 0:
        raise ValueError("has to be above 0")
    return found


def fields(name: str, value: Value) -> dict[str, object]:
    """Return the fields of `GridSettings` that a written value stands for."""
    if name == "max_drawdown":
        share = value if isinstance(value, Decimal) else ZERO
        return {name: value.value if isinstance(value, Amount) else ZERO, "max_drawdown_ratio": share}
    if value is None:
        return {name: _DEFAULTS[name]}
    return {name: value.value if isinstance(value, Amount) else value}


def changed(settings: GridSettings, name: str, text: str, quote: str) -> GridSettings:
    """Return the settings with one of them as it is written.

    Raises: ValueError when it is not one that may change while a grid runs, or is not written as it has to be.
    """
    written = WRITTEN.get(name)
    if written is None or not written.is_live:
        raise ValueError("cannot be changed while it runs" if name in _DEFAULTS else "is no setting")
    value = written.read(text)
    if isinstance(value, Amount) and value.currency != quote:
        raise ValueError(f"has to be in {quote}, not {value.currency}")
    return msgspec.structs.replace(settings, **fields(name, value))


def shown(settings: GridSettings, name: str, quote: str) -> str:
    """Return a setting as people write it."""
    value = getattr(settings, name)
    if name == "max_drawdown" and settings.max_drawdown_ratio:
        return notation.percent_text(settings.max_drawdown_ratio)
    return WRITTEN[name].show(value, quote)


def live() -> list[str]:
    """Return the names of the settings that may change while a grid runs."""
    return sorted(name for name, written in WRITTEN.items() if written.is_live)


def _or_off(read: Callable[[str], Value]) -> Callable[[str], Value]:
    return lambda text: None if text == OFF else read(text)


def _trigger(text: str) -> int:
    try:
        return TRIGGERS[text] if text in TRIGGERS else notation.whole(1, 100)(text)
    except ValueError:
        raise ValueError("has to be any, all, or how many of the symbols") from None


def _show_money(value: object, quote: str) -> str:
    return f"{value} {quote}" if value else OFF


def _show_duration(value: object, _: str) -> str:
    assert isinstance(value, int)
    return notation.duration_text(value)


def _show_share(value: object, _: str) -> str:
    assert isinstance(value, Decimal)
    return notation.percent_text(value)


def _show_plain(value: object, _: str) -> str:
    return str(value).lower()


def _whole(minimum: int, maximum: int, *, is_live: bool = True) -> Written:
    return Written(notation.whole(minimum, maximum), _show_plain, is_live)


_MONEY_OR_OFF = Written(_or_off(notation.amount), _show_money)
_DURATION = Written(notation.duration, _show_duration)
_FLAG = Written(notation.flag, _show_plain)

WRITTEN: dict[str, Written] = {
    "order_amount": Written(notation.amount, _show_money),
    "buy_window": _whole(1, 500),
    "sell_window": _whole(1, 500),
    "post_only_retries": _whole(1, 100),
    "rejection_cool_down": _DURATION,
    "allow_taker": _FLAG,
    "order_cleanup_threshold": _whole(1, 1000, is_live=False),
    "cleanup_batch_size": _whole(1, 1000),
    "margin_lock_duration": _DURATION,
    "lower_price": _MONEY_OR_OFF,
    "upper_price": _MONEY_OR_OFF,
    "stale_after": _DURATION,
    "monitor_interval": Written(notation.word, _show_plain, is_live=False),
    "average_window": _whole(2, 500, is_live=False),
    "volume_multiplier": Written(notation.positive, _show_plain),
    "risk_trigger": Written(_trigger, _show_plain),
    "recovery_threshold": _whole(1, 100),
    "max_losing_round_trips": _whole(0, 1000),
    "max_drawdown": Written(_or_off(amount_or_share), _show_money),
    "drawdown_window": _DURATION,
    "breaker_cool_down": _DURATION,
    "flatten_slippage": Written(notation.ratio, _show_share),
    "stop_loss": _MONEY_OR_OFF,
    "take_profit": _MONEY_OR_OFF,
    "stop_below_price": _MONEY_OR_OFF,
    "stop_above_price": _MONEY_OR_OFF,
    "max_order_latency": _DURATION,
    "max_link_latency": _DURATION,
    "max_stale": _DURATION,
    "cancel_on_exit": _FLAG,
    "volatility_scale": Written(notation.decimal, _show_plain, is_live=False),
    "atr_window": _whole(1, 500, is_live=False),
    "volatility_interval": Written(notation.word, _show_plain, is_live=False),
    "inventory_skew": Written(notation.ratio, _show_share),
    "dynamic_quantity": Written(notation.flag, _show_plain, is_live=False),
    "trigger_price": Written(_or_off(notation.amount), _show_money, is_live=False),
    "adopt_position": Written(notation.flag, _show_plain, is_live=False),
    "preflight": Written(notation.flag, _show_plain, is_live=False),
    "max_leverage": Written(notation.positive, _show_plain),
    "position_safety_check": Written(notation.decimal, _show_plain),
}
"""Every setting that is one value."""

_DEFAULTS: dict[str, object] = {field.name: field.default for field in msgspec.structs.fields(GridSettings)}
