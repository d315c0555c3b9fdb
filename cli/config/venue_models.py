"""Models of a simulated venue in a configuration: fills, book, mark price, latency, limits and scheduled changes."""

from decimal import Decimal
from typing import Any

import msgspec

from cli import units
from cli.config.limits import money
from cli.config.section import Section
from producers.simulated.parameters import (
    BookSettings,
    FeeTier,
    FillModel,
    FillSettings,
    LatencySettings,
    Maintenance,
    MarkSettings,
    OrderRateWindow,
    PositionMode,
    RuleChange,
    SelfTradePrevention,
)
from producers.simulated.settings import VenueSettings
from schemas.units import MILLISECOND_NS, SECOND_NS, DurationNs, Symbol
from schemas.venue.instruments import InstrumentStatus

DEFAULT_FILLS = FillSettings(model=FillModel.QUEUE)
DEFAULT_BOOK = BookSettings(levels=10, growth=0.2, variation=0.5, refill=2 * SECOND_NS, spread_widening=0.5)
DEFAULT_MARKS = MarkSettings(index_window=2 * SECOND_NS, basis_window=30 * SECOND_NS)
DEFAULT_LATENCY = LatencySettings(request=30 * MILLISECOND_NS, jitter=20 * MILLISECOND_NS)
DEFAULT_SELF_TRADE_PREVENTION = SelfTradePrevention.EXPIRE_TAKER

CHANGEABLE_NUMBERS = (
    "tick_size",
    "lot_size",
    "minimum_quantity",
    "minimum_notional",
    "maximum_quantity",
    "maker_fee",
    "taker_fee",
)
"""Trading rules that `rule_changes` may change, beside the status; plain numbers without a currency."""


def with_models(settings: VenueSettings, section: Section) -> VenueSettings:
    """Return the settings with the models in the entry of a venue."""
    return msgspec.structs.replace(
        settings,
        fills=_fills(section.section("fills")),
        book=_book(section.section("book")),
        marks=_marks(section.section("marks")),
        latency=_latency(section.section("latency")),
        self_trade_prevention=section.optional(
            "self_trade_prevention", units.choice(SelfTradePrevention), DEFAULT_SELF_TRADE_PREVENTION
        ),
        position_mode=section.optional("position_mode", units.choice(PositionMode), PositionMode.ONE_WAY),
        order_rate_windows=tuple(map(_rate_window, section.listed_sections("order_rate_windows"))),
        maintenances=tuple(map(_maintenance, section.listed_sections("maintenances"))),
        rule_changes=tuple(map(_rule_change, section.listed_sections("rule_changes"))),
    )


def fee_tiers(section: Section, quote: str) -> tuple[FeeTier, ...]:
    """Return the fee tiers of an entry of `instruments`."""
    return tuple(_fee_tier(each, quote) for each in section.listed_sections("fee_tiers"))


def _fills(section: Section | None) -> FillSettings:
    default = DEFAULT_FILLS
    if section is None:
        return default
    settings = FillSettings(
        model=section.optional("model", units.choice(FillModel), default.model),
        touch_probability=section.optional("touch_probability", units.probability, default.touch_probability),
        touch_share=section.optional("touch_share", units.probability, default.touch_share),
        queue_share=_factor(section, "queue_share", default.queue_share),
    )
    section.close()
    return settings


def _book(section: Section | None) -> BookSettings:
    default = DEFAULT_BOOK
    if section is None:
        return default
    settings = BookSettings(
        levels=section.optional("levels", units.whole(1, 100), default.levels),
        level_ticks=section.optional("level_ticks", units.whole(1), default.level_ticks),
        growth=_factor(section, "growth", default.growth),
        variation=section.optional("variation", units.probability, default.variation),
        refill=section.optional("refill", units.duration, default.refill),
        spread_widening=_factor(section, "spread_widening", default.spread_widening),
    )
    section.close()
    return settings


def _marks(section: Section | None) -> MarkSettings:
    default = DEFAULT_MARKS
    if section is None:
        return default
    settings = MarkSettings(
        index_window=section.optional("index_window", units.duration, default.index_window),
        basis_window=section.optional("basis_window", units.duration, default.basis_window),
    )
    section.close()
    return settings


def _latency(section: Section | None) -> LatencySettings:
    default = DEFAULT_LATENCY
    if section is None:
        return default
    settings = LatencySettings(
        request=section.optional("request", units.duration, default.request),
        jitter=section.optional("jitter", units.duration, default.jitter),
    )
    section.close()
    return settings


def _rate_window(section: Section) -> OrderRateWindow:
    window = OrderRateWindow(
        orders=section.required("orders", units.whole(1), 1),
        interval=section.required("interval", positive_duration, 1),
    )
    section.close()
    return window


def _maintenance(section: Section) -> Maintenance:
    maintenance = Maintenance(
        after=section.required("after", units.duration, 0),
        duration=section.required("duration", positive_duration, 1),
    )
    section.close()
    return maintenance


def _rule_change(section: Section) -> RuleChange:
    changes: dict[str, Any] = {}
    for name in CHANGEABLE_NUMBERS:
        value = section.optional(name, _number_or_none, None)
        if value is not None:
            changes[name] = f"{value:f}"
    status = section.optional("status", _status_or_none, None)
    if status is not None:
        changes["status"] = status
    change = RuleChange(
        after=section.required("after", units.duration, 0),
        symbol=Symbol(section.required("symbol", units.word, "")),
        changes=changes,
    )
    if not changes:
        section.note(f"{section.path} changes nothing: add status or one of {', '.join(CHANGEABLE_NUMBERS)}")
    section.close()
    return change


def _fee_tier(section: Section, quote: str) -> FeeTier:
    tier = FeeTier(
        volume=money(section, "volume", Decimal(0), quote),
        maker_fee=section.required("maker_fee", units.signed_ratio, Decimal(0)),
        taker_fee=section.required("taker_fee", units.ratio, Decimal(0)),
    )
    section.close()
    return tier


def _factor(section: Section, key: str, default: float) -> float:
    return float(section.optional(key, _number_or_ratio, Decimal(str(default))))


def _number_or_ratio(text: str) -> Decimal:
    return units.ratio(text) if text.endswith("%") else units.decimal(text)


def _number_or_none(text: str) -> Decimal | None:
    return _number_or_ratio(text)


def _status_or_none(text: str) -> InstrumentStatus | None:
    return units.choice(InstrumentStatus)(text)


def positive_duration(text: str) -> DurationNs:
    """Return a duration above 0 in nanoseconds.

    Raises: ValueError.
    """
    value = units.duration(text)
    if value <= 0:
        raise ValueError("has to be above 0")
    return value
