"""Book a difference from the venue's position, at the prices of the trades that explain it.

Such trades are those of the account that are not the grid's, for example a liquidation or a close by hand. They are
remembered until the position matches again. What they do not explain is booked at the newest price.
"""

from typing import NamedTuple

from engine.core.arithmetic import share
from engine.core.orders.accounting import book_correction
from engine.core.orders.slots import slot_at
from engine.core.step import Draft
from schemas.engine.events import CorrectedSlot, PositionCorrected
from schemas.formats import TRADE_OVERLAP_NS
from schemas.grid.state import GridState, Slot
from schemas.units import ZERO, Money, Price, SignedQuantity, TimeNs, TradeId
from schemas.venue.fees import fee_in_quote
from schemas.venue.instruments import InstrumentKind
from schemas.venue.orders import Trade

MAX_UNBOOKED_TRADES = 32
"""Number of trades remembered."""


class Piece(NamedTuple):
    """A part of a difference with one price."""

    quantity: SignedQuantity
    price: Price
    fee: Money
    """In quote."""
    trade: Trade | None
    """The trade that explains it."""


def has_own_position(state: GridState) -> bool:
    """Return whether the grid has traded: before, what the account holds and the grid has not adopted is foreign."""
    return bool(state.accounts.opened_trades or state.accounts.closed_trades)


def remember_foreign(draft: Draft, trade: Trade) -> None:
    """Remember a trade of a foreign order, unless it is from before the grid or the mark of booked trades."""
    state = draft.state
    is_old = trade.time <= state.booked_through - TRADE_OVERLAP_NS or trade.time < state.accounts.first_time
    if not is_old:
        remember_unbooked(draft, trade)


def remember_unbooked(draft: Draft, trade: Trade) -> None:
    """Remember an own trade that is not booked, because it may explain a difference from the venue's position.

    On spot the position is not compared, so nothing is remembered.
    """
    state = draft.state
    if state.instrument.kind is InstrumentKind.SPOT or not has_own_position(state):
        return
    is_known = any(each.trade_id == trade.trade_id for each in state.unbooked_trades)
    if is_known or trade.trade_id in state.booked_trades:
        return
    draft.touch()
    known = [*state.unbooked_trades, trade]
    state.unbooked_trades = sorted(known, key=_time_and_id)[-MAX_UNBOOKED_TRADES:]


def forget_unbooked(draft: Draft) -> None:
    """Forget the unbooked trades, because the position matches."""
    if draft.state.unbooked_trades:
        draft.touch()
        draft.state.unbooked_trades = []


def can_price(draft: Draft, gap: SignedQuantity) -> bool:
    """Return whether every part of a difference has a price."""
    return draft.price is not None or not _unexplained(draft.state, gap)


def correct(draft: Draft, gap: SignedQuantity, *, reason: str, operator: str = "") -> PositionCorrected:
    """Book a difference into slots, report it, and return the report. `can_price` must hold.

    What reduces the position is taken from the slots farthest from the center first; the rest is added to the nearest one.
    """
    state = draft.state
    pieces, slots = _pieces(draft, gap), _slots(state, gap)
    ids = tuple(each.trade.trade_id for each in pieces if each.trade is not None)
    for each in pieces:
        if each.trade is not None:
            state.booked_trades[each.trade.trade_id] = each.trade.time
    cost = sum((each.quantity * each.price for each in pieces), ZERO)
    fee = sum((each.fee for each in pieces), ZERO)
    profit = _book(draft, pieces, slots)
    state.unbooked_trades = []
    state.position_gap, state.venue_position = ZERO, None
    correction = PositionCorrected(
        venue=state.venue,
        symbol=state.symbol,
        quantity=gap,
        price=pieces[0].price if len(pieces) == 1 else (cost / gap).quantize(state.instrument.tick_size),
        cost=cost,
        fee=fee,
        grid_profit=profit,
        position=state.accounts.position,
        reason=reason,
        operator=operator,
        slots=tuple(CorrectedSlot(level=slot.level, quantity=quantity) for slot, quantity in slots),
        trade_ids=ids,
        step=draft.step,
        time=draft.time,
    )
    draft.corrected(correction)
    return correction


def correction_text(correction: PositionCorrected, base: str) -> str:
    """Return what was booked: `-0.3 BTC at 950 (trade 7), profit -12.3`."""
    trades = ", ".join(correction.trade_ids)
    explained = f" (trade {trades})" if trades else ""
    return f"{correction.quantity} {base} at {correction.price}{explained}, profit {correction.grid_profit}"


def _pieces(draft: Draft, gap: SignedQuantity) -> list[Piece]:
    """Split a difference by price: the trades in its direction, newest first, then the rest at the newest price."""
    pieces = []
    for trade in _explaining(draft.state, gap):
        signed = trade.side.sign * trade.quantity
        used = min(abs(signed), abs(gap)).copy_sign(gap)
        pieces.append(Piece(used, trade.price, share(fee_in_quote(trade) or ZERO, used, signed), trade))
        gap -= used
        if not gap:
            return pieces
    assert draft.price is not None
    return [*pieces, Piece(gap, draft.price, ZERO, None)]


def _explaining(state: GridState, gap: SignedQuantity) -> list[Trade]:
    trades = (each for each in state.unbooked_trades if each.side.sign * gap > 0)
    return sorted(trades, key=_time_and_id, reverse=True)


def _unexplained(state: GridState, gap: SignedQuantity) -> bool:
    return sum((each.quantity for each in _explaining(state, gap)), ZERO) < abs(gap)


def _slots(state: GridState, gap: SignedQuantity) -> list[tuple[Slot, SignedQuantity]]:
    parts = []
    for slot in _farthest_first(state, gap):
        booked = min(abs(gap), abs(slot.held)).copy_sign(gap)
        parts.append((slot, booked))
        gap -= booked
        if not gap:
            return parts
    return [*parts, (_nearest(state, gap), gap)]


def _farthest_first(state: GridState, gap: SignedQuantity) -> list[Slot]:
    holding = [slot for slot in state.slots.values() if slot.held * gap < 0]
    return sorted(holding, key=lambda slot: (-abs(slot.level - state.center), slot.level))


def _nearest(state: GridState, gap: SignedQuantity) -> Slot:
    holding = [slot for slot in state.slots.values() if slot.held * gap > 0]
    near = min(holding, key=lambda slot: (abs(slot.level - state.center), slot.level), default=None)
    return near or slot_at(state, state.center)


def _book(draft: Draft, pieces: list[Piece], slots: list[tuple[Slot, SignedQuantity]]) -> Money:
    """Book the pieces into the slots, both in order, and return the profit."""
    profit, waiting = ZERO, list(pieces)
    for slot, quantity in slots:
        left = quantity
        while left:
            piece = waiting.pop(0)
            booked = min(abs(left), abs(piece.quantity)).copy_sign(left)
            fee = share(piece.fee, booked, piece.quantity)
            profit += book_correction(draft, slot, booked, piece.price, fee)
            left -= booked
            if rest := piece.quantity - booked:
                waiting.insert(0, piece._replace(quantity=rest, fee=piece.fee - fee))
    return profit


def _time_and_id(trade: Trade) -> tuple[TimeNs, TradeId]:
    return trade.time, trade.trade_id
