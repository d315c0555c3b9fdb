"""Adopt the position that the account held before the grid: spread it over levels, to be closed level by level.

It is booked without a trade, at the market's price: its profit from there on is the grid's, and stops count from there. The
venue's entry price is kept for information. The parts are equal, in whole lots and worth at most `order_amount`, and the
last one takes the rest. The levels run from the center up (long) or down (short): as many as the window has or more, fewer
where the parts would be too small to close, and at most `MAX_PARTS`.
"""

from decimal import ROUND_CEILING, Decimal, localcontext

import msgspec

from engine.core.arithmetic import CONTEXT, total_profit
from engine.core.orders.price_lattice import Lattice
from engine.core.orders.slots import slot_at
from engine.core.startup.level_sizes import minimum_order_quantity
from engine.core.step import Draft
from schemas.engine.events import ReconciliationFinding, Severity
from schemas.grid.settings import GridMode
from schemas.grid.state import EarlierGenerations, GridState, Startup
from schemas.units import ZERO, ClientOrderId, Price, Quantity, Side, SignedQuantity
from schemas.venue.instruments import Instrument, InstrumentKind

MAX_PARTS = 500


def adopt(draft: Draft, startup: Startup, lattice: Lattice) -> None:
    """Book the position into slots; one that is not adopted is foreign, and never touched."""
    state, held = draft.state, startup.position
    if not held:
        return
    reason = _reason_to_leave(state, lattice, held)
    if reason:
        state.foreign_position = _foreign(state.instrument, held)
        draft.alert(
            Severity.MEDIUM, "position_not_adopted", f"{held} held before the start is not adopted: {reason}"
        )
        return
    price = draft.price or lattice.anchor
    parts = _parts(state, lattice, held, price)
    for level, part in parts:
        slot = slot_at(state, level)
        slot.held += part
        slot.cost += part * price
    accounts = state.accounts
    accounts.position += held
    accounts.cash -= held * price
    accounts.adopted, accounts.adopted_cost = held, held * price
    accounts.adopted_entry_price = startup.entry_price
    state.earlier = _without_adopted(state.earlier, held, price)
    where = f"{len(parts)} levels from {parts[0][0]} to {parts[-1][0]}"
    entry = f"; the venue's entry price is {startup.entry_price}" if startup.entry_price else ""
    draft.reconciled(
        ReconciliationFinding.POSITION_ADOPTED,
        ClientOrderId(""),
        f"{held} held before the start: spread over {where}, booked at the price of {price}{entry}",
    )


def earlier_generations(last: GridState) -> EarlierGenerations:
    """Return the result of a removed symbol for its next generation, from the last state of the previous one."""
    price = last.price or ZERO
    with localcontext(CONTEXT):
        before = ZERO if last.earlier is None else last.earlier.profit
        return EarlierGenerations(
            profit=before + total_profit(last.accounts, price),
            position=last.accounts.position,
            price=price,
        )


def is_adoption_enabled(state: GridState) -> bool:
    """Return whether `adopt_position` asks for adoption; in grids of an earlier version by default of perpetuals."""
    setting = state.settings.adopt_position
    return state.instrument.kind is InstrumentKind.LINEAR_PERPETUAL if setting is None else setting


def _reason_to_leave(state: GridState, lattice: Lattice, held: SignedQuantity) -> str:
    if not is_adoption_enabled(state):
        return "adopt_position is off"
    if held < 0 and state.settings.mode is GridMode.LONG:
        return "mode long cannot hold a short position"
    level = state.center + (state.stride if held > 0 else -state.stride)
    least = minimum_order_quantity(state.instrument, lattice.order_price(level, _closing_side(held)))
    if abs(held) < least:
        return f"below the venue's minimum order of {least}"
    return ""


def _parts(
    state: GridState, lattice: Lattice, held: SignedQuantity, price: Price
) -> list[tuple[int, SignedQuantity]]:
    instrument, sign = state.instrument, 1 if held > 0 else -1
    most = max(instrument.quantity_down(state.settings.order_amount / price), instrument.lot_size)
    window = state.settings.sell_window if held > 0 else state.settings.buy_window
    count = min(max(int((abs(held) / most).to_integral_value(ROUND_CEILING)), window), MAX_PARTS)
    levels = [state.center + sign * state.stride * i for i in range(count)]
    while len(levels) > 1 and _share(instrument, held, len(levels)) < _least(state, lattice, levels, held):
        levels.pop()
    part = _share(instrument, held, len(levels)).copy_sign(held)
    parts = [(level, part) for level in levels[:-1]]
    return [*parts, (levels[-1], held - sum((each for _, each in parts), ZERO))]


def _share(instrument: Instrument, held: SignedQuantity, number: int) -> Quantity:
    return instrument.quantity_down(abs(held) / Decimal(number))


def _least(state: GridState, lattice: Lattice, levels: list[int], held: SignedQuantity) -> Quantity:
    step = state.stride if held > 0 else -state.stride
    prices: list[Price] = [lattice.order_price(level + step, _closing_side(held)) for level in levels]
    return max(
        minimum_order_quantity(state.instrument, price) if price > 0 else abs(held) + 1 for price in prices
    )


def _without_adopted(
    earlier: EarlierGenerations | None, held: SignedQuantity, price: Price
) -> EarlierGenerations | None:
    """Mark what is adopted of an earlier generation's position at `price`, where the profit of this one starts."""
    if earlier is None or earlier.position * held <= 0:
        return earlier
    adopted = min(held, earlier.position, key=abs)
    return msgspec.structs.replace(
        earlier,
        profit=earlier.profit + adopted * (price - earlier.price),
        position=earlier.position - adopted,
    )


def _closing_side(held: SignedQuantity) -> Side:
    return Side.SELL if held > 0 else Side.BUY


def _foreign(instrument: Instrument, held: SignedQuantity) -> SignedQuantity:
    return held if instrument.kind is InstrumentKind.LINEAR_PERPETUAL else ZERO
