"""Halts: stop, flatten, remove and engine shutdown. A halted grid places no order except to close its position.

Flattening closes the net position: reduce-only limit orders beyond the best price, each as large as the venue allows. Its
trades are booked into the slots on the position's side, that of the order first. Afterwards the long and short quantities
left in the slots cancel each other out. An order that the venue refuses is repeated after 2, 4, 8 and so on to 60 seconds.
"""

from engine.core import instrument
from engine.core.arithmetic import quantity_text, total_profit
from engine.core.blocking import halted_by
from engine.core.commands.answers import Answer, holding
from engine.core.decisions import figures
from engine.core.orders.slots import is_working
from engine.core.quoting.cancels import Cancel
from engine.core.quoting.quotes import (
    Market,
    Quote,
    closable_at_venue,
    closing_left,
    is_closable,
    is_dust,
)
from engine.core.quoting.quoting import Plan
from engine.core.step import Draft
from schemas.engine.control import CommandOutcome
from schemas.engine.events import Severity
from schemas.engine.journal import EngineStarted, EngineStopping
from schemas.grid.state import GridState, Halt, Slot, SlotOrder
from schemas.grid.view import NotQuoting
from schemas.units import ZERO, Price, Quantity, Side, TimeNs
from schemas.venue.decision_reasons import DecisionReason
from schemas.venue.instruments import InstrumentKind

FLATTEN = "flatten"
NOT_FLAT = "not_flat"


def stop(draft: Draft, by: str) -> Answer:
    """Cancel all orders and keep the position; ends a flattening."""
    state = draft.state
    if state.halt is None:
        state.halt = _halt(by)
        return CommandOutcome.APPLIED, ""
    if state.halt.flattens:
        state.halt.flattens = False
        _take_over(state.halt, by)
        draft.risk(
            Severity.LOW,
            FLATTEN,
            f"aborted, {holding(state)} stays",
            figures(position_base=state.accounts.position),
            active=False,
        )
        return CommandOutcome.APPLIED, "flattening is aborted"
    return CommandOutcome.UNCHANGED, "already stopped"


def flatten(draft: Draft, by: str) -> Answer:
    """Cancel all orders and close the position, on the command of an operator."""
    state = draft.state
    if state.halt is None:
        state.halt = _halt(by)
    elif state.halt.flattens or not state.accounts.position:
        return CommandOutcome.UNCHANGED, "already flattening" if state.halt.flattens else "already flat"
    _take_over(state.halt, by)
    start_flattening(draft, state.halt)
    limit = f"at most {(state.settings.flatten_slippage * 100).normalize():f}% beyond the best price"
    return CommandOutcome.APPLIED, f"closing {holding(state)} {limit}; stopped afterwards"


def start_flattening(draft: Draft, halt: Halt) -> None:
    """Cancel all orders and close the position under a halt, which becomes the one in effect."""
    state = draft.state
    state.halt, halt.flattens = halt, True
    for slot in state.slots.values():
        slot.quiet_until = 0
    halt.refusals, halt.retry_time = 0, 0
    draft.risk(
        Severity.MEDIUM,
        FLATTEN,
        f"canceling {_live_orders(state)} orders, closing {holding(state)}",
        figures(
            orders_canceled=_live_orders(state),
            position_base=state.accounts.position,
            slippage_ratio=state.settings.flatten_slippage,
        ),
        active=True,
    )


def remove(draft: Draft, by: str, *, keeps_position: bool) -> Answer:
    """Cancel all orders and remove the grid when the last one ended."""
    state = draft.state
    is_flattening = state.halt is not None and state.halt.flattens
    if not (keeps_position or is_flattening) and _may_close(draft):
        return (
            CommandOutcome.REFUSED,
            f"there is {holding(state)}: flatten first, or remove with the position kept",
        )
    if state.halt is None:
        state.halt = _halt(by)
    if state.halt.removes and state.halt.keeps_position >= keeps_position:
        return CommandOutcome.UNCHANGED, "removal is already under way"
    state.halt.removes, state.halt.keeps_position = True, keeps_position
    then = "removed once the position is closed" if is_flattening else "removed afterwards"
    return CommandOutcome.APPLIED, then


