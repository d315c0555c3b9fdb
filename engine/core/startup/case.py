"""The subject of the preflight checks, and their results: a full window of a grid at the base interval (stride 1)."""

from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

import msgspec

from engine.core.orders.price_lattice import Lattice
from schemas.grid.settings import GridMode, GridSettings
from schemas.grid.state import OtherGrid
from schemas.units import Money, Price, Quantity, Side, SignedQuantity
from schemas.venue.instruments import Instrument

FOUR_DIGITS = Decimal("0.0001")


class Account(NamedTuple):
    """What is known of the account; None while unknown."""

    is_stream_up: bool | None
    balance: Money | None
    leverage: Decimal | None
    position: SignedQuantity | None = None
    newer_generation: int = 0
    """Of own open orders that another installation placed, or this one before its journal was lost; 0 without any."""
    others: tuple[OtherGrid, ...] = ()
    """The other grids of the account that settle in the same currency."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one check."""

    name: str
    passed: bool | None
    """None while an input of the check is unknown."""
    figures: str
    remedy: str = ""
    """A change that would satisfy the check."""


class Case(NamedTuple):
    """The subject of the checks: a grid centered at a level of its lattice, and the account."""

    settings: GridSettings
    instrument: Instrument
    lattice: Lattice
    center: int
    account: Account


class WindowOrder(NamedTuple):
    """The opening order of a level of the full window."""

    level: int
    side: Side
    price: Price
    quantity: Quantity


def window_levels(settings: GridSettings, center: int) -> Iterator[tuple[int, Side]]:
    """Yield the opening levels of the full window at the base interval (stride 1)."""
    for distance in range(1, settings.buy_window + 1):
        yield center - distance, Side.BUY
    if settings.mode is GridMode.NEUTRAL:
        for distance in range(1, settings.sell_window + 1):
            yield center + distance, Side.SELL


def levels_in_bounds(case: Case) -> Iterator[tuple[int, Side]]:
    """Yield the opening levels of the window within `lower_price` and `upper_price`."""
    settings = case.settings
    for level, side in window_levels(settings, case.center):
        price = case.lattice.order_price(level, side)
        is_above = settings.lower_price is None or price >= settings.lower_price
        if is_above and (settings.upper_price is None or price <= settings.upper_price):
            yield level, side


def orders_in_bounds(case: Case) -> Iterator[WindowOrder]:
    """Yield the opening orders of those levels that have a price above zero."""
    for level, side in levels_in_bounds(case):
        price = case.lattice.order_price(level, side)
        if price > 0:
            quantity = case.instrument.quantity_down(case.settings.order_amount / price)
            yield WindowOrder(level, side, price, quantity)


def center_price(case: Case) -> Price:
    """Return the price of the center, in place of the market's: figures change only when the center moves."""
    return case.lattice.order_price(case.center, Side.BUY)


def rounded(value: Decimal, rounding: str = ROUND_HALF_EVEN) -> str:
    """Return an amount with at most four decimals, for operators."""
    return f"{value.quantize(FOUR_DIGITS, rounding).normalize():f}"
