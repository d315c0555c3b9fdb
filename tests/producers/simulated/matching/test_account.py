"""What the account has free, and what its orders bind."""

from decimal import Decimal

import pytest

from producers.simulated.matching.engine import Books
from producers.simulated.matching.orders import Refusal
from schemas.units import ClientOrderId, Side
from schemas.venue.orders import RejectReason
from tests.producers.simulated.examples import PERP, SPOT, START_NS, new_books, order, trade_at

BUY, SELL = Side.BUY, Side.SELL


def free(books: Books, asset: str = "USDT") -> Decimal:
    return next(b.free for b in books.account.balances(START_NS) if b.asset == asset)


def test_an_opening_order_binds_its_initial_margin() -> None:
    books = new_books(leverage=10)
    books.place(order(BUY, "99.0", "1"), START_NS)

    assert free(books) == Decimal(10_000) - Decimal("9.9")


def test_orders_of_both_sides_bind_the_margin_of_the_larger() -> None:
    books = new_books(leverage=10)
    books.place(order(BUY, "99.0", "1", "a"), START_NS)
    books.place(order(SELL, "101.0", "1", "b"), START_NS)

    assert free(books) == Decimal(10_000) - Decimal("10.1")


def test_a_reduce_only_order_binds_nothing() -> None:
    books = new_books()
    books.place(order(BUY, "100.1"), START_NS)
    before = free(books)
    books.place(order(SELL, "101.0", name="b", reduce_only=True), START_NS)

    assert free(books) == before


def test_a_closing_order_is_taken_when_nothing_is_free() -> None:
    books = new_books(cash="10", leverage=1)
    books.place(order(BUY, "99.0", "0.1"), START_NS)
    trade_at(books, "98.9")
    trade_at(books, "95.0")
    with pytest.raises(Refusal) as caught:
        books.place(order(BUY, "94.0", "0.1", "b"), START_NS)

    assert caught.value.reason is RejectReason.INSUFFICIENT_MARGIN
    assert books.place(order(SELL, "96.0", "0.1", "c"), START_NS).cumulative_quantity == 0


def test_unrealized_profit_counts_for_perpetuals() -> None:
    books = new_books()
    books.place(order(BUY, "99.0", "10"), START_NS)
    trade_at(books, "98.9")
    trade_at(books, "109.0")
    balance = books.account.balance("USDT", START_NS)

    assert balance.unrealized_pnl == Decimal(100)
    assert balance.margin_balance == balance.total + 100


def test_a_spot_buy_locks_quote_and_fee_and_a_cancel_frees_them() -> None:
    books = new_books()
    books.place(order(BUY, "99.0", "1", symbol=SPOT), START_NS)
    assert free(books) == Decimal(10_000) - Decimal("99.099")

    books.cancel(SPOT, ClientOrderId("a"), START_NS)
    assert free(books) == 10_000


def test_a_spot_sell_locks_what_it_sells() -> None:
    books = new_books()
    books.place(order(SELL, "101.0", "2", symbol=SPOT), START_NS)

    assert free(books, "ETH") == 3


def test_a_spot_trade_moves_both_assets_and_its_fee_is_paid_in_quote() -> None:
    books = new_books()
    books.place(order(SELL, "101.0", "2", symbol=SPOT), START_NS)
    trade_at(books, "102.0", symbol=SPOT)

    assert books.account.wallets["ETH"].total == 3
    assert books.account.wallets["USDT"].total == 10_000 + 202 - Decimal("0.202")


def test_a_spot_position_is_what_the_wallet_holds() -> None:
    positions = {p.symbol: p.quantity for p in new_books().account.positions(START_NS)}

    assert positions == {PERP: 0, SPOT: 5}


def test_a_reduce_only_buy_has_nothing_to_reduce_on_spot() -> None:
    with pytest.raises(Refusal) as caught:
        new_books().place(order(BUY, "99.0", symbol=SPOT, reduce_only=True), START_NS)

    assert caught.value.reason is RejectReason.REDUCE_ONLY
