"""Our books against the venue's. Pure: nothing is fetched here."""

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from producers.simulated.matching.ledger import Holding, Wallet
from producers.simulated.matching.orders import Order
from schemas.engine.events import Fill
from schemas.grid.state import GridState, SlotOrder
from schemas.units import ZERO, ClientOrderId, SignedQuantity, TradeId
from schemas.venue.instruments import InstrumentKind
from schemas.venue.order_ids import is_ours
from schemas.venue.orders import Funding, Trade


class VenueBooks(msgspec.Struct, frozen=True, kw_only=True):
    """What `GET /admin/books` of the simulated venue tells, as far as it is compared."""

    orders: tuple[Order, ...]
    trades: tuple[Trade, ...]
    wallets: tuple[Wallet, ...]
    holdings: tuple[Holding, ...]
    fundings: tuple[Funding, ...] = ()


def differences(state: GridState, fills: Iterable[Fill], books: VenueBooks) -> list[str]:
    """Return how the venue's books of a symbol differ from the engine's: one line each, none when they agree.

    `state` is the last step's, `fills` all that `engine.V.S.fill` ever said; a copy that came twice is one.
    """
    ours = [
        trade
        for trade in books.trades
        if trade.symbol == state.symbol and is_ours(trade.client_order_id, state.instance, state.symbol)
    ]
    booked = list(
        {(fill.step, fill.trade_id): fill for fill in fills if fill.symbol == state.symbol}.values()
    )
    found = [
        *_fills(ours, booked),
        *_money(state, ours, booked),
        *_funding(state, books),
        *_position(state, ours, books),
        *_orders(state, books),
    ]
    return [f"{state.symbol}: {difference}" for difference in found]


def _fills(trades: Sequence[Trade], fills: Sequence[Fill]) -> list[str]:
    times = Counter(fill.trade_id for fill in fills)
    there: dict[TradeId, Trade] = {trade.trade_id: trade for trade in trades}
    found = [f"trade {trade_id} is booked {count} times" for trade_id, count in times.items() if count > 1]
    found += [f"trade {trade_id} is not booked" for trade_id in there if trade_id not in times]
    for fill in fills:
        trade = there.get(fill.trade_id)
        if trade is None:
            found.append(f"fill {fill.trade_id} has no trade at the venue")
        elif _essence(fill) != _essence(trade):
            found.append(f"trade {fill.trade_id} is booked as {_essence(fill)}, it was {_essence(trade)}")
    return found


def _essence(event: Fill | Trade) -> tuple[str, str, Decimal, Decimal, Decimal]:
    return event.client_order_id, event.side, event.price, event.quantity, event.fee


def _money(state: GridState, trades: Sequence[Trade], fills: Sequence[Fill]) -> list[str]:
    accounts = state.accounts
    pairs = {
        "cash": (
            accounts.cash + accounts.adopted_cost,
            sum((-t.side.sign * t.quantity * t.price for t in trades), ZERO),
        ),
        "fees": (accounts.fees, sum((t.fee for t in trades), ZERO)),
        "volume": (accounts.volume, sum((t.quantity * t.price for t in trades), ZERO)),
    }
    found = [
        f"{name} is {here} here, {there} by the venue's trades"
        for name, (here, there) in pairs.items()
        if here != there
    ]
    profit = sum((fill.grid_profit for fill in fills), ZERO)
    if accounts.grid_profit != profit:
        found.append(f"grid profit is {accounts.grid_profit} in the state, {profit} by the fills")
    return found


def _funding(state: GridState, books: VenueBooks) -> list[str]:
    # What was paid before the grid began was paid for what it does not know.
    since = state.accounts.first_time
    paid = [each for each in books.fundings if each.symbol == state.symbol and each.time >= since]
    there = sum((each.amount for each in paid), ZERO)
    if state.accounts.funding == there:
        return []
    return [f"funding is {state.accounts.funding} here, {there} by the venue's payments"]


def _position(state: GridState, trades: Sequence[Trade], books: VenueBooks) -> list[str]:
    here, adopted = state.accounts.position, state.accounts.adopted
    by_trades = sum((trade.side.sign * trade.quantity for trade in trades), ZERO)
    by_slots = sum((slot.held for slot in state.slots.values()), ZERO)
    found = []
    if here - adopted != by_trades:
        beside = f", {adopted} of it adopted" if adopted else ""
        found.append(f"position is {here} here{beside}, {by_trades} by the venue's trades")
    if here != by_slots:
        found.append(f"position is {here} here, {by_slots} by the slots")
    foreign = sum(
        (
            trade.side.sign * trade.quantity
            for trade in books.trades
            if trade.symbol == state.symbol
            and not is_ours(trade.client_order_id, state.instance, state.symbol)
        ),
        ZERO,
    )
    there = _held_there(state, books)
    if there != by_trades + foreign:
        found.append(f"the venue holds {there}, its trades make {by_trades + foreign}")
    return found


def _held_there(state: GridState, books: VenueBooks) -> SignedQuantity:
    if state.instrument.kind is InstrumentKind.SPOT:
        wallets = [wallet for wallet in books.wallets if wallet.asset == state.instrument.base]
        return sum((wallet.total - wallet.initial for wallet in wallets), ZERO)
    holdings = [holding for holding in books.holdings if holding.symbol == state.symbol]
    return sum((holding.quantity for holding in holdings), ZERO)


def _orders(state: GridState, books: VenueBooks) -> list[str]:
    here: dict[ClientOrderId, SlotOrder] = {
        slot.order.client_order_id: slot.order for slot in state.slots.values() if slot.order is not None
    }
    there: dict[ClientOrderId, Order] = {
        order.client_order_id: order
        for order in books.orders
        if order.symbol == state.symbol
        and order.is_open
        and is_ours(order.client_order_id, state.instance, state.symbol)
    }
    found = [f"order {name} is open at the venue, no slot has it" for name in there if name not in here]
    found += [
        f"order {name} is {order.state} in a slot, not open at the venue"
        for name, order in here.items()
        if name not in there
    ]
    for name in here.keys() & there.keys():
        ours, theirs = here[name], there[name]
        if (ours.side, ours.price, ours.quantity, ours.traded_quantity) != (
            theirs.side,
            theirs.price,
            theirs.quantity,
            theirs.filled,
        ):
            found.append(
                f"order {name} is {ours.side} {ours.traded_quantity}/{ours.quantity} at {ours.price} here, "
                f"{theirs.side} {theirs.filled}/{theirs.quantity} at {theirs.price} there"
            )
    return sorted(found)
