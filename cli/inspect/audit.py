"""Compare the engine's accounts of a symbol with the venue's records. Pure: fetches nothing."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from producers.simulated.matching.ledger import Holding, Wallet
from producers.simulated.matching.orders import Order
from schemas.engine.events import Fill, PositionCorrected
from schemas.grid.state import GridState, SlotOrder
from schemas.units import ZERO, ClientOrderId, SignedQuantity, TradeId
from schemas.venue.fees import base_fee, fee_in_quote, position_change
from schemas.venue.instruments import InstrumentKind
from schemas.venue.order_ids import is_own_order_id
from schemas.venue.orders import Funding, Trade


class VenueRecords(msgspec.Struct, frozen=True, kw_only=True):
    """The compared part of the simulated venue's `GET /admin/books`."""

    orders: tuple[Order, ...]
    trades: tuple[Trade, ...]
    wallets: tuple[Wallet, ...]
    holdings: tuple[Holding, ...]
    fundings: tuple[Funding, ...] = ()


def differences(
    state: GridState,
    fills: Iterable[Fill],
    records: VenueRecords,
    corrections: Iterable[PositionCorrected] = (),
) -> list[str]:
    """Return the differences between the engine's accounts and the venue's records, one line each.

    `state` is that of the last step, the engine's last committed decision; `fills` and `corrections` are all events of
    `engine.VENUE.SYMBOL.fill` and `.correction`, repeated publications allowed. Only orders with an id of the grid's
    instance are the engine's; other trades are considered in the venue's position, and as what a correction explains.
    """
    ours = [
        trade
        for trade in records.trades
        if trade.symbol == state.symbol
        and is_own_order_id(trade.client_order_id, state.instance, state.symbol)
    ]
    booked = list(
        {(fill.step, fill.trade_id): fill for fill in fills if fill.symbol == state.symbol}.values()
    )
    corrected = [each for each in dict.fromkeys(corrections) if each.symbol == state.symbol]
    explained = {trade_id for each in corrected for trade_id in each.trade_ids}
    ours = [trade for trade in ours if trade.trade_id not in explained]
    found = [
        *_fills(ours, booked),
        *_corrections(corrected, booked, records),
        *_money(state, ours, booked, corrected),
        *_funding(state, records),
        *_position(state, ours, records, corrected),
        *_orders(state, records),
    ]
    return [f"{state.symbol}: {difference}" for difference in found]


def _fills(trades: Sequence[Trade], fills: Sequence[Fill]) -> list[str]:
    counts = Counter(fill.trade_id for fill in fills)
    venue_trades: dict[TradeId, Trade] = {trade.trade_id: trade for trade in trades}
    found = [f"trade {trade_id} is booked {count} times" for trade_id, count in counts.items() if count > 1]
    found += [f"trade {trade_id} is not booked" for trade_id in venue_trades if trade_id not in counts]
    for fill in fills:
        trade = venue_trades.get(fill.trade_id)
        if trade is None:
            found.append(f"fill {fill.trade_id} has no trade at the venue")
        elif _terms(fill) != _terms(trade):
            found.append(f"trade {fill.trade_id} is booked as {_terms(fill)}, the venue has {_terms(trade)}")
    return found


def _corrections(
    corrections: Sequence[PositionCorrected], fills: Sequence[Fill], records: VenueRecords
) -> list[str]:
    filled = {fill.trade_id for fill in fills}
    known = {trade.trade_id for trade in records.trades}
    explained = [trade_id for each in corrections for trade_id in each.trade_ids]
    found = [f"trade {each} is booked as a fill and in a correction" for each in explained if each in filled]
    found += [
        f"the venue has no trade {each}, which a correction explains"
        for each in explained
        if each not in known
    ]
    counts = Counter(explained)
    return found + [
        f"{count} corrections explain trade {each}" for each, count in counts.items() if count > 1
    ]


def _terms(event: Fill | Trade) -> tuple[str, str, Decimal, Decimal, Decimal, str]:
    return event.client_order_id, event.side, event.price, event.quantity, event.fee, event.fee_asset


