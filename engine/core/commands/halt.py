"""A grid that was told to stop: its orders are canceled, its position stays or is closed, and it may be removed.

A position is closed net: orders that only reduce it, of the slots on its side, at a limit beyond the best price. What is
left when they are filled are slots whose long and short quantities make up for each other. Each order is of one slot, so
that a trade is booked where what it closes was.
"""

from engine.core.blocking import halted_by
from engine.core.orders.profit import total
from engine.core.orders.slots import is_working
from engine.core.quoting.quoting import Market, Plan, Quote
from engine.core.step import Draft
from schemas.engine.control import CommandOutcome
from schemas.engine.events import Severity
from schemas.grid.state import GridState, Halt, Slot, SlotOrder
from schemas.grid.view import NotQuoting
from schemas.units import ZERO, Price, Quantity, Side, TimeNs
from schemas.venue.instruments import Instrument

FLATTEN = "flatten"

Answer = tuple[CommandOutcome, str]


def stop(draft: Draft, reason: str) -> Answer:
    """Cancel what is out and keep the position."""
    state = draft.state
    if state.halt is None:
        state.halt = Halt(reason=reason)
        return CommandOutcome.APPLIED, f"{_orders_out(state)}, {_holding(state)} stays"
    if state.halt.flattens:
        state.halt.flattens = False
        draft.risk(Severity.LOW, FLATTEN, f"given up, {_holding(state)} stays", active=False)
        return CommandOutcome.APPLIED, f"the position is not closed any further, {_holding(state)} stays"
    return CommandOutcome.UNCHANGED, "it is stopped already"


def flatten(draft: Draft, reason: str, *, guard: str = "") -> Answer:
    """Cancel what is out and close the position; `guard` names the risk that is over when it is resumed."""
    state = draft.state
    if state.halt is None:
        state.halt = Halt(reason=reason, guard=guard)
    elif state.halt.flattens or not state.accounts.position:
        return CommandOutcome.UNCHANGED, "it is being closed already" if state.halt.flattens else "it is flat"
    state.halt.flattens = True
    for slot in state.slots.values():
        slot.quiet_until = 0
    draft.risk(Severity.MEDIUM, FLATTEN, f"{_orders_out(state)}, {_holding(state)} is closed", active=True)
    how = f"at most {(state.settings.flatten_slippage * 100).normalize():f}% beyond the best price"
    return (
        CommandOutcome.APPLIED,
        f"{_orders_out(state)}, {_holding(state)} is closed {how}; then it is stopped",
    )


def remove(draft: Draft, reason: str, *, keeps_position: bool) -> Answer:
    """Cancel what is out, then be removed."""
    state = draft.state
    is_closing = state.halt is not None and state.halt.flattens
    if state.accounts.position and not (keeps_position or is_closing):
        return (
            CommandOutcome.REFUSED,
            f"it holds {_holding(state)}: flatten it first, or remove it and keep that",
        )
    if state.halt is None:
        state.halt = Halt(reason=reason)
    if state.halt.removes and state.halt.keeps_position >= keeps_position:
        return CommandOutcome.UNCHANGED, "it is being removed already"
    state.halt.removes, state.halt.keeps_position = True, keeps_position
    then = "once the position is closed it is removed" if is_closing else "then it is removed"
    return CommandOutcome.APPLIED, f"{_orders_out(state)}, {then}"


def resume(draft: Draft, details: str) -> bool:
    """Quote again after a stop, and tell whether there was one."""
    state = draft.state
    halt, state.halt = state.halt, None
    if halt is None:
        return False
    if halt.flattens:
        draft.risk(Severity.LOW, FLATTEN, f"given up, {_holding(state)} stays", active=False)
    if halt.guard:
        draft.risk(Severity.LOW, halt.guard, details, active=False)
    return True


def look(draft: Draft) -> bool:
    """Go on with what waits for the last order to end, and tell whether anything did."""
    halt = draft.state.halt
    if halt is None or draft.state.removed or any(slot.order for slot in draft.state.slots.values()):
        return False
    return _end_flattening(draft, halt) | _end_removal(draft, halt)


