"""Accounting: book trades, funding and position corrections into slots and accounts.

What a slot holds is what the account received: on spot a fee in base currency is a part of the trade that was not received,
bought and paid as a fee at the trade's price. So the cost of a trade, fee included, does not depend on the fee's asset.

At every step and for every price p, exactly:
`cash + position * p - fees == grid_profit + sum(held * p - cost over the slots) - unmatched_fees`.
Fees in an asset without a price here are on neither side: they are summed apart, in `fees_other`.
"""

from typing import NamedTuple

from engine.core.arithmetic import share
from engine.core.guards.circuit_breaker import note_opening
from engine.core.orders.booked_trades import is_first_alert
from engine.core.orders.slots import slot_at
from engine.core.step import Draft
from schemas.engine.events import Fill, Severity
from schemas.grid.settings import GridMode
from schemas.grid.state import Accounts, GridState, Slot
from schemas.units import SECOND_NS, ZERO, DurationNs, Money, Price, SignedQuantity
from schemas.venue.fees import fee_in_quote, position_change
from schemas.venue.orders import Funding, Trade

MAX_FUNDING_IDS = 32
LINE_REST_NS: DurationNs = SECOND_NS
"""How long nothing is opened on a line after a trade closed there."""


class Matched(NamedTuple):
    """The part of a trade that closed quantity held by its slot."""

    quantity: SignedQuantity
    """Signed like the trade; 0 for a trade that only opens."""
    profit: Money
    """Net of the fees on both sides."""


def book(draft: Draft, slot: Slot, trade: Trade, *, opens: bool = True) -> None:
    """Book a trade and report it as a fill. The caller makes sure that each trade is booked once.

    Where the order closes (not `opens`), what it traded beyond its slot's holdings is taken from other slots.
    """
    draft.touch()
    accounts = draft.state.accounts
    signed = position_change(trade)
    value = fee_in_quote(trade)
    if value is None:
        _keep_other_fee(draft, trade)
    fee = value or ZERO
    accounts.cash -= signed * trade.price
    accounts.position += signed
    accounts.fees += fee
    accounts.volume += trade.quantity * trade.price
    draft.state.traded_time = max(draft.state.traded_time, trade.time)
    parts = [(slot, signed)] if opens else closing_parts(draft.state, slot, signed)
    profit, round_trip = ZERO, None
    opens, fee_left, quantity_left = True, fee, signed
    for each, quantity in parts:
        part_of_fee = share(fee_left, quantity, quantity_left)
        fee_left, quantity_left = fee_left - part_of_fee, quantity_left - quantity
        matched = _close(accounts, each, quantity, trade.price, part_of_fee)
        profit += matched.profit
        if not matched.quantity:
            note_opening(draft.state, each.level)
            continue
        opens = False
        _rest_line(draft, each, quantity)
        ended = _count_round_trip(draft, each, quantity, matched)
        round_trip = ended if round_trip is None else round_trip + (ended or ZERO)
    accounts.opened_trades += opens
    accounts.closed_trades += not opens
    draft.fills.append(
        Fill(
            venue=trade.venue,
            symbol=trade.symbol,
            trade_id=trade.trade_id,
            client_order_id=trade.client_order_id,
            level=slot.level,
            side=trade.side,
            price=trade.price,
            quantity=trade.quantity,
            fee=trade.fee,
            fee_asset=trade.fee_asset,
            opens=opens,
            grid_profit=profit,
            position=accounts.position,
            is_maker=trade.is_maker,
            step=draft.step,
            time=trade.time,
            round_trip=round_trip,
            fee_value=value,
            is_fee_estimated=None if value is None else trade.is_fee_estimated,
        )
    )


def _rest_line(draft: Draft, slot: Slot, signed: SignedQuantity) -> None:
    """Open nothing on the line that was closed at until the price that reached it has arrived.

    Otherwise the line would get an opening order of the same side at once, and the same move could fill that as well.
    """
    state = draft.state
    if state.settings.mode is GridMode.LONG:
        return  # it opens on one side and closes on the other
    line = slot_at(state, slot.level + (state.stride if signed < 0 else -state.stride))
    line.quiet_until = max(line.quiet_until, draft.time + LINE_REST_NS)


