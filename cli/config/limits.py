"""Limits, fees and status of an instrument in a configuration: what the venue states beside steps and minima."""

import re
from decimal import Decimal

import msgspec

from cli import units
from cli.config.section import Section
from cli.units import Amount
from schemas.units import Money
from schemas.venue.instruments import (
    FEE_IN_RECEIVED,
    Instrument,
    InstrumentKind,
    InstrumentStatus,
    LeverageBracket,
    PriceBand,
)

DEFAULT_FEE_ASSET = FEE_IN_RECEIVED
_FEE_ASSET = re.compile(r"quote\Z|received\Z|[A-Z0-9]{1,15}\Z")
_NONE = Amount(Decimal(-1), "")


def with_limits(instrument: Instrument, section: Section) -> Instrument:
    """Return the instrument with the limits, fee asset and status of its entry in `instruments`."""
    band = _band(section.section("price_band"), instrument.quote)
    is_perpetual = instrument.kind is InstrumentKind.LINEAR_PERPETUAL
    return msgspec.structs.replace(
        instrument,
        fee_asset=section.optional("fee_asset", _fee_asset, DEFAULT_FEE_ASSET),
        contract_size=section.optional("contract_size", units.positive, Decimal(1)),
        maximum_quantity=section.optional("maximum_quantity", _optional_number, None),
        maximum_notional=optional_money(section, "maximum_notional", instrument.quote),
        buy_band=_band(section.section("buy_price_band"), instrument.quote) or band,
        sell_band=_band(section.section("sell_price_band"), instrument.quote) or band,
        closes_exempt_from_minimum=section.optional("closes_exempt_from_minimum", units.flag, is_perpetual),
        status=section.optional("status", units.choice(InstrumentStatus), InstrumentStatus.TRADING),
        leverage_brackets=tuple(
            _bracket(each, instrument.quote) for each in section.listed_sections("leverage_brackets")
        ),
    )


def money(section: Section, key: str, default: Money, currency: str) -> Money:
    """Return an amount of a currency."""
    found = section.optional(key, units.amount, Amount(default, currency))
    expect_currency(section, key, found, currency)
    return found.value


def optional_money(section: Section, key: str, currency: str) -> Money | None:
    """Return an amount of a currency, None without one."""
    found = section.optional(key, units.amount, _NONE)
    expect_currency(section, key, found, currency)
    return None if found is _NONE else found.value


def expect_currency(section: Section, key: str, found: Amount, currency: str) -> None:
    """Note a mistake when an amount is in another currency."""
    if currency and found.currency and found.currency != currency:
        section.note(
            f"{section.path}.{key} has to be in {currency}, not {found.currency}", section.line_of(key)
        )


def _band(section: Section | None, quote: str) -> PriceBand | None:
    if section is None:
        return None
    band = PriceBand(
        below=section.optional("below", _optional_ratio, None),
        above=section.optional("above", _optional_ratio, None),
        lowest=optional_money(section, "lowest", quote),
        highest=optional_money(section, "highest", quote),
    )
    section.close()
    return band


def _bracket(section: Section, quote: str) -> LeverageBracket:
    bracket = LeverageBracket(
        notional_floor=money(section, "notional_floor", Decimal(0), quote),
        notional_cap=optional_money(section, "notional_cap", quote),
        maximum_leverage=section.required("maximum_leverage", units.positive, Decimal(1)),
        maintenance_ratio=section.required("maintenance_ratio", units.ratio, Decimal(0)),
    )
    section.close()
    return bracket


def _optional_number(text: str) -> Decimal | None:
    return units.positive(text)


def _optional_ratio(text: str) -> Decimal | None:
    return units.ratio(text)


def _fee_asset(text: str) -> str:
    if not _FEE_ASSET.match(text):
        raise ValueError("has to be quote, received or an asset such as BNB")
    return text
