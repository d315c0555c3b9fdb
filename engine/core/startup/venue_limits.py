"""Preflight checks of the limits that a venue states: largest order, price band, leverage brackets.

A check returns None where the venue states no such limit.
"""

from decimal import ROUND_FLOOR, Decimal
from itertools import takewhile

from engine.core.startup.case import Case, Check, center_price, levels_in_bounds, orders_in_bounds, rounded
from schemas.units import ZERO, Money, Side
from schemas.venue.instruments import PriceBand


def maximum_order(case: Case) -> Check | None:
    """Check that no opening order is larger than the venue allows."""
    instrument, quote = case.instrument, case.instrument.quote
    quantity, notional = instrument.maximum_quantity, instrument.maximum_notional
    orders = list(orders_in_bounds(case))
    if (quantity is None and notional is None) or not orders:
        return None
    stated = [f"{quantity:f} {instrument.base}"] if quantity is not None else []
    stated += [f"{notional} {quote}"] if notional is not None else []
    limits = " and ".join(stated)
    large = next((each for each in orders if instrument.is_above_maximum(each.quantity, each.price)), None)
    if large is None:
        return Check(name="maximum_order", passed=True, figures=f"no order is above the maximum of {limits}")
    most = [notional] if notional is not None else []
    most += [quantity * min(each.price for each in orders)] if quantity is not None else []
    return Check(
        name="maximum_order",
        passed=False,
        figures=f"level {large.level} at {large.price:f}: order of {large.quantity:f} {instrument.base}, "
        f"{rounded(large.quantity * large.price)} {quote}; the maximum is {limits}",
        remedy=f"order_amount of at most {rounded(min(most), ROUND_FLOOR)} {quote}",
    )


def price_band(case: Case) -> Check | None:
    """Check the outermost orders: the lowest buy, and the highest sale, which in mode long closes a slot above."""
    instrument, price = case.instrument, center_price(case)
    if instrument.buy_band is None and instrument.sell_band is None:
        return None
    buys = [level for level, side in levels_in_bounds(case) if side is Side.BUY]
    outermost = [(case.center + case.settings.sell_window, Side.SELL)]
    outermost += [(min(buys), Side.BUY)] if buys else []
    for level, side in outermost:
        limit = case.lattice.order_price(level, side)
        band = instrument.band(side)
        if band is None or band.accepts(limit, price):
            continue
        low, high = band.bounds(price)
        text = f"from {rounded(low)}" + ("" if high is None else f" to {rounded(high)}")
        return Check(
            name="price_band",
            passed=False,
            figures=f"level {level} at {limit:f}: at a price of {price:f} the venue takes {side} orders {text}",
            remedy=_band_remedy(case, band, side),
        )
    return Check(
        name="price_band", passed=True, figures="the outermost levels are within the venue's price band"
    )


def _band_remedy(case: Case, band: PriceBand, side: Side) -> str:
    step = -1 if side is Side.BUY else 1
    name = "buy_window" if side is Side.BUY else "sell_window"
    window = case.settings.buy_window if side is Side.BUY else case.settings.sell_window
    prices = (case.lattice.order_price(case.center + step * i, side) for i in range(1, window + 1))
    inside = sum(1 for _ in takewhile(lambda each: band.accepts(each, center_price(case)), prices))
    return (
        f"{name} of at most {inside}, or a smaller price_interval" if inside else "a smaller price_interval"
    )


def leverage_bracket(case: Case) -> Check | None:
    """Check that the venue allows the account's leverage for the larger side of a full window, with what is held."""
    instrument, leverage = case.instrument, case.account.leverage
    if not instrument.leverage_brackets:
        return None
    if leverage is None:
        return Check(name="leverage_bracket", passed=None, figures="the leverage is unknown")
    side, worth = max(_worths(case).items(), key=lambda each: each[1])
    text = f"a full window is worth {rounded(worth)} {instrument.quote}, with {rounded(_held(case))} held"
    bracket = instrument.bracket(max(worth, ZERO))
    if bracket is None:
        text += f"; the venue's largest position is {instrument.leverage_brackets[-1].notional_cap}"
    else:
        text += f"; leverage {leverage}, the bracket's limit is {bracket.maximum_leverage}"
    if bracket is not None and leverage <= bracket.maximum_leverage:
        return Check(name="leverage_bracket", passed=True, figures=text)
    remedies = [_amount_remedy(case, side, leverage)]
    remedies += [f"leverage at the venue of at most {bracket.maximum_leverage}"] if bracket else []
    return Check(
        name="leverage_bracket", passed=False, figures=text, remedy=", or ".join(filter(None, remedies))
    )


def _worths(case: Case) -> dict[Side, Money]:
    orders = list(orders_in_bounds(case))
    return {
        side: sum(
            (each.quantity * each.price for each in orders if each.side is side), side.sign * _held(case)
        )
        for side in Side
    }


def _held(case: Case) -> Money:
    return (case.account.position or ZERO) * center_price(case)


def _amount_remedy(case: Case, side: Side, leverage: Decimal) -> str:
    brackets = case.instrument.leverage_brackets
    caps = [each.notional_cap or ZERO for each in brackets if each.maximum_leverage >= leverage]
    room = max(caps, default=ZERO) - side.sign * _held(case)
    levels = sum(each.side is side for each in orders_in_bounds(case))
    if room <= 0 or not levels:
        return ""
    return f"order_amount of at most {rounded(room / levels, ROUND_FLOOR)} {case.instrument.quote}"
