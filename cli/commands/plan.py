"""What a grid would do before anything is traded: its levels, the margin, the fees, the preflight, how it could end.

All of it is reckoned with the engine's own functions. Of the estimates these are the formulas, fees apart:

- isolated: a position of quantity q, opened at p on average with leverage L, has a margin of q*p/L;
- cross: the whole balance stands behind it, and behind nothing else;
- it is liquidated where its margin with the unrealised profit is down to the maintenance margin, a share m of its worth.
  Solved for the price that is (q*p - margin) / (q*(1 - m)) for a long one, (q*p + margin) / (q*(1 + m)) for a short one:
  what venues publish for USDT margined contracts (ApolloX, OrangeX: `(WB - TMM + UPNL + cum - side*q*p) / (q*MMR - side*q)`)
  with one position alone and no bracket amount. Brackets of m and fees of liquidation are not in here: it is an estimate.
"""

from collections.abc import Sequence
from decimal import Decimal, localcontext

import msgspec

from engine.core.arithmetic import CONTEXT
from engine.core.grid import first_anchor
from engine.core.orders.price_lattice import Lattice
from engine.core.quoting.quoting import Market, Opening, openings
from engine.core.startup.preflight import Account, Case, Check, checks, leverage_of, round_trip
from schemas.grid.settings import GridSettings
from schemas.grid.state import GridState
from schemas.units import ZERO, Money, Price, Quantity, Ratio, Side, Symbol, VenueId
from schemas.venue.instruments import Instrument, InstrumentKind

MAINTENANCE: Ratio = Decimal("0.005")
"""What is taken where the venue's own is not known: the first step of the large pairs at the large venues."""
EIGHT_DIGITS = Decimal("1e-8")


class Premises(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan starts from, and where that came from."""

    instrument: Instrument
    price: Price
    source: str
    balance: Money | None = None
    leverage: Decimal | None = None
    is_stream_up: bool | None = None
    maintenance: Ratio = MAINTENANCE


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One level of the window."""

    level: int
    side: Side
    price: Price
    quantity: Quantity
    notional: Money
    profit: Money
    """Of one round trip, net of the fees on both sides."""
    obstacle: str | None = None
    """Why it would have no order at this price."""


class End(msgspec.Struct, frozen=True, kw_only=True):
    """One side of the window, all of it filled."""

    side: Side
    levels: int
    quantity: Quantity
    average: Price
    last: Price
    notional: Money
    margin: Money
    loss: Money
    """At the price of the last level, with the fees to get in."""
    liquidation_isolated: Price | None
    liquidation_cross: Price | None
    """None where nothing can be liquidated at a price above zero."""


class SymbolPlan(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one symbol before it is traded."""

    venue: VenueId
    symbol: Symbol
    mode: str
    quote: str
    price: Price
    source: str
    balance: Money | None
    leverage: Decimal | None
    levels: tuple[Level, ...]
    interval_share: Ratio
    """The narrowest interval of the window, as a share of the price."""
    fee_share: Ratio
    """What the fees of both sides take."""
    round_trip: Money
    """What the least profitable level makes in one round trip; below zero it loses."""
    margin: Money
    """For the full window: the larger side, as the venue nets the two."""
    ends: tuple[End, ...]
    checks: tuple[Check, ...]

    @property
    def is_refused(self) -> bool:
        return any(check.passed is False for check in self.checks)


def plan_symbol(settings: GridSettings, premises: Premises) -> SymbolPlan:
    """Return what a grid would do that first sees this price."""
    with localcontext(CONTEXT):
        return _plan(settings, premises)


def liquidation(
    side: Side, quantity: Quantity, average: Price, margin: Money, maintenance: Ratio
) -> Price | None:
    """Return where a position is liquidated; None when that is at no price above zero."""
    if side is Side.BUY:
        price = (quantity * average - margin) / (quantity * (1 - maintenance))
    else:
        price = (quantity * average + margin) / (quantity * (1 + maintenance))
    return price.quantize(EIGHT_DIGITS) if price > 0 else None


def _plan(settings: GridSettings, premises: Premises) -> SymbolPlan:
    instrument, price = premises.instrument, premises.price
    lattice = Lattice(first_anchor(price, instrument.tick_size), settings, instrument)
    leverage = leverage_of(instrument, premises.leverage)
    center = lattice.nearest(price)
    account = Account(premises.is_stream_up, premises.balance, leverage)
    case = Case(settings, instrument, lattice, center, account)
    found = tuple(_level(case, each) for each in _openings(settings, premises, lattice, center))
    ends = tuple(
        _end([each for each in found if each.side is side], side, premises, leverage or Decimal(1))
        for side in Side
        if any(each.side is side and each.quantity for each in found)
    )
    spacings = [lattice.spacing(each.level) / each.price for each in found if each.price > 0]
    return SymbolPlan(
        venue=instrument.venue,
        symbol=instrument.symbol,
        mode=settings.mode,
        quote=instrument.quote,
        price=price,
        source=premises.source,
        balance=premises.balance,
        leverage=leverage,
        levels=found,
        interval_share=_short(min(spacings, default=ZERO)),
        fee_share=instrument.maker_fee
        + (instrument.taker_fee if settings.allow_taker else instrument.maker_fee),
        round_trip=min((each.profit for each in found if each.quantity), default=ZERO),
        margin=max((end.margin for end in ends), default=ZERO),
        ends=ends,
        checks=tuple(checks(case)),
    )


def _openings(settings: GridSettings, premises: Premises, lattice: Lattice, center: int) -> Sequence[Opening]:
    instrument = premises.instrument
    state = GridState(
        venue=instrument.venue,
        symbol=instrument.symbol,
        instance="",
        generation=1,
        settings=settings,
        instrument=instrument,
        anchor=lattice.anchor,
        center=center,
    )
    return list(openings(state, lattice, Market(premises.price, ZERO, ZERO, 0), 0))


def _level(case: Case, opening: Opening) -> Level:
    quote = opening.quote
    trip = round_trip(case, quote.level, quote.side)
    return Level(
        level=quote.level,
        side=quote.side,
        price=quote.price,
        quantity=quote.quantity,
        notional=quote.price * quote.quantity,
        profit=_short(trip.profit * quote.quantity),
        obstacle=opening.obstacle,
    )


def _end(levels: Sequence[Level], side: Side, premises: Premises, leverage: Decimal) -> End:
    filled = [each for each in levels if each.quantity]
    quantity = sum((each.quantity for each in filled), ZERO)
    notional = sum((each.notional for each in filled), ZERO)
    last, margin = filled[-1].price, notional / leverage
    fees = notional * premises.instrument.maker_fee
    is_spot = premises.instrument.kind is InstrumentKind.SPOT
    average = notional / quantity
    shares = (side, quantity, average)
    isolated = None if is_spot else liquidation(*shares, margin, premises.maintenance)
    balance = premises.balance
    cross = None if is_spot or balance is None else liquidation(*shares, balance, premises.maintenance)
    return End(
        side=side,
        levels=len(filled),
        quantity=quantity,
        average=_short(average),
        last=last,
        notional=notional,
        margin=_short(margin),
        loss=_short((notional - quantity * last) * side.sign + fees),
        liquidation_isolated=isolated,
        liquidation_cross=cross,
    )


def _short(value: Decimal) -> Decimal:
    return value.quantize(EIGHT_DIGITS)