def plan(state: GridState, market: Market, now: TimeNs) -> Plan:
    """Return the changes that a grid makes which was told to stop."""
    working = [slot.order for slot in state.slots.values() if slot.order and is_working(slot.order)]
    halted = halted_by(state)
    if halted is not NotQuoting.FLATTENING:
        assert halted is not None
        return Plan([(order, halted.replace("_", " ")) for order in working], [], depends_on_price=False)
    found = ((order, _reason_to_cancel(state, market, order)) for order in working)
    cancels = [(order, reason) for order, reason in found if reason is not None]
    free = [slot for slot in state.slots.values() if slot.order is None and slot.quiet_until <= now]
    room = state.settings.order_cleanup_threshold - sum(
        slot.order is not None for slot in state.slots.values()
    )
    return Plan(cancels, _closings(state, market, free)[: max(room, 0)], depends_on_price=True)


def _end_flattening(draft: Draft, halt: Halt) -> bool:
    state = draft.state
    if not halt.flattens or (draft.price is not None and _is_closable(draft, draft.price)):
        return False
    halt.flattens = False
    position, price = state.accounts.position, draft.price or ZERO
    rest = f"; {position} {state.instrument.base} stays, less than the venue takes" if position else ""
    made = f"the total is {total(state, price)} {state.instrument.quote}"
    draft.risk(Severity.LOW, FLATTEN, f"flat at {price}, {made}{rest}", active=False)
    return True


def _end_removal(draft: Draft, halt: Halt) -> bool:
    state = draft.state
    if not halt.removes or halt.flattens:
        return False
    if state.accounts.position and not halt.keeps_position:
        halt.removes = False
        draft.alert(
            Severity.HIGH, "not_removed", f"{_holding(state)} is left: flatten it, or remove it and keep that"
        )
    else:
        state.removed = True
        draft.alert(Severity.LOW, "removed", f"no order is out, {_holding(state)} is left")
    return True


def _is_closable(draft: Draft, price: Price) -> bool:
    state = draft.state
    return bool(_closings(state, Market(price, ZERO, ZERO, draft.price_time), list(state.slots.values())))


def _closings(state: GridState, market: Market, slots: list[Slot]) -> list[Quote]:
    position = state.accounts.position
    side = Side.SELL if position > 0 else Side.BUY
    price = _limit(state, market, side)
    left = abs(position) - _closing_out(state, side)
    quotes = []
    for slot in sorted(slots, key=lambda each: (-abs(each.held), each.level)):
        quantity = state.instrument.quantity_down(min(abs(slot.held), max(left, ZERO)))
        if slot.held * position > 0 and _is_enough(state.instrument, price, quantity):
            quotes.append(Quote(slot.level, side, price, quantity, opens=False, post_only=False))
            left -= quantity
    return quotes


def _closing_out(state: GridState, side: Side) -> Quantity:
    orders = [slot.order for slot in state.slots.values() if slot.order]
    return sum(
        (each.quantity - each.traded_quantity for each in orders if not each.opens and each.side is side),
        ZERO,
    )


def _limit(state: GridState, market: Market, side: Side) -> Price:
    slippage, instrument = state.settings.flatten_slippage, state.instrument
    if side is Side.SELL:
        return max(instrument.price_down(_best(market, side) * (1 - slippage)), instrument.tick_size)
    return instrument.price_up(_best(market, side) * (1 + slippage))


def _best(market: Market, side: Side) -> Price:
    return (market.bid if side is Side.SELL else market.ask) or market.price


def _reason_to_cancel(state: GridState, market: Market, order: SlotOrder) -> str | None:
    position = state.accounts.position
    if order.opens or order.side.sign * position >= 0:
        return "flattening"
    if _closing_out(state, order.side) > abs(position):
        return "more than is left to close"
    if (order.price - _best(market, order.side)) * order.side.sign < 0:
        return "the price moved away"
    return None


def _is_enough(instrument: Instrument, price: Price, quantity: Quantity) -> bool:
    return quantity >= max(instrument.minimum_quantity, instrument.lot_size) and (
        quantity * price >= instrument.minimum_notional
    )


def _orders_out(state: GridState) -> str:
    number = sum(slot.order is not None and slot.order.ended is None for slot in state.slots.values())
    return f"{number} order{'' if number == 1 else 's'} canceled"


def _holding(state: GridState) -> str:
    return f"a position of {state.accounts.position} {state.instrument.base}"
