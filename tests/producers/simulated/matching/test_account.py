"""Account: free balance, initial margin and locked amounts."""

from decimal import Decimal

import pytest

from producers.simulated.matching.engine import MatchingEngine
from producers.simulated.matching.orders import VenueRejection
from schemas.units import ClientOrderId, Side
from schemas.venue.orders import RejectReason
from tests.producers.simulated.examples import PERP, SPOT, START_NS, apply_tick, new_engine, order

BUY, SELL = Side.BUY, Side.SELL


def free(matching: MatchingEngine, asset: str = "USDT") -> Decimal:
    return next(b.free for b in matching.account.balances(START_NS) if b.asset == asset)


def test_opening_order_uses_initial_margin() -> None:
    matching = new_engine(leverage=10)
    matching.place(order(BUY, "99.0", "1"), START_NS)

    assert free(matching) == Decimal(10_000) - Decimal("9.9")


def test_orders_of_both_sides_use_the_larger_margin() -> None:
    matching = new_engine(leverage=10)
    matching.place(order(BUY, "99.0", "1", "a"), START_NS)
    matching.place(order(SELL, "101.0", "1", "b"), START_NS)

    assert free(matching) == Decimal(10_000) - Decimal("10.1")


def test_reduce_only_order_uses_no_margin() -> None:
    matching = new_engine()
    matching.place(order(BUY, "100.1"), START_NS)
    before = free(matching)
    matching.place(order(SELL, "101.0", name="b", reduce_only=True), START_NS)

    assert free(matching) == before


def test_closing_order_is_accepted_without_free_balance() -> None:
    matching = new_engine(cash="10", leverage=1)
    matching.place(order(BUY, "99.0", "0.1"), START_NS)
    apply_tick(matching, "98.9")
    apply_tick(matching, "95.0")
    with pytest.raises(VenueRejection) as caught:
        matching.place(order(BUY, "94.0", "0.1", "b"), START_NS)

    assert caught.value.reason is RejectReason.INSUFFICIENT_MARGIN
    assert matching.place(order(SELL, "96.0", "0.1", "c"), START_NS).cumulative_quantity == 0


def test_unrealized_profit_counts_as_margin_of_perpetuals() -> None:
    matching = new_engine()
    matching.place(order(BUY, "99.0", "10"), START_NS)
    apply_tick(matching, "98.9")
    apply_tick(matching, "109.0")
    balance = matching.account.balance("USDT", START_NS)

    assert balance.unrealized_pnl == Decimal(100)
    assert balance.margin_balance == balance.total + 100


def test_spot_buy_locks_quote_and_fee_until_canceled() -> None:
    matching = new_engine()
    matching.place(order(BUY, "99.0", "1", symbol=SPOT), START_NS)
    assert free(matching) == Decimal(10_000) - Decimal("99.099")

    matching.cancel(SPOT, ClientOrderId("a"), START_NS)
    assert free(matching) == 10_000


def test_spot_sell_locks_its_quantity() -> None:
    matching = new_engine()
    matching.place(order(SELL, "101.0", "2", symbol=SPOT), START_NS)

    assert free(matching, "ETH") == 3


def test_spot_trade_moves_both_assets_and_pays_the_fee_in_quote() -> None:
    matching = new_engine()
    matching.place(order(SELL, "101.0", "2", symbol=SPOT), START_NS)
    apply_tick(matching, "102.0", symbol=SPOT)

    assert matching.account.wallets["ETH"].total == 3
    assert matching.account.wallets["USDT"].total == 10_000 + 202 - Decimal("0.202")


def test_spot_position_is_the_wallet_total() -> None:
    positions = {p.symbol: p.quantity for p in new_engine().account.positions(START_NS)}

    assert positions == {PERP: 0, SPOT: 5}


def test_reduce_only_spot_buy_is_rejected() -> None:
    with pytest.raises(VenueRejection) as caught:
        new_engine().place(order(BUY, "99.0", symbol=SPOT, reduce_only=True), START_NS)

    assert caught.value.reason is RejectReason.REDUCE_ONLY