def resume(draft: Draft, details: str) -> bool:
    """End a halt, if there is one, so that quoting resumes; return whether there was one."""
    state = draft.state
    halt, state.halt = state.halt, None
    if halt is None:
        return False
    if halt.flattens:
        draft.risk(
            Severity.LOW,
            FLATTEN,
            f"aborted, {holding(state)} stays",
            figures(position_base=state.accounts.position),
            active=False,
        )
    if halt.guard:
        draft.risk(Severity.LOW, halt.guard, details, active=False)
    return True


def on_engine_lifecycle(draft: Draft, event: EngineStarted | EngineStopping) -> None:
    """Halt on engine shutdown if `cancel_on_exit` is set, and end that halt on engine start.

    The shutdown of the last engine cancels the open orders; the next engine places them again.
    """
    state = draft.state
    is_exiting = isinstance(event, EngineStopping) and (state.exiting or state.settings.cancel_on_exit)
    if is_exiting is not state.exiting:
        draft.touch()
        state.exiting = is_exiting


def advance(draft: Draft) -> None:
    """Finish a flattening or a removal once no order is live."""
    halt = draft.state.halt
    if halt is None or draft.state.removed or any(slot.order for slot in draft.state.slots.values()):
        return
    _finish_flattening(draft, halt)
    _finish_removal(draft, halt)


def plan(state: GridState, market: Market, now: TimeNs) -> Plan:
    """Return the order changes of a halted grid."""
    working = [slot.order for slot in state.slots.values() if slot.order and is_working(slot.order)]
    halted = halted_by(state)
    if halted is not NotQuoting.FLATTENING:
        assert halted is not None
        reason = DecisionReason(halted.value)
        return Plan([Cancel(order, reason) for order in working], [], depends_on_price=False)
    found = (_cancel_of(state, market, order) for order in working)
    cancels = [each for each in found if each is not None]
    assert state.halt is not None
    if instrument.blocked_by(state) is not None or now < state.halt.retry_time:
        return Plan(cancels, [], depends_on_price=True)
    free = [slot for slot in state.slots.values() if slot.order is None and slot.quiet_until <= now]
    quota = state.settings.order_cleanup_threshold - sum(
        slot.order is not None for slot in state.slots.values()
    )
    return Plan(cancels, _closings(state, market, free)[: max(quota, 0)], depends_on_price=True)


def _finish_flattening(draft: Draft, halt: Halt) -> None:
    state = draft.state
    if not halt.flattens or (draft.price is not None and _is_closable(draft, draft.price)):
        return
    halt.flattens, halt.refusals, halt.retry_time = False, 0, 0
    position, price = state.accounts.position, draft.price or ZERO
    profit = f"total profit {total_profit(state.accounts, price)} {state.instrument.quote}"
    found = figures(price=price, total_profit=total_profit(state.accounts, price), position_base=position)
    severity, text = result(state, price)
    draft.risk(severity, FLATTEN, f"{text}, {profit}", found, active=False)
    if severity is not Severity.LOW:
        draft.alert(severity, NOT_FLAT, text)


def result(state: GridState, price: Price) -> tuple[Severity, str]:
    """Return how a flattening ended, for operators, and how bad what is left is."""
    position, base, quote = state.accounts.position, state.instrument.base, state.instrument.quote
    rest = f"{quantity_text(position)} {base}"
    if state.venue_position is not None and position:
        side = _closing_side(state)
        more = abs(position) - (closable_at_venue(state, side) or ZERO)
        return Severity.HIGH, f"flat at the venue, the books hold {quantity_text(more)} {base} more"
    if not position:
        return Severity.LOW, f"flat at {price}"
    if is_dust(state.instrument, position):
        return Severity.LOW, f"flat at {price}; {rest} stays, less than a lot"
    worth = (abs(position) * price).quantize(state.instrument.tick_size)
    return (
        Severity.CRITICAL,
        f"not flat: {rest} stays, worth {worth} {quote} at {price}, below the venue's minimum",
    )


