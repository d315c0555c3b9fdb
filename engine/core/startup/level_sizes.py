"""Preflight check of the orders of each level: price, size, and the size of the order that closes it.

What a level received may be less than it bought, by a fee in base currency, and a short is bought back at a lower price. So
the closing order is checked as well, where it is smallest: at the widest stride.
"""

from decimal import ROUND_CEILING, Decimal

from engine.core.startup.case import Case, Check, WindowOrder, levels_in_bounds, orders_in_bounds, rounded
from schemas.units import ZERO, Price, Quantity, Ratio, Side
from schemas.venue.instruments import Instrument, InstrumentKind, ceil_to

MIN_LOT_USE: Ratio = Decimal("0.9")
"""Orders worth less than this share of `order_amount`, because of the lot, are mentioned."""


def level_sizes(case: Case) -> Check:
    """Check that every level of the window has a valid price and quantity, and a closing order that the venue accepts."""
    instrument, levels = case.instrument, list(levels_in_bounds(case))
    for level, side in levels:
        price = case.lattice.order_price(level, side)
        if price <= 0:
            return _failed(
                f"level {level} is at {price}", f"buy_window of at most {max(case.center - level - 1, 0)}"
            )
        if price == case.lattice.order_price(level + 1, side):
            return _failed(
                f"levels {level} and {level + 1} are both at {price}, the tick is {instrument.tick_size}",
                f"price_interval of at least {instrument.tick_size} {instrument.quote}",
            )
    for order in orders_in_bounds(case):
        least = minimum_order_quantity(instrument, order.price)
        if order.quantity < least:
            return _failed(
                f"level {order.level} at {order.price}: order of {order.quantity} {instrument.base}, the minimum is {least}",
                _amount(instrument, least * order.price),
            )
        if (failed := _closing(case, order)) is not None:
            return failed
    return Check(
        name="levels",
        passed=True,
        figures=f"{len(levels)} levels have a valid price and quantity{_lot_note(case)}",
    )


def minimum_order_quantity(instrument: Instrument, price: Price) -> Quantity:
    """Return the smallest order quantity that the venue accepts at a price."""
    for_notional = ceil_to(instrument.minimum_notional / price, instrument.lot_size)
    return max(for_notional, instrument.minimum_quantity, instrument.lot_size)


def lot_use(case: Case) -> Ratio:
    """Return the smallest share of `order_amount` that whole lots leave of an order; 1 without orders."""
    amounts = (each.quantity * each.price / case.settings.order_amount for each in orders_in_bounds(case))
    return min(amounts, default=Decimal(1))


def _closing(case: Case, order: WindowOrder) -> Check | None:
    instrument = case.instrument
    received = _received(case, order)
    stride = _widest_stride(case)
    level, side = (
        (order.level + stride, Side.SELL) if order.side is Side.BUY else (order.level - stride, Side.BUY)
    )
    price = case.lattice.order_price(level, side)
    if price <= 0:
        return None  # the level's own price is checked
    quantity = instrument.quantity_down(instrument.closable(order.side.sign * received))
    is_exempt = instrument.closes_exempt_from_minimum and instrument.kind is not InstrumentKind.SPOT
    least = (
        max(instrument.minimum_quantity, instrument.lot_size)
        if is_exempt
        else minimum_order_quantity(instrument, price)
    )
    if quantity >= least:
        return None
    lost = order.quantity - received
    return _failed(
        f"level {order.level} at {order.price} is closed at {price}: order of {quantity} {instrument.base}, the minimum is "
        f"{least}",
        _amount(instrument, (least + ceil_to(lost, instrument.lot_size)) * order.price),
    )


def _received(case: Case, order: WindowOrder) -> Quantity:
    instrument = case.instrument
    is_spot = instrument.kind is InstrumentKind.SPOT
    if not is_spot or instrument.charged_asset(order.side) != instrument.base:
        return order.quantity
    rate = instrument.taker_fee if case.settings.allow_taker else instrument.maker_fee
    return order.quantity * (1 - max(rate, ZERO))


def _widest_stride(case: Case) -> int:
    """Return the stride for which closing orders are checked: with `volatility_scale`, that of a window's width."""
    settings = case.settings
    return max(settings.buy_window, settings.sell_window) if settings.volatility_scale else 1


def _lot_note(case: Case) -> str:
    use = lot_use(case)
    if use >= MIN_LOT_USE:
        return ""
    amount, quote = case.settings.order_amount, case.instrument.quote
    return f"; whole lots of {case.instrument.lot_size} leave {rounded(use * amount)} of {amount} {quote} at some level"


def _amount(instrument: Instrument, least: Decimal) -> str:
    return f"order_amount of at least {rounded(least, ROUND_CEILING)} {instrument.quote}"


def _failed(figures: str, remedy: str) -> Check:
    return Check(name="levels", passed=False, figures=figures, remedy=remedy)
