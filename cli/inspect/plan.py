"""Estimate what a grid would do: levels, margin, fees, preflight checks, loss and liquidation price.

The figures come from the engine's own functions. The liquidation prices are estimates:

- isolated margin: a position of quantity q with average price p and leverage L has the margin q*p/L;
- cross margin: the margin is the whole balance, and there is no other position;
- liquidation happens where margin plus unrealised profit equals the maintenance margin, a ratio m of the notional:
  (q*p - margin) / (q*(1 - m)) for a long position, (q*p + margin) / (q*(1 + m)) for a short one. Venues publish the
  same formula for USDT-margined contracts (ApolloX, OrangeX: `(WB - TMM + UPNL + cum - side*q*p) / (q*MMR - side*q)`,
  here with one position and no bracket amount). With leverage brackets, m is that of the filled window's bracket,
  without the bracket's amount: the estimate is on the near side. Liquidation fees are not modelled.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal, localcontext

import msgspec

from engine.core.arithmetic import CONTEXT
from engine.core.grid import first_anchor
from engine.core.guards.circuit_breaker import side_window
from engine.core.guards.max_position import side_limit
from engine.core.orders.price_lattice import Lattice
from engine.core.quoting.quotes import Market
from engine.core.quoting.quoting import Opening, openings
from engine.core.startup.case import Account, Case, Check
from engine.core.startup.preflight import checks, leverage_of, round_trip
from schemas.grid.settings import GridSettings
from schemas.grid.settings_notation import setting_text
from schemas.grid.state import GridState, OtherGrid
from schemas.units import ZERO, Money, Price, Quantity, Ratio, Side, SignedQuantity, Symbol, VenueId
from schemas.venue.instruments import Instrument, InstrumentKind
from schemas.venue.worth import AccountWorth

DEFAULT_MAINTENANCE_MARGIN: Ratio = Decimal("0.005")
"""Used if the venue's ratio is unknown: the first bracket of major pairs at major venues."""
MAX_LEVELS = 10_000
"""Levels of a side that are looked at, where neither limit nor bound ends it before."""
EIGHT_DIGITS = Decimal("1e-8")


class PlanInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Inputs of a plan."""

    instrument: Instrument
    price: Price
    source: str
    """Origin of the price, as text for the user."""
    balance: Money | None = None
    """Of the settlement currency, unrealized profit included."""
    worth: AccountWorth | None = None
    """Of all assets of the account; None without a running stack."""
    leverage: Decimal | None = None
    position: SignedQuantity | None = None
    others: tuple[OtherGrid, ...] = ()
    """The other grids of the account that settle in the same currency."""
    is_stream_up: bool | None = None
    maintenance: Ratio = DEFAULT_MAINTENANCE_MARGIN
    """Maintenance margin, as a ratio of the notional."""


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One level of the window and its order."""

    level: int
    side: Side
    price: Price
    quantity: Quantity
    notional: Money
    profit: Money
    """Profit of one round trip, net of both fees."""
    obstacle: str | None = None
    """Reason why the level would have no order; None if it would have one."""


class FilledSide(msgspec.Struct, frozen=True, kw_only=True):
    """One side of the window, or all that it may ever hold, with all of its orders filled."""

    side: Side
    levels: int
    quantity: Quantity
    average: Price
    last: Price
    notional: Money
    margin: Money
    loss: Money
    """Loss at the price of the last level, with the fees of the fills."""
    break_even: Price
    """Price at which closing all of it pays the fees of both sides."""
    liquidation_isolated: Price | None
    liquidation_cross: Price | None
    """None if no price above zero liquidates the position."""
    bound: Price | None = None
    """`lower_price` or `upper_price`, where it ends the side; None without it."""
    loss_at_bound: Money | None = None


class SymbolPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of one symbol."""

    venue: VenueId
    symbol: Symbol
    mode: str
    quote: str
    price: Price
    source: str
    balance: Money | None
    """Of the settlement currency alone: what margin and orders are paid from."""
    worth: AccountWorth | None
    """Of all assets of the account; null without a running stack."""
    leverage: Decimal | None
    levels: tuple[Level, ...]
    interval_share: Ratio
    """Smallest interval of the window, as a ratio of the price."""
    fee_share: Ratio
    """Fees of both sides, as a ratio of the price."""
    round_trip: Money
    """Net profit of one round trip at the least profitable level; negative for a loss."""
    margin: Money
    """Margin for a filled window: that of the larger side, because the venue nets the two."""
    ends: tuple[FilledSide, ...]
    max_position: str
    """The setting, in its notation."""
    most: tuple[FilledSide, ...]
    """What each side may hold at `max_position`, or down or up to the bounds; empty without either."""
    checks: tuple[Check, ...]

    @property
    def is_refused(self) -> bool:
        """Whether a preflight check fails."""
        return any(check.passed is False for check in self.checks)


def plan_symbol(settings: GridSettings, inputs: PlanInputs) -> SymbolPlan:
    """Return the plan of a grid whose first price is that of the inputs."""
    with localcontext(CONTEXT):
        return _plan(settings, inputs)


def liquidation(
    side: Side, quantity: Quantity, average: Price, margin: Money, maintenance: Ratio
) -> Price | None:
    """Return the liquidation price of a position; None if no price above zero liquidates it."""
    if side is Side.BUY:
        price = (quantity * average - margin) / (quantity * (1 - maintenance))
    else:
        price = (quantity * average + margin) / (quantity * (1 + maintenance))
    return price.quantize(EIGHT_DIGITS) if price > 0 else None


def _plan(settings: GridSettings, inputs: PlanInputs) -> SymbolPlan:
    instrument, price = inputs.instrument, inputs.price
    lattice = Lattice(first_anchor(price, instrument.tick_size), settings, instrument)
    leverage = leverage_of(instrument, inputs.leverage)
    center = lattice.nearest(price)
    account = Account(inputs.is_stream_up, inputs.balance, leverage, inputs.position, others=inputs.others)
    case = Case(settings, instrument, lattice, center, account)
    plan_levels = tuple(_level(case, each) for each in _openings(settings, inputs, lattice, center))
    ends = tuple(
        _filled_side(
            [each for each in plan_levels if each.side is side], side, inputs, leverage or Decimal(1)
        )
        for side in Side
        if any(each.side is side and each.quantity for each in plan_levels)
    )
    spacings = [lattice.spacing(each.level) / each.price for each in plan_levels if each.price > 0]
    return SymbolPlan(
        venue=instrument.venue,
        symbol=instrument.symbol,
        mode=settings.mode,
        quote=instrument.quote,
        price=price,
        source=inputs.source,
        balance=inputs.balance,
        worth=inputs.worth,
        leverage=leverage,
        levels=plan_levels,
        interval_share=_rounded(min(spacings, default=ZERO)),
        fee_share=instrument.maker_fee
        + (instrument.taker_fee if settings.allow_taker else instrument.maker_fee),
        round_trip=min((each.profit for each in plan_levels if each.quantity), default=ZERO),
        margin=max((end.margin for end in ends), default=ZERO),
        ends=ends,
        max_position=setting_text(settings, "max_position", instrument.quote),
        most=tuple(_most(case, inputs, leverage or Decimal(1))),
        checks=tuple(checks(case)),
    )


def _openings(settings: GridSettings, inputs: PlanInputs, lattice: Lattice, center: int) -> Sequence[Opening]:
    instrument = inputs.instrument
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
    return list(openings(state, lattice, Market(inputs.price, ZERO, ZERO, 0), 0))


def _level(case: Case, opening: Opening) -> Level:
    quote = opening.quote
    trip = round_trip(case, quote.level, quote.side)
    return Level(
        level=quote.level,
        side=quote.side,
        price=quote.price,
        quantity=quote.quantity,
        notional=quote.price * quote.quantity,
        profit=_rounded(trip.profit * quote.quantity),
        obstacle=opening.blocker,
    )


def _most(case: Case, inputs: PlanInputs, leverage: Decimal) -> Iterator[FilledSide]:
    """Yield what each side may hold as the price moves against it, level by level, with `max_position` or a bound."""
    settings = case.settings
    bounds = {Side.BUY: settings.lower_price, Side.SELL: settings.upper_price}
    for side in Side:
        notional, ratio = side_limit(settings, side)
        limit = notional + ratio * (inputs.balance or ZERO) if settings.max_position is not None else None
        if not side_window(settings, side) or (limit is None and bounds[side] is None):
            continue
        levels = list(_levels_up_to(case, side, limit, bounds[side]))
        if levels:
            yield _filled_side(levels, side, inputs, leverage, bounds[side])


def _levels_up_to(case: Case, side: Side, limit: Money | None, bound: Price | None) -> Iterator[Level]:
    total = ZERO
    for distance in range(1, MAX_LEVELS + 1):
        level = case.center - side.sign * distance
        price = case.lattice.order_price(level, side)
        if price <= 0 or (bound is not None and (price - bound) * side.sign < 0):
            return
        quantity = case.instrument.quantity_down(case.settings.order_amount / price)
        total += quantity * price
        if limit is not None and total > limit:
            return
        yield Level(
            level=level, side=side, price=price, quantity=quantity, notional=price * quantity, profit=ZERO
        )


def _filled_side(
    levels: Sequence[Level], side: Side, inputs: PlanInputs, leverage: Decimal, bound: Price | None = None
) -> FilledSide:
    filled = [each for each in levels if each.quantity]
    quantity = sum((each.quantity for each in filled), ZERO)
    notional = sum((each.notional for each in filled), ZERO)
    last, margin = filled[-1].price, notional / leverage
    fees = notional * inputs.instrument.maker_fee
    is_spot = inputs.instrument.kind is InstrumentKind.SPOT
    average = notional / quantity
    position = (side, quantity, average)
    bracket = inputs.instrument.bracket(notional)
    maintenance = inputs.maintenance if bracket is None else bracket.maintenance_ratio
    isolated = None if is_spot else liquidation(*position, margin, maintenance)
    balance = inputs.balance
    cross = None if is_spot or balance is None else liquidation(*position, balance, maintenance)
    return FilledSide(
        side=side,
        levels=len(filled),
        quantity=quantity,
        average=_rounded(average),
        last=last,
        notional=notional,
        margin=_rounded(margin),
        loss=_rounded((notional - quantity * last) * side.sign + fees),
        break_even=_rounded(_break_even(side, notional, quantity, inputs.instrument.maker_fee)),
        liquidation_isolated=isolated,
        liquidation_cross=cross,
        bound=bound,
        loss_at_bound=None if bound is None else _rounded((notional - quantity * bound) * side.sign + fees),
    )


def _break_even(side: Side, notional: Money, quantity: Quantity, fee: Ratio) -> Price:
    """Return the price at which `quantity * price` less its fee equals the notional with its fee; for a short mirrored."""
    return notional * (1 + side.sign * fee) / (quantity * (1 - side.sign * fee))


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(EIGHT_DIGITS)
