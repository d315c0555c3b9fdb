"""Funding and liquidation: booked in the venue's books, told, and kept."""

from decimal import Decimal as D  # noqa: N817 - many literals read better
from pathlib import Path

import pytest

from producers.simulated.matching.engine import Books
from producers.simulated.settings import FundingSettings, SettingsError
from schemas.units import SECOND_NS, Side
from schemas.venue.orders import Funding, OrderStatus, Trade
from tests.producers.conftest import Serve
from tests.producers.simulated.examples import PERP, SPOT, START_NS, new_books, new_settings, order, trade_at

HOUR = 3600 * SECOND_NS
NOON = START_NS - START_NS % HOUR + HOUR


def holding(side: Side = Side.BUY, quantity: str = "2", *, cash: str = "10000") -> Books:
    """Return books with a position at 100, before the hour."""
    books = new_books(cash=cash)
    books.pay_funding(D("0.01"), HOUR, NOON - 1)
    books.place(order(side, "100.1" if side is Side.BUY else "100.0", quantity), START_NS)
    books.take_changes(START_NS, at_tick=False)
    return books


def pay(books: Books, time: int = NOON) -> list[Funding]:
    books.pay_funding(D("0.01"), HOUR, time)
    return [u.event for u in books.take_changes(time, at_tick=True).events if isinstance(u.event, Funding)]


@pytest.mark.parametrize(("side", "amount"), [(Side.BUY, "-2"), (Side.SELL, "2")])
def test_longs_pay_shorts_when_it_is_due(side: Side, amount: str) -> None:
    books = holding(side)
    before = books.account.wallets["USDT"].total
    (payment,) = pay(books)
    assert (payment.amount, payment.time) == (D(amount), NOON)
    wallet = books.account.wallets["USDT"]
    assert wallet.total == before + D(amount)
    assert wallet.total == wallet.initial + wallet.realized - wallet.fees + wallet.funding


def test_it_is_paid_once_however_many_hours_passed_unseen() -> None:
    books = holding()
    assert len(pay(books, NOON + 3 * HOUR)) == 1
    assert pay(books, NOON + 3 * HOUR + 1) == []


def test_who_holds_nothing_pays_nothing_and_neither_does_spot() -> None:
    books = new_books()
    books.pay_funding(D("0.01"), HOUR, NOON - 1)
    books.place(order(Side.BUY, "100.1", symbol=SPOT), START_NS)
    assert pay(books) == []


def test_what_the_account_cannot_hold_is_closed_by_force_as_an_order_of_nobody() -> None:
    books = holding(quantity="90", cash="1000")
    books.place(order(Side.BUY, "89", "0.1", name="resting"), START_NS)
    trade_at(books, "90.0")
    books.take_changes(START_NS, at_tick=True)
    books.liquidate(D("0.05"), START_NS)
    changes = books.take_changes(START_NS, at_tick=True)
    (forced,) = changes.trades
    assert (forced.client_order_id, forced.side, forced.quantity) == ("", Side.SELL, D(90))
    assert [each.status for each in changes.orders.values()] == [OrderStatus.CANCELED]
    assert books.account.holdings[PERP].quantity == 0


def test_what_the_account_can_hold_stays() -> None:
    books = holding(quantity="90", cash="1000")
    trade_at(books, "95.0")
    books.take_changes(START_NS, at_tick=True)
    books.liquidate(D("0.05"), START_NS)
    assert not books.take_changes(START_NS, at_tick=True)


async def test_payments_are_kept_and_served_after_a_number(serve: Serve, tmp_path: Path) -> None:
    funding = FundingSettings(rate=D("0.0001"), interval=SECOND_NS)
    served = await serve(new_settings(tmp_path, funding=funding, maintenance_margin=D("0.01")))
    price = served.venue.books.account.quotes[PERP].ask * 2
    served.venue.place(order(Side.BUY, f"{price:.1f}"))
    for _ in range(12):
        served.venue.tick()
    payments = served.venue.fundings(PERP, 0)
    assert len(payments) >= 2
    assert served.venue.fundings(PERP, 1) == payments[1:]
    assert served.venue.all_fundings() == payments
    assert all(isinstance(each, Trade) for each in served.venue.history()[1])


@pytest.mark.parametrize(
    "changes", [{"maintenance_margin": D(1)}, {"funding": FundingSettings(rate=D("NaN"), interval=1)}]
)
async def test_nonsense_is_refused(serve: Serve, tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        await serve(new_settings(tmp_path, **changes))
