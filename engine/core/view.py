"""What others see of a grid, derived from its state alone: `GridView` for viewers, `RiskSummary` for the gateway."""

from decimal import Decimal, localcontext

from engine.core.arithmetic import CONTEXT, SHARE_DIGITS, total_profit
from engine.core.blocking import detail_of, halted_by_operator
from engine.core.guards import max_position
from engine.core.orders.price_lattice import Lattice
from engine.core.quoting.quotes import closing_quote, is_closable, is_dust
from engine.core.quoting.quoting import why_not
from schemas.engine.journal import RiskSummary
from schemas.grid.settings import GridMode
from schemas.grid.state import GridState, Slot
from schemas.grid.view import GridView, SlotStatus, SlotView
from schemas.units import ZERO, Money, Price, Side, SignedQuantity
from schemas.venue.instruments import InstrumentKind


def view(state: GridState, step: int, mark: Price | None = None) -> GridView:
    """Return the view of a grid, marked at `mark`, by default the price of the last step."""
    with localcontext(CONTEXT):
        return _view(state, step, state.price if mark is None else mark)


def risk_summary(state: GridState) -> RiskSummary:
    """Return the part of a state that the gateway and the account publisher use."""
    return RiskSummary(
        generation=state.generation,
        position=state.accounts.position,
        price=state.price,
        booked_through=state.booked_through,
        is_spot=state.instrument.kind is InstrumentKind.SPOT,
        is_resyncing=state.resync is not None,
        max_buy=max_position.maximum(state, Side.BUY),
        max_sell=max_position.maximum(state, Side.SELL),
        held_long=max_position.held(state, Side.BUY),
        held_short=max_position.held(state, Side.SELL),
        missing_long=max_position.missing(state, Side.BUY),
        missing_short=max_position.missing(state, Side.SELL),
    )


def _view(state: GridState, step: int, mark: Price | None) -> GridView:
    accounts = state.accounts
    lattice = None if state.anchor is None else Lattice(state.anchor, state.settings, state.instrument)
    price = mark or ZERO
    reason = why_not(state, lattice)
    unpaired = sum((slot.held * price - slot.cost for slot in state.slots.values()), ZERO)
    return GridView(
        venue=state.venue,
        symbol=state.symbol,
        step=step,
        mode=state.settings.mode,
        anchor_price=state.anchor,
        price_interval=_interval(state),
        center=state.center,
        price=mark,
        slots=() if lattice is None else tuple(_slot_views(state, lattice)),
        paused=state.paused,
        not_quoting=reason,
        not_quoting_detail=detail_of(state, reason),
        position=accounts.position,
        cash=accounts.cash,
        fees=accounts.fees,
        funding=accounts.funding,
        grid_profit=accounts.grid_profit,
        unpaired_profit=unpaired,
        total_profit=total_profit(accounts, price),
        buy_and_hold=_buy_and_hold(state, price),
        closed_trades=accounts.closed_trades,
        opened_trades=accounts.opened_trades,
        volume=accounts.volume,
        first_time=accounts.first_time,
        time=state.time,
        stride=state.stride,
        earlier_profit=ZERO if state.earlier is None else state.earlier.profit,
        fees_other=dict(accounts.fees_other),
        venue_position=state.venue_position,
        foreign_position=state.foreign_position,
        ledger_from=state.ledger_from,
        entry_price=entry_price(state),
        closed_pairs=accounts.closed_pairs,
        dust=ZERO if lattice is None else _dust(state, lattice),
        opens_halted_by=halted_by_operator(state),
    )


def entry_price(state: GridState) -> Price | None:
    """Return the average price at which the slots on the position's side were opened; None when flat.

    From trades, an adopted position and corrections. Slots of the other side, which a neutral grid may hold, do not count.
    """
    position = state.accounts.position
    slots = [slot for slot in state.slots.values() if slot.held * position > 0]
    held = sum((slot.held for slot in slots), ZERO)
    return _rounded(sum((slot.cost for slot in slots), ZERO) / held) if held else None


def _interval(state: GridState) -> Money | None:
    if state.settings.interval_ratio is None or state.anchor is None:
        return state.settings.price_interval
    return _rounded(state.anchor * state.settings.interval_ratio)


def _buy_and_hold(state: GridState, price: Price) -> Money:
    first = state.accounts.first_price
    if not first:
        return ZERO
    window = state.settings.order_amount * state.settings.buy_window
    return _rounded(window * (price - first) / first)


def _slot_views(state: GridState, lattice: Lattice) -> list[SlotView]:
    settings, center, stride = state.settings, state.center, state.stride
    highest = center if settings.mode is GridMode.LONG else center + settings.sell_window * stride
    levels = {*range(center - settings.buy_window * stride, highest + 1, stride), *state.slots}
    return [_slot_view(level, state.slots.get(level), lattice, center) for level in sorted(levels)]


def _slot_view(level: int, slot: Slot | None, lattice: Lattice, center: int) -> SlotView:
    order = None if slot is None else slot.order
    side: Side | None = None
    status = SlotStatus.EMPTY
    if slot is not None and slot.held and not (order is not None and is_dust(lattice.instrument, slot.held)):
        side, status = (Side.BUY if slot.held > 0 else Side.SELL), SlotStatus.FILLED
    elif order is not None:
        side, status = order.side, SlotStatus.OPEN
    opening_side = side or (Side.BUY if level <= center else Side.SELL)
    return SlotView(
        slot_id=level,
        price=lattice.order_price(level, opening_side),
        side=side,
        status=status,
        held=ZERO if slot is None else slot.held,
        client_order_id=None if order is None else order.client_order_id,
        order_price=None if order is None else order.price,
    )


def _dust(state: GridState, lattice: Lattice) -> SignedQuantity:
    held = [slot for slot in state.slots.values() if slot.held]
    small = (each for each in held if not is_closable(state, closing_quote(state, lattice, each)))
    return sum((each.held for each in small), ZERO)


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(SHARE_DIGITS)
