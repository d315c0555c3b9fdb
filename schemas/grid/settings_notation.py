"""Parse and format grid settings as written in the configuration file and in `control set`.

    max_drawdown: 5%      risk_trigger: any      lower_price: off      order_amount: 40 USDT

`mode`, the price interval and the monitored symbols have no notation here: changing one would make a different grid.
"""

import difflib
from collections.abc import Callable
from decimal import Decimal
from typing import Final, NamedTuple, assert_never

import msgspec

from schemas import notation
from schemas.grid.settings import GridSettings, PositionLimit, PositionUnit
from schemas.notation import Amount
from schemas.units import ZERO, Ratio

OFF: Final = "off"
"""The notation of an absent limit, bound or stop."""

AUTO: Final = "auto"
"""The notation of a limit that is derived from other settings."""

TRIGGERS = {"any": 1, "all": 0}
"""Named values of `risk_trigger`."""

MAX_SIMILAR: Final = 3
"""Number of settings named beside one that does not exist."""

Value = Amount | Decimal | PositionLimit | int | str | None
"""A parsed setting; None is off."""


class SettingFormat(NamedTuple):
    """The notation of one setting."""

    parse: Callable[[str], Value]
    """Raises ValueError with the expected notation."""
    format: Callable[[object, str], str]
    """Takes the value and the quote currency."""
    is_live: bool = True
    """Whether the setting may change while the grid runs."""


def amount_or_share(text: str) -> Amount | Ratio:
    """Parse an amount above zero (`20 USDT`), or a percentage above zero (`0.1%`) into a fraction.

    Raises: ValueError when the text is neither.
    """
    try:
        found: Amount | Ratio = notation.ratio(text) if text.endswith("%") else notation.amount(text)
    except ValueError:
        raise ValueError("has to be an amount, like 20 USDT, or a percentage, like 0.1%") from None
    if (found.value if isinstance(found, Amount) else found) <= 0:
        raise ValueError("has to be above 0")
    return found


def setting_fields(name: str, value: Value) -> dict[str, object]:
    """Return the fields of `GridSettings` set by a parsed value.

    One field, except for `max_drawdown`, which is an amount or a share.
    """
    if name == "max_position":
        return {name: _position_limit(value)}
    if name == "max_drawdown":
        share = value if isinstance(value, Decimal) else ZERO
        return {name: value.value if isinstance(value, Amount) else ZERO, "max_drawdown_ratio": share}
    if value is None:
        return {name: _DEFAULTS[name]}
    return {name: value.value if isinstance(value, Amount) else value}


def with_setting(settings: GridSettings, name: str, text: str, quote: str) -> GridSettings:
    """Return the settings with one of them changed to the value in `text`.

    Raises: ValueError when the setting cannot change while the grid runs, or the text is not in its notation.
    """
    setting = SETTING_FORMATS.get(name)
    if setting is None and name not in _DEFAULTS:
        raise ValueError(f"is not a setting{_similar(name)}")
    if setting is None or not setting.is_live:
        raise ValueError(
            "cannot be changed while the grid runs: remove the symbol, then add it with another value"
        )
    value = setting.parse(text)
    if isinstance(value, Amount) and value.currency != quote:
        raise ValueError(f"has to be in {quote}, not {value.currency}")
    return msgspec.structs.replace(settings, **setting_fields(name, value))


def setting_text(settings: GridSettings, name: str, quote: str) -> str:
    """Return a setting in its notation."""
    value = getattr(settings, name)
    if name == "max_drawdown" and settings.max_drawdown_ratio:
        return notation.percent_text(settings.max_drawdown_ratio)
    return SETTING_FORMATS[name].format(value, quote)


def differences(settings: GridSettings, other: GridSettings, quote: str) -> list[tuple[str, str, str]]:
    """Return the settings in which two grids differ, each with both values in its notation."""
    found = []
    for name in settings.__struct_fields__:
        one, two = getattr(settings, name), getattr(other, name)
        is_unstated = name == "adopt_position" and None in {one, two}
        if one == two or is_unstated:
            continue  # grids of an earlier version left `adopt_position` open
        shown = "max_drawdown" if name == "max_drawdown_ratio" else name
        if shown in SETTING_FORMATS:
            found.append((shown, setting_text(settings, shown, quote), setting_text(other, shown, quote)))
        else:
            found.append((name, "unset" if one is None else str(one), "unset" if two is None else str(two)))
    return list(dict.fromkeys(found))


def live_settings() -> list[str]:
    """Return the names of the settings that may change while a grid runs."""
    return sorted(name for name, setting in SETTING_FORMATS.items() if setting.is_live)


def _position_limit(value: Value) -> PositionLimit | None:
    if isinstance(value, Amount):
        return PositionLimit(value=value.value, unit=PositionUnit.QUOTE)
    if isinstance(value, Decimal):
        return PositionLimit(value=value, unit=PositionUnit.BALANCE)
    assert value is None or isinstance(value, PositionLimit)
    return value


def _similar(name: str) -> str:
    """Return the live settings with the most similar names: `; similar: stop_loss`; empty without any."""
    found = difflib.get_close_matches(name, live_settings(), n=MAX_SIMILAR, cutoff=0.4)
    return f"; similar: {', '.join(found)}" if found else ""