def _money(
    state: GridState,
    trades: Sequence[Trade],
    fills: Sequence[Fill],
    corrections: Sequence[PositionCorrected],
) -> list[str]:
    accounts = state.accounts
    totals = {
        "cash": (
            accounts.cash + accounts.adopted_cost + sum((each.cost for each in corrections), ZERO),
            sum((-position_change(t) * t.price for t in trades), ZERO),
        ),
        "fees": (
            accounts.fees - sum((each.fee for each in corrections), ZERO),
            sum((fee_in_quote(t) or ZERO for t in trades), ZERO),
        ),
        "volume": (accounts.volume, sum((t.quantity * t.price for t in trades), ZERO)),
    }
    found = [
        f"{name} is {ours} in the engine, {theirs} according to the venue's trades"
        for name, (ours, theirs) in totals.items()
        if ours != theirs
    ]
    others: dict[str, Decimal] = {}
    for trade in trades:
        if fee_in_quote(trade) is None:
            others[trade.fee_asset] = others.get(trade.fee_asset, ZERO) + trade.fee
    if accounts.fees_other != others:
        found.append(
            f"fees in other assets are {_amounts(accounts.fees_other)} in the engine, "
            f"{_amounts(others)} according to the venue's trades"
        )
    profit = sum((each.grid_profit for each in fills), ZERO)
    profit += sum((each.grid_profit for each in corrections), ZERO)
    if accounts.grid_profit != profit:
        found.append(
            f"grid profit is {accounts.grid_profit} in the state, {profit} according to the fills and corrections"
        )
    return found


def _amounts(amounts: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{amount} {asset}" for asset, amount in sorted(amounts.items())) or "none"


def _funding(state: GridState, records: VenueRecords) -> list[str]:
    # Payments before the grid's first step were for positions that are not the grid's.
    since = state.accounts.first_time
    paid = [each for each in records.fundings if each.symbol == state.symbol and each.time >= since]
    theirs = sum((each.amount for each in paid), ZERO)
    if state.accounts.funding == theirs:
        return []
    return [f"funding is {state.accounts.funding} in the engine, {theirs} according to the venue's payments"]


def _position(
    state: GridState,
    trades: Sequence[Trade],
    records: VenueRecords,
    corrections: Sequence[PositionCorrected],
) -> list[str]:
    position, adopted = state.accounts.position, state.accounts.adopted
    corrected = sum((each.quantity for each in corrections), ZERO)
    by_trades = sum((position_change(trade) for trade in trades), ZERO)
    by_slots = sum((slot.held for slot in state.slots.values()), ZERO)
    found = []
    if position - adopted - corrected != by_trades:
        share = f", {adopted} of it adopted" if adopted else ""
        share += f", {corrected} of it corrected" if corrected else ""
        found.append(
            f"position is {position} in the engine{share}, {by_trades} according to the venue's trades"
        )
    if position != by_slots:
        found.append(f"position is {position} in the engine, {by_slots} according to the slots")
    by_all_trades = sum(
        (position_change(each) for each in records.trades if each.symbol == state.symbol), ZERO
    )
    venue_position = _venue_position(state, records)
    if venue_position != by_all_trades:
        found.append(f"the venue holds {venue_position}, the sum of its trades is {by_all_trades}")
    return found


def _venue_position(state: GridState, records: VenueRecords) -> SignedQuantity:
    if state.instrument.kind is InstrumentKind.SPOT:
        wallets = [wallet for wallet in records.wallets if wallet.asset == state.instrument.base]
        taken = sum((base_fee(each) for each in records.trades if each.symbol == state.symbol), ZERO)
        return sum((wallet.total - wallet.initial + wallet.fees for wallet in wallets), ZERO) - taken
    holdings = [holding for holding in records.holdings if holding.symbol == state.symbol]
    return sum((holding.quantity for holding in holdings), ZERO)


def _orders(state: GridState, records: VenueRecords) -> list[str]:
    slot_orders: dict[ClientOrderId, SlotOrder] = {
        slot.order.client_order_id: slot.order for slot in state.slots.values() if slot.order is not None
    }
    venue_orders: dict[ClientOrderId, Order] = {
        order.client_order_id: order
        for order in records.orders
        if order.symbol == state.symbol
        and order.is_open
        and is_own_order_id(order.client_order_id, state.instance, state.symbol)
    }
    found = [
        f"order {order_id} is open at the venue, but no slot has it"
        for order_id in venue_orders
        if order_id not in slot_orders
    ]
    found += [
        f"order {order_id} is {order.state} in a slot, but not open at the venue"
        for order_id, order in slot_orders.items()
        if order_id not in venue_orders
    ]
    for order_id in slot_orders.keys() & venue_orders.keys():
        ours, theirs = slot_orders[order_id], venue_orders[order_id]
        if (ours.side, ours.price, ours.quantity, ours.traded_quantity) != (
            theirs.side,
            theirs.price,
            theirs.quantity,
            theirs.filled,
        ):
            found.append(
                f"order {order_id} is {ours.side} {ours.traded_quantity}/{ours.quantity} at {ours.price} in the slot, "
                f"{theirs.side} {theirs.filled}/{theirs.quantity} at {theirs.price} at the venue"
            )
    return sorted(found)