def _finish_removal(draft: Draft, halt: Halt) -> None:
    state = draft.state
    if not halt.removes or halt.flattens:
        return
    if not halt.keeps_position and _may_close(draft):
        halt.removes = False
        draft.alert(
            Severity.HIGH,
            "not_removed",
            f"{holding(state)} is left: flatten again, or remove with the position kept",
        )
    else:
        state.removed = True
        draft.alert(Severity.LOW, "removed", f"no order is live, {holding(state)} is left")


def _may_close(draft: Draft) -> bool:
    """Return whether there is a position that orders may close; one too small for an order is not."""
    state, price = draft.state, draft.price
    position, rules = state.accounts.position, state.instrument
    if not position or price is None:
        return bool(position)
    quantity = rules.quantity_down(rules.closable(position))
    is_exempt = rules.closes_exempt_from_minimum and rules.kind is not InstrumentKind.SPOT
    notional = ZERO if is_exempt else rules.minimum_notional
    return quantity >= max(rules.minimum_quantity, rules.lot_size) and quantity * price >= notional


def _is_closable(draft: Draft, price: Price) -> bool:
    state = draft.state
    return bool(_closings(state, Market(price, ZERO, ZERO, draft.price_time), list(state.slots.values())))


def _closings(state: GridState, market: Market, slots: list[Slot]) -> list[Quote]:
    """Return net orders for what is left of the position, each in a slot that holds some of it, the largest first."""
    side = _closing_side(state)
    price, left = _limit_price(state, market, side), _left_to_close(state, side)
    quotes: list[Quote] = []
    for slot in sorted(slots, key=lambda each: (-abs(each.held), each.level)):
        quantity = state.instrument.order_quantity(max(left, ZERO), price)
        quote = Quote(
            slot.level,
            side,
            price,
            quantity,
            opens=False,
            post_only=False,
            reason=DecisionReason.FLATTEN,
            pools=quantity > abs(slot.held),
        )
        if slot.held * state.accounts.position > 0 and is_closable(state, quote):
            quotes.append(quote)
            left -= quantity
    return quotes


def _closing_side(state: GridState) -> Side:
    return Side.SELL if state.accounts.position > 0 else Side.BUY


def _left_to_close(state: GridState, side: Side) -> Quantity:
    """Return what no order closes yet, of the position in the books and, where it is known to differ, at the venue."""
    left = abs(state.accounts.position) - closing_left(state, side)
    if side is Side.SELL:
        left = min(left, state.instrument.closable(state.accounts.position))
    at_venue = closable_at_venue(state, side)
    return left if at_venue is None else min(left, at_venue)


def _limit_price(state: GridState, market: Market, side: Side) -> Price:
    slippage, rules, best = state.settings.flatten_slippage, state.instrument, _best_price(market, side)
    band = rules.band(side)
    low, high = (ZERO, None) if band is None else band.bounds(market.price)
    if side is Side.SELL:
        return max(rules.price_down(best * (1 - slippage)), rules.price_up(low), rules.tick_size)
    price = rules.price_up(best * (1 + slippage))
    return price if high is None else min(price, rules.price_down(high))


def _best_price(market: Market, side: Side) -> Price:
    return (market.bid if side is Side.SELL else market.ask) or market.price


def _cancel_of(state: GridState, market: Market, order: SlotOrder) -> Cancel | None:
    position, best = state.accounts.position, _best_price(market, order.side)
    if order.opens or order.side.sign * position >= 0:
        return Cancel(order, DecisionReason.FLATTENING)
    closing = closing_left(state, order.side)
    if closing > abs(position):
        found = figures(orders_base=closing, position_base=position)
        return Cancel(order, DecisionReason.MORE_THAN_IS_LEFT, found)
    if (order.price - best) * order.side.sign < 0:
        found = figures(order_price=order.price, best_price=best)
        return Cancel(order, DecisionReason.PRICE_MOVED_AWAY, found)
    return None


def _halt(by: str) -> Halt:
    return Halt(reason=f"by {by}", by=by)


def _take_over(halt: Halt, by: str) -> None:
    """Make an operator the origin of a halt, unless it is that of a guard, whose reason stays until a resume."""
    if not halt.guard:
        halt.reason, halt.by = f"by {by}", by


def _live_orders(state: GridState) -> int:
    return sum(slot.order is not None and slot.order.ended is None for slot in state.slots.values())
