"""The preflight: what has to be so before the first order of a symbol, each check with its figures and with what would do.

Pure, so that a plan made before anything is traded and the engine judge by the same words.
"""

from collections.abc import Callable, Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, localcontext
from typing import NamedTuple

import msgspec

from engine.core.arithmetic import CONTEXT
from engine.core.orders.price_lattice import Lattice
from schemas.grid.settings import GridMode, GridSettings
from schemas.units import ZERO, Money, Price, Quantity, Ratio, Side
from schemas.venue.instruments import Instrument, InstrumentKind, ceil_to

FOUR_DIGITS = Decimal("0.0001")


class Account(NamedTuple):
    """What is known of the account; None for what is not."""

    is_stream_up: bool | None
    balance: Money | None
    leverage: Decimal | None


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found."""

    name: str
    passed: bool | None
    """None while something it needs is not known."""
    figures: str
    remedy: str = ""
    """What would satisfy it."""


class Case(NamedTuple):
    """All that is judged: a grid, centered at a level of its lattice, and the account."""

    settings: GridSettings
    instrument: Instrument
    lattice: Lattice
    center: int
    account: Account


class RoundTrip(NamedTuple):
    """One level bought and sold again, or the other way round: its worth and what it makes, for one unit."""

    low: Price
    high: Price
    fees: Money

    @property
    def profit(self) -> Money:
        return self.high - self.low - self.fees


def checks(case: Case) -> list[Check]:
    """Return every check, in the order in which they are worth reading."""
    with localcontext(CONTEXT):
        return [check(case) for check in CHECKS]


def refusal(found: list[Check]) -> str:
    """Return what stands against the first order, for people; nothing when all passed."""
    words = {None: "waits", False: "refused"}
    return "; ".join(
        f"{each.name} {words[each.passed]}: {each.figures}" + (f": {each.remedy}" if each.remedy else "")
        for each in found
        if not each.passed
    )


def window_levels(settings: GridSettings, center: int) -> Iterator[tuple[int, Side]]:
    """Yield the levels of the whole window that are to be opened, where the interval is the base interval."""
    for distance in range(1, settings.buy_window + 1):
        yield center - distance, Side.BUY
    if settings.mode is GridMode.NEUTRAL:
        for distance in range(1, settings.sell_window + 1):
            yield center + distance, Side.SELL


def round_trip(case: Case, level: int, side: Side) -> RoundTrip:
    """Return what one round trip of a level makes: opened by a maker, or a taker where that is allowed, and closed."""
    lattice, instrument = case.lattice, case.instrument
    low, high = (level, level + 1) if side is Side.BUY else (level - 1, level)
    bought, sold = lattice.order_price(low, Side.BUY), lattice.order_price(high, Side.SELL)
    opening = instrument.taker_fee if case.settings.allow_taker else instrument.maker_fee
    first, second = (bought, sold) if side is Side.BUY else (sold, bought)
    return RoundTrip(bought, sold, first * opening + second * instrument.maker_fee)


def _stream(case: Case) -> Check:
    is_up = case.account.is_stream_up
    if is_up is None:
        return Check(name="order_stream", passed=None, figures="nobody said yet whether it is up")
    if is_up:
        return Check(name="order_stream", passed=True, figures="the account's private stream is up")
    return Check(
        name="order_stream",
        passed=False,
        figures="the account's private stream is down",
        remedy="see the account publisher's log; it goes on by itself once the stream is there",
    )


def _balance(case: Case) -> Check:
    balance, currency = case.account.balance, case.instrument.settle
    if balance is None:
        return Check(name="balance", passed=None, figures=f"the balance of {currency} is not known yet")
    return Check(
        name="balance",
        passed=balance > 0,
        figures=f"{_short(balance)} {currency}",
        remedy="" if balance > 0 else f"the account needs {currency}",
    )


def _leverage(case: Case) -> Check:
    leverage, limit = case.account.leverage, case.settings.max_leverage
    if leverage is None:
        return Check(name="max_leverage", passed=None, figures="the leverage is not known yet")
    return Check(
        name="max_leverage",
        passed=leverage <= limit,
        figures=f"leverage {leverage}, at most {limit}",
        remedy="" if leverage <= limit else f"max_leverage {leverage}, or set {limit} at the venue",
    )


def _safety(case: Case) -> Check:
    settings, currency = case.settings, case.instrument.quote
    _, balance, leverage = case.account
    wanted = settings.position_safety_check
    if balance is None or leverage is None:
        return Check(
            name="position_safety_check", passed=None, figures="balance or leverage is not known yet"
        )
    orders = balance * leverage / settings.order_amount
    passed = is_enough(settings, balance, leverage)
    text = (
        f"{_short(balance)} * {leverage} / {settings.order_amount} {currency} is {_short(orders)} orders, "
        f"at least {wanted}"
    )
    if passed:
        return Check(name="position_safety_check", passed=True, figures=text)
    largest = max(balance, ZERO) * leverage / wanted
    least = wanted * settings.order_amount / leverage
    remedy = (
        f"order_amount of at most {_short(largest, ROUND_FLOOR)} {currency}, or a balance of "
        f"{_short(least, ROUND_CEILING)} {currency}"
    )
    return Check(name="position_safety_check", passed=False, figures=text, remedy=remedy)


def _fees(case: Case) -> Check:
    settings, currency = case.settings, case.instrument.quote
    trips = [round_trip(case, level, side) for level, side in _levels_in_bounds(case)]
    worst = min(
        (trip for trip in trips if trip.low > 0), key=lambda trip: trip.profit / trip.low, default=None
    )
    if worst is None:
        return Check(
            name="round_trip",
            passed=False,
            figures="no level of the window has a price above zero, within the bounds",
            remedy="buy_window and price_interval smaller, or lower_price and upper_price wider",
        )
    text = (
        f"buy at {worst.low}, sell at {worst.high}: {_short(worst.high - worst.low)} {currency} a unit, "
        f"fees {_short(worst.fees)} {currency}"
    )
    if worst.profit > 0:
        return Check(name="round_trip", passed=True, figures=text)
    share = _break_even(case)
    if settings.price_interval is None:
        remedy = f"price_interval above {_short(share * 100, ROUND_CEILING)}%"
    else:
        remedy = f"price_interval above {_short(worst.low * share, ROUND_CEILING)} {currency}"
    return Check(name="round_trip", passed=False, figures=text, remedy=remedy)


def _levels(case: Case) -> Check:
    instrument, levels = case.instrument, list(_levels_in_bounds(case))
    for level, side in levels:
        price = case.lattice.order_price(level, side)
        if price <= 0:
            return Check(
                name="levels",
                passed=False,
                figures=f"level {level} is at {price}",
                remedy=f"buy_window of at most {max(case.center - level - 1, 0)}",
            )
        if price == case.lattice.order_price(level + 1, side):
            return Check(
                name="levels",
                passed=False,
                figures=f"levels {level} and {level + 1} are both at {price}, the tick is {instrument.tick_size}",
                remedy=f"price_interval of at least {instrument.tick_size} {instrument.quote}",
            )
        quantity = instrument.quantity_down(case.settings.order_amount / price)
        least = least_quantity(instrument, price)
        if quantity < least:
            return Check(
                name="levels",
                passed=False,
                figures=f"level {level} at {price} would be {quantity} {instrument.base}, the venue takes {least}",
                remedy=f"order_amount of at least {_short(least * price, ROUND_CEILING)} {instrument.quote}",
            )
    return Check(name="levels", passed=True, figures=f"{len(levels)} levels have a valid price and quantity")


CHECKS: tuple[Callable[[Case], Check], ...] = (_stream, _balance, _leverage, _safety, _fees, _levels)


def least_quantity(instrument: Instrument, price: Price) -> Quantity:
    """Return the least quantity that the venue takes at a price."""
    for_notional = ceil_to(instrument.minimum_notional / price, instrument.lot_size)
    return max(for_notional, instrument.minimum_quantity, instrument.lot_size)


def is_enough(settings: GridSettings, balance: Money, leverage: Decimal) -> bool:
    """Tell whether a balance is good for as many orders as `position_safety_check` wants."""
    return balance > 0 and balance * leverage >= settings.position_safety_check * settings.order_amount


def leverage_of(instrument: Instrument, told: Decimal | None) -> Decimal | None:
    """Return the leverage of a symbol: spot has none, whatever is told."""
    return Decimal(1) if instrument.kind is InstrumentKind.SPOT else told


def _levels_in_bounds(case: Case) -> Iterator[tuple[int, Side]]:
    settings = case.settings
    for level, side in window_levels(settings, case.center):
        price = case.lattice.order_price(level, side)
        is_above = settings.lower_price is None or price >= settings.lower_price
        if is_above and (settings.upper_price is None or price <= settings.upper_price):
            yield level, side


def _break_even(case: Case) -> Ratio:
    # What is sold for (1 + x) times its price pays both fees when (1 + x)(1 - second) = 1 + first.
    instrument = case.instrument
    opening = instrument.taker_fee if case.settings.allow_taker else instrument.maker_fee
    return (1 + opening) / (1 - instrument.maker_fee) - 1


def _short(value: Decimal, rounding: str = ROUND_HALF_EVEN) -> str:
    return f"{value.quantize(FOUR_DIGITS, rounding).normalize():f}"
