"""Differences between the registered limits over all symbols and those of a configuration."""

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

import msgspec

from bus import Bus, Entry, Registry, StreamGone
from cli.apply.changes import Change, Plan, Sign, StoreLimits
from schemas import notation
from schemas.codec import try_decode
from schemas.engine.portfolio import CurrencyLimits, PortfolioEntry, PortfolioSettings

BUCKET = "portfolios"
WHAT = "limits"
GLOBAL = ("max_stale_symbols", "max_tripped_symbols", "max_order_latency", "breaker_cool_down")
"""Limits of all currencies together."""
LOOSER_IF_SHORTER = ("drawdown_window", "breaker_cool_down")
LOOSER_IF_HIGHER = ("resume_below",)
"""The other limits are looser if they are higher, or 0, which is off."""


class _Difference(NamedTuple):
    text: str
    is_looser: bool


async def plan_limits(bus: Bus, wanted: PortfolioEntry) -> Plan:
    """Return how the registered limits differ. Limits that get looser need a confirmation.

    The limits of version 0.1, under the name of a venue, are left as they are and not read any more.
    """
    stored = await _registered(bus, wanted)
    if stored is None:
        found = differences(PortfolioSettings(), wanted.settings)
        action = StoreLimits(wanted, None)
        return Plan((Change(Sign.ADD, WHAT, tuple(each.text for each in found) or ("none",), action),))
    action = StoreLimits(wanted, stored.revision)
    entry = try_decode(stored.data, PortfolioEntry)
    if entry is None:
        text = "the registered ones cannot be decoded: they are overwritten"
        return Plan((Change(Sign.CHANGE, WHAT, (text,), action),))
    if entry == wanted:
        return Plan(equal=(WHAT,))
    found = differences(entry.settings, wanted.settings)
    if entry.instance != wanted.instance:
        found.append(_Difference(f"instance {entry.instance or 'unset'} -> {wanted.instance}", False))
    texts = tuple(f"{each.text}{' (looser)' if each.is_looser else ''}" for each in found)
    is_looser = any(each.is_looser for each in found)
    return Plan((Change(Sign.CHANGE, WHAT, texts or ("notation",), action, needs_confirmation=is_looser),))


async def _registered(bus: Bus, wanted: PortfolioEntry) -> Entry | None:
    try:
        return await Registry(bus, BUCKET).get(wanted.venue)
    except StreamGone:
        return None  # created when the plan is applied


def differences(before: PortfolioSettings, after: PortfolioSettings) -> list[_Difference]:
    """Return each limit that differs: `USDT max_exposure 1000 USDT -> 2000 USDT`."""
    found = [
        difference
        for name in GLOBAL
        if (difference := _difference("", name, getattr(before, name), getattr(after, name)))
    ]
    for currency in ("", *sorted({*before.currencies, *after.currencies})):
        one, two = before.of(currency), after.of(currency)
        found += [
            difference
            for field in msgspec.structs.fields(CurrencyLimits)
            if field.name not in GLOBAL or currency
            if (
                difference := _difference(
                    currency, field.name, getattr(one, field.name), getattr(two, field.name)
                )
            )
        ]
    return found


def _difference(currency: str, name: str, before: Decimal | int, after: Decimal | int) -> _Difference | None:
    if before == after:
        return None
    show = _notation(name, currency)
    text = f"{currency} {name} {show(before)} -> {show(after)}".strip()
    return _Difference(text, _is_looser(name, before, after))


def _is_looser(name: str, before: Decimal | int, after: Decimal | int) -> bool:
    if name in LOOSER_IF_SHORTER:
        return after < before
    if name in LOOSER_IF_HIGHER:
        return after > before
    return bool(before) and (not after or after > before)


def _notation(name: str, currency: str) -> Callable[[Decimal | int], str]:
    def text(value: Decimal | int) -> str:
        if isinstance(value, Decimal) and name in {"resume_below", "max_drawdown_ratio"}:
            return notation.percent_text(value) if value else "off"
        if isinstance(value, int) and (name in LOOSER_IF_SHORTER or name == "max_order_latency"):
            return notation.duration_text(value) if value else "off"
        shown = f"{value:f}" if isinstance(value, Decimal) else str(value)
        return f"{shown} {currency}".strip() if value else "off"

    return text