def closing_parts(state: GridState, slot: Slot, signed: SignedQuantity) -> list[tuple[Slot, SignedQuantity]]:
    """Split what a closing order traded: its own slot first, then the others that hold, farthest from the center first.

    What no slot holds is left to the order's own slot.
    """
    others = [each for each in state.slots.values() if each is not slot]
    others.sort(key=lambda each: (-abs(each.level - state.center), each.level))
    parts, left = [], signed
    for each in (slot, *others):
        if left and each.held * left < 0:
            part = min(abs(left), abs(each.held)).copy_sign(left)
            parts.append((each, part))
            left -= part
    return [*parts, (slot, left)] if left else parts


def book_correction(draft: Draft, slot: Slot, signed: SignedQuantity, price: Price, fee: Money) -> Money:
    """Book a part of a difference from the venue's position into a slot, and return the profit of what it closes.

    It is no trade: neither counted nor part of the volume, and it ends no round trip.
    """
    draft.touch()
    accounts = draft.state.accounts
    accounts.cash -= signed * price
    accounts.position += signed
    accounts.fees += fee
    matched = _close(accounts, slot, signed, price, fee)
    if not slot.held:
        slot.round_profit = ZERO
    return matched.profit


def on_funding(draft: Draft, funding: Funding) -> None:
    """Book a funding payment, once."""
    state = draft.state
    booked = state.booked_funding
    if funding.funding_id in booked:
        return
    if funding.time <= state.funding_floor or funding.time < state.accounts.first_time:
        if is_first_alert(state, funding.funding_id):
            detail = f"not booked, because it is older than the payments known: {funding.amount}, {funding.funding_id}"
            draft.alert(Severity.MEDIUM, "late_funding", detail)
        return
    draft.touch()
    state.accounts.funding += funding.amount
    booked[funding.funding_id] = funding.time
    if len(booked) > MAX_FUNDING_IDS:
        oldest = min(booked, key=booked.__getitem__)
        state.funding_floor = max(state.funding_floor, booked.pop(oldest))


def _close(accounts: Accounts, slot: Slot, signed: SignedQuantity, price: Price, fee: Money) -> Matched:
    closed = _closed(slot.held, signed)
    closing_fee = share(fee, closed, signed)
    profit = ZERO
    if closed:
        cost = share(slot.cost, -closed, slot.held)
        entry_fees = share(slot.entry_fees, -closed, slot.held)
        profit = -closed * price - cost - entry_fees - closing_fee
        slot.held += closed
        slot.cost -= cost
        slot.entry_fees -= entry_fees
        accounts.grid_profit += profit
        accounts.unmatched_fees -= entry_fees
    opened, opening_fee = signed - closed, fee - closing_fee
    slot.held += opened
    slot.cost += opened * price
    slot.entry_fees += opening_fee
    accounts.unmatched_fees += opening_fee
    return Matched(closed, profit)


def _count_round_trip(draft: Draft, slot: Slot, signed: SignedQuantity, matched: Matched) -> Money | None:
    slot.round_profit += matched.profit
    if slot.held * signed < 0 and draft.state.instrument.quantity_down(abs(slot.held)):
        return None
    # Everything held that can be traded is closed: the round trip has ended.
    profit, slot.round_profit = slot.round_profit, ZERO
    draft.state.accounts.closed_pairs += 1
    draft.round_trips.append(profit)
    return profit


def _closed(held: SignedQuantity, signed: SignedQuantity) -> SignedQuantity:
    if held * signed >= 0:
        return ZERO
    return signed if abs(signed) <= abs(held) else -held


def _keep_other_fee(draft: Draft, trade: Trade) -> None:
    """Sum up a fee without a value in quote currency, and say so once for each asset."""
    others, asset = draft.state.accounts.fees_other, trade.fee_asset
    if asset not in others:
        quote = draft.state.instrument.quote
        draft.alert(
            Severity.LOW,
            "fee_not_counted",
            f"fees are charged in {asset}, which has no price in {quote} here: profit is shown before them",
        )
    others[asset] = others.get(asset, ZERO) + trade.fee
