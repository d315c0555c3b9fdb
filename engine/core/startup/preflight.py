"""Preflight checks before the first order of a symbol, each with its figures and a remedy.

Pure functions: `./opensqt plan` and the engine run the same checks.
"""

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from typing import NamedTuple

from engine.core.arithmetic import CONTEXT
from engine.core.startup.capital import capital
from engine.core.startup.case import Case, Check, levels_in_bounds, rounded
from engine.core.startup.level_sizes import level_sizes
from engine.core.startup.venue_limits import leverage_bracket, maximum_order, price_band
from schemas.grid.settings import GridSettings
from schemas.units import ZERO, Money, Price, Ratio, Side
from schemas.venue.instruments import Instrument, InstrumentKind


class RoundTrip(NamedTuple):
    """A buy and a sell of one unit, one level apart, in either order."""

    low: Price
    high: Price
    fees: Money

    @property
    def profit(self) -> Money:
        return self.high - self.low - self.fees


def checks(case: Case) -> list[Check]:
    """Run every check, the most fundamental first; those of limits that the venue states last."""
    with localcontext(CONTEXT):
        found = [check(case) for check in CHECKS]
        found += [each for check in LIMIT_CHECKS if (each := check(case)) is not None]
        return found


def refusal(found: list[Check]) -> str:
    """Return why the first order is not allowed yet, for operators; empty when all checks passed."""
    return "; ".join(_refusal_of(each) for each in found if not each.passed)


def round_trip(case: Case, level: int, side: Side) -> RoundTrip:
    """Return the round trip of a level: opened as maker, or as taker where allowed, and closed as maker."""
    lattice, instrument = case.lattice, case.instrument
    low, high = (level, level + 1) if side is Side.BUY else (level - 1, level)
    bought, sold = lattice.order_price(low, Side.BUY), lattice.order_price(high, Side.SELL)
    opening = instrument.taker_fee if case.settings.allow_taker else instrument.maker_fee
    first, second = (bought, sold) if side is Side.BUY else (sold, bought)
    return RoundTrip(bought, sold, first * opening + second * instrument.maker_fee)


def _refusal_of(failed: Check) -> str:
    result = "pending" if failed.passed is None else "failed"
    remedy = f": {failed.remedy}" if failed.remedy else ""
    return f"{failed.name} {result}: {failed.figures}{remedy}"


def _stream(case: Case) -> Check:
    is_up = case.account.is_stream_up
    if is_up is None:
        return Check(
            name="order_stream", passed=None, figures="the state of the account's private stream is unknown"
        )
    if is_up:
        return Check(name="order_stream", passed=True, figures="the account's private stream is up")
    return Check(
        name="order_stream",
        passed=False,
        figures="the account's private stream is down",
        remedy="see the account publisher's log; startup continues when the stream is up",
    )


def _order_ids(case: Case) -> Check | None:
    newer = case.account.newer_generation
    if not newer:
        return None
    return Check(
        name="order_ids",
        passed=False,
        figures=f"the account has open orders of generation {newer} of this symbol and instance: another installation "
        "trades it, or the journal was lost",
        remedy="set another instance in the configuration, or restore the backup of this installation",
    )


def _balance(case: Case) -> Check:
    balance, currency = case.account.balance, case.instrument.settle
    if balance is None:
        return Check(name="balance", passed=None, figures=f"the balance of {currency} is unknown")
    return Check(
        name="balance",
        passed=balance > 0,
        figures=f"{rounded(balance)} {currency}",
        remedy="" if balance > 0 else f"deposit {currency}",
    )


def _leverage(case: Case) -> Check:
    leverage, limit = case.account.leverage, case.settings.max_leverage
    if leverage is None:
        return Check(name="max_leverage", passed=None, figures="the leverage is unknown")
    return Check(
        name="max_leverage",
        passed=leverage <= limit,
        figures=f"leverage {leverage}, the limit is {limit}",
        remedy=""
        if leverage <= limit
        else f"set max_leverage to {leverage}, or the leverage at the venue to {limit}",
    )


def _safety(case: Case) -> Check:
    settings, currency = case.settings, case.instrument.quote
    balance, leverage = case.account.balance, case.account.leverage
    needed = settings.position_safety_check
    if balance is None or leverage is None:
        return Check(
            name="position_safety_check", passed=None, figures="the balance or the leverage is unknown"
        )
    orders = balance * leverage / settings.order_amount
    passed = is_enough(settings, balance, leverage)
    text = (
        f"the balance of {rounded(balance)} {currency} at leverage {leverage} pays for {rounded(orders)} orders of "
        f"{settings.order_amount} {currency}; at least {needed} are needed"
    )
    if passed:
        return Check(name="position_safety_check", passed=True, figures=text)
    largest = max(balance, ZERO) * leverage / needed
    least = needed * settings.order_amount / leverage
    remedy = (
        f"order_amount of at most {rounded(largest, ROUND_FLOOR)} {currency}, or a balance of "
        f"{rounded(least, ROUND_CEILING)} {currency}"
    )
    return Check(name="position_safety_check", passed=False, figures=text, remedy=remedy)


def _fees(case: Case) -> Check:
    settings, currency = case.settings, case.instrument.quote
    trips = [round_trip(case, level, side) for level, side in levels_in_bounds(case)]
    worst = min(
        (trip for trip in trips if trip.low > 0), key=lambda trip: trip.profit / trip.low, default=None
    )
    if worst is None:
        return Check(
            name="round_trip",
            passed=False,
            figures="no level of the window has a price above zero and within lower_price and upper_price",
            remedy="reduce buy_window or price_interval, or widen lower_price and upper_price",
        )
    text = (
        f"one {case.instrument.base} bought at {worst.low} and sold at {worst.high} earns "
        f"{rounded(worst.high - worst.low)} {currency} before {rounded(worst.fees)} {currency} of fees"
    )
    if worst.profit > 0:
        return Check(name="round_trip", passed=True, figures=text)
    share = _break_even(case)
    if settings.price_interval is None:
        remedy = f"price_interval above {rounded(share * 100, ROUND_CEILING)}%"
    else:
        remedy = f"price_interval above {rounded(worst.low * share, ROUND_CEILING)} {currency}"
    return Check(name="round_trip", passed=False, figures=text, remedy=remedy)


LIMIT_CHECKS: tuple[Callable[[Case], Check | None], ...] = (
    _order_ids,
    maximum_order,
    price_band,
    leverage_bracket,
)
"""Those that concern only some accounts and venues."""
CHECKS: tuple[Callable[[Case], Check], ...] = (
    _stream,
    _balance,
    _leverage,
    _safety,
    capital,
    _fees,
    level_sizes,
)


def is_enough(settings: GridSettings, balance: Money, leverage: Decimal) -> bool:
    """Return whether the balance, with its leverage, covers `position_safety_check` orders."""
    return balance > 0 and balance * leverage >= settings.position_safety_check * settings.order_amount


def leverage_of(instrument: Instrument, reported: Decimal | None) -> Decimal | None:
    """Return the leverage of a symbol: always 1 for spot, else as reported by the venue."""
    return Decimal(1) if instrument.kind is InstrumentKind.SPOT else reported


def _break_even(case: Case) -> Ratio:
    # A sale at (1 + x) times the price pays both fees when (1 + x)(1 - second) = 1 + first.
    instrument = case.instrument
    opening = instrument.taker_fee if case.settings.allow_taker else instrument.maker_fee
    return (1 + opening) / (1 - instrument.maker_fee) - 1