def _or_off(parse: Callable[[str], Value]) -> Callable[[str], Value]:
    return lambda text: None if text == OFF else parse(text)


def _amount_or_auto(text: str) -> Amount | None:
    return None if text == AUTO else notation.amount(text)


def _trigger(text: str) -> int:
    try:
        return TRIGGERS[text] if text in TRIGGERS else notation.whole(1, 100)(text)
    except ValueError:
        raise ValueError("has to be any, all, or how many of the symbols") from None


def _amount_share_or_count(text: str) -> Amount | Ratio | PositionLimit:
    number, _, unit = text.partition(" ")
    units = (PositionUnit.WINDOWS, PositionUnit.LEVELS)
    found = next((each for each in units if unit in {each.value, each.value.removesuffix("s")}), None)
    try:
        if found is not None:
            return PositionLimit(value=notation.positive(number), unit=found)
        return amount_or_share(text)
    except ValueError:
        raise ValueError(
            "has to be off, windows (2 windows), levels (20 levels), an amount (900 USDT) or a percentage of the balance"
        ) from None


def _format_position_limit(value: object, quote: str) -> str:
    if value is None:
        return OFF
    assert isinstance(value, PositionLimit)
    match value.unit:
        case PositionUnit.QUOTE:
            return f"{value.value:f} {quote}"
        case PositionUnit.BALANCE:
            return notation.percent_text(value.value)
        case PositionUnit.WINDOWS | PositionUnit.LEVELS:
            return f"{value.value:f} {value.unit}"
        case _:
            assert_never(value.unit)


def _format_money(value: object, quote: str) -> str:
    return f"{value} {quote}" if value else OFF


def _format_amount_or_auto(value: object, quote: str) -> str:
    return AUTO if value is None else f"{value} {quote}"


def _format_duration(value: object, _: str) -> str:
    assert isinstance(value, int)
    return notation.duration_text(value)


def _format_share(value: object, _: str) -> str:
    assert isinstance(value, Decimal)
    return notation.percent_text(value)


def _format_plain(value: object, _: str) -> str:
    return str(value).lower()


def _whole(minimum: int, maximum: int, *, is_live: bool = True) -> SettingFormat:
    return SettingFormat(notation.whole(minimum, maximum), _format_plain, is_live)


_MONEY_OR_OFF = SettingFormat(_or_off(notation.amount), _format_money)
_DURATION = SettingFormat(notation.duration, _format_duration)
_FLAG = SettingFormat(notation.flag, _format_plain)

SETTING_FORMATS: dict[str, SettingFormat] = {
    "order_amount": SettingFormat(notation.amount, _format_money),
    "buy_window": _whole(1, 500),
    "sell_window": _whole(1, 500),
    "post_only_retries": _whole(1, 100),
    "rejection_cool_down": _DURATION,
    "allow_taker": _FLAG,
    "order_cleanup_threshold": _whole(1, 1000, is_live=False),
    "cleanup_batch_size": _whole(1, 1000),
    "margin_lock_duration": _DURATION,
    "max_position": SettingFormat(_or_off(_amount_share_or_count), _format_position_limit),
    "lower_price": _MONEY_OR_OFF,
    "upper_price": _MONEY_OR_OFF,
    "stale_after": _DURATION,
    "monitor_interval": SettingFormat(notation.word, _format_plain, is_live=False),
    "average_window": _whole(2, 500, is_live=False),
    "volume_multiplier": SettingFormat(notation.positive, _format_plain),
    "risk_trigger": SettingFormat(_trigger, _format_plain),
    "recovery_threshold": _whole(1, 100),
    "max_losing_round_trips": _whole(0, 1000),
    "max_drawdown": SettingFormat(_or_off(amount_or_share), _format_money),
    "drawdown_window": _DURATION,
    "breaker_cool_down": _DURATION,
    "max_correction": SettingFormat(_amount_or_auto, _format_amount_or_auto),
    "flatten_slippage": SettingFormat(notation.ratio, _format_share),
    "stop_loss": _MONEY_OR_OFF,
    "take_profit": _MONEY_OR_OFF,
    "stop_below_price": _MONEY_OR_OFF,
    "stop_above_price": _MONEY_OR_OFF,
    "max_order_latency": _DURATION,
    "max_link_latency": _DURATION,
    "max_stale": _DURATION,
    "cancel_on_exit": _FLAG,
    "volatility_scale": SettingFormat(notation.decimal, _format_plain, is_live=False),
    "atr_window": _whole(1, 500, is_live=False),
    "volatility_interval": SettingFormat(notation.word, _format_plain, is_live=False),
    "inventory_skew": SettingFormat(notation.ratio, _format_share),
    "dynamic_quantity": SettingFormat(notation.flag, _format_plain, is_live=False),
    "trigger_price": SettingFormat(_or_off(notation.amount), _format_money, is_live=False),
    "adopt_position": SettingFormat(notation.flag, _format_plain, is_live=False),
    "preflight": SettingFormat(notation.flag, _format_plain, is_live=False),
    "max_leverage": SettingFormat(notation.positive, _format_plain),
    "position_safety_check": SettingFormat(notation.decimal, _format_plain),
}
"""The notation of every setting with a single value."""

_DEFAULTS: dict[str, object] = {field.name: field.default for field in msgspec.structs.fields(GridSettings)}
