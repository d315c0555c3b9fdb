"""The `symbols` of a configuration file: what is traded, and with which settings."""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from opensqt import units
from opensqt.config_read import Section
from opensqt.units import Amount
from schemas.grid_settings import GridMode, GridSettings
from schemas.journal import SymbolEntry
from schemas.units import Money, Ratio, Symbol, VenueId

FIRST_GENERATION = 1
TRIGGERS = {"any": 1, "all": 0}


class ReadSymbol(NamedTuple):
    """One symbol as the file has it; with mistakes, `entry` holds stand-ins."""

    entry: SymbolEntry
    amounts: tuple[tuple[str, Amount], ...]
    """The keys whose currency has to be the quote currency."""
    section: Section


def read_symbol(section: Section, instance: str) -> ReadSymbol:
    """Read one entry of `symbols`."""
    amount = section.required("order_amount", units.amount, Amount(Decimal(1), ""))
    stand_in: Amount | Ratio = Amount(Decimal(1), "")
    interval = section.required("price_interval", _amount_or_share, stand_in)
    if amount.value <= 0:
        section.note(f"{section.path}.order_amount has to be above 0", section.line_of("order_amount"))
    bounds = {key: section.optional(key, units.amount, None) for key in ("lower_price", "upper_price")}
    drawdown = section.optional("max_drawdown", _amount_or_share, None)
    entry = SymbolEntry(
        venue=VenueId(section.required("venue", units.word, "")),
        symbol=Symbol(section.required("symbol", units.word, "")),
        instance=instance,
        generation=section.optional("generation", units.whole(1, 36**2 - 1), FIRST_GENERATION),
        settings=msgspec.structs.replace(
            _settings(section, amount.value, interval, drawdown),
            **{key: bound.value for key, bound in bounds.items() if bound},
        ),
    )
    section.close()
    amounts = [("order_amount", amount)]
    if isinstance(interval, Amount):
        amounts.append(("price_interval", interval))
    amounts += [(key, bound) for key, bound in bounds.items() if bound]
    if isinstance(drawdown, Amount):
        amounts.append(("max_drawdown", drawdown))
    return ReadSymbol(entry, tuple(amounts), section)


def _settings(
    section: Section, order_amount: Money, interval: Amount | Ratio, drawdown: Amount | Ratio | None
) -> GridSettings:
    standard = GridSettings(mode=GridMode.LONG, order_amount=order_amount)
    return GridSettings(
        mode=section.required("mode", units.choice(GridMode), GridMode.LONG),
        order_amount=order_amount,
        price_interval=interval.value if isinstance(interval, Amount) else None,
        interval_ratio=None if isinstance(interval, Amount) else interval,
        buy_window=section.optional("buy_window", units.whole(1, 500), standard.buy_window),
        sell_window=section.optional("sell_window", units.whole(1, 500), standard.sell_window),
        post_only_retries=section.optional(
            "post_only_retries", units.whole(1, 100), standard.post_only_retries
        ),
        rejection_cool_down=section.optional(
            "rejection_cool_down", units.duration, standard.rejection_cool_down
        ),
        allow_taker=section.optional("allow_taker", units.flag, standard.allow_taker),
        order_cleanup_threshold=section.optional(
            "order_cleanup_threshold", units.whole(1, 1000), standard.order_cleanup_threshold
        ),
        cleanup_batch_size=section.optional(
            "cleanup_batch_size", units.whole(1, 1000), standard.cleanup_batch_size
        ),
        margin_lock_duration=section.optional(
            "margin_lock_duration", units.duration, standard.margin_lock_duration
        ),
        stale_after=section.optional("stale_after", units.duration, standard.stale_after),
        max_losing_round_trips=section.optional(
            "max_losing_round_trips", units.whole(0, 1000), standard.max_losing_round_trips
        ),
        max_drawdown=drawdown.value if isinstance(drawdown, Amount) else standard.max_drawdown,
        max_drawdown_ratio=drawdown if isinstance(drawdown, Decimal) else standard.max_drawdown_ratio,
        drawdown_window=section.optional("drawdown_window", units.duration, standard.drawdown_window),
        breaker_cool_down=section.optional("breaker_cool_down", units.duration, standard.breaker_cool_down),
        monitor_symbols=tuple(Symbol(text) for text, _ in section.values("monitor_symbols", units.word)),
        monitor_interval=section.optional("monitor_interval", units.word, standard.monitor_interval),
        average_window=section.optional("average_window", units.whole(2, 500), standard.average_window),
        volume_multiplier=section.optional("volume_multiplier", units.positive, standard.volume_multiplier),
        risk_trigger=section.optional("risk_trigger", _trigger, standard.risk_trigger),
        recovery_threshold=section.optional(
            "recovery_threshold", units.whole(1, 100), standard.recovery_threshold
        ),
    )


def _trigger(text: str) -> int:
    """Return how many symbols trigger the risk monitor: 1 for any, 0 for all."""
    try:
        return TRIGGERS[text] if text in TRIGGERS else units.whole(1, 100)(text)
    except ValueError:
        raise ValueError("has to be any, all, or how many of the symbols") from None


def _amount_or_share(text: str) -> Amount | Ratio:
    """Return an amount for a fixed spacing, a fraction for one that grows with the price."""
    try:
        found: Amount | Ratio = units.ratio(text) if text.endswith("%") else units.amount(text)
    except ValueError:
        raise ValueError("has to be an amount, like 20 USDT, or a percentage, like 0.1%") from None
    if (found.value if isinstance(found, Amount) else found) <= 0:
        raise ValueError("has to be above 0")
    return found
