"""Own trades: published once, with the booking before or after the trade."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from liveserver.view.own_trades import MAX_TRADES, OwnTradeFold
from schemas.units import Side
from schemas.venue.orders import Trade
from tests.liveserver.events import fill, trade


def test_trade_is_published_once() -> None:
    fold = OwnTradeFold()

    is_first, own = fold.apply_trade(trade("1"))

    assert is_first
    assert own is not None
    assert fold.apply_trade(trade("1")) == (False, None)


def test_booking_after_the_trade_is_added_to_it() -> None:
    fold = OwnTradeFold()
    fold.apply_trade(trade("1"))

    was_published, own = fold.apply_fill(fill("1", profit="0.4"))

    assert was_published
    assert own is not None
    assert own.booked == fill("1", profit="0.4")
    assert fold.values() == [own]


def test_booking_before_the_trade_publishes_it() -> None:
    fold = OwnTradeFold()

    was_published, own = fold.apply_fill(fill("1"))

    assert not was_published
    assert own is not None
    assert fold.apply_trade(trade("1")) == (True, None)
    assert fold.apply_fill(fill("1")) == (True, None)


def test_newest_trades_are_kept_in_any_order_of_arrival() -> None:
    fold = OwnTradeFold()
    for second in reversed(range(MAX_TRADES + 1)):
        fold.apply_trade(trade(f"t{second}", second=second))

    assert fold.values()[0].trade.trade_id == "t1"
    assert len(fold.values()) == MAX_TRADES


def bought(number: int, quantity: str, price: str, *, side: Side = Side.BUY, fee: str = "0") -> Trade:
    own = trade(f"t{number}", quantity=quantity, second=number)
    return replace(own, side=side, price=Decimal(price), fee=Decimal(fee), fee_asset="SOL")


@pytest.mark.parametrize(
    ("trades", "quantity", "entry"),
    [
        ([bought(1, "1", "100")], "1", "100"),
        ([bought(1, "1", "100"), bought(2, "3", "120")], "4", "115"),
        ([bought(1, "2", "100"), bought(2, "1", "130", side=Side.SELL)], "1", "100"),
        ([bought(1, "1", "90"), bought(2, "1", "95", side=Side.SELL), bought(3, "2", "100")], "2", "100"),
        ([bought(1, "1", "100", fee="0.001")], "0.999", "100"),
        ([bought(1, "1", "100", side=Side.SELL), bought(2, "3", "120")], "2", "120"),
        ([bought(1, "1", "100")], "5", None),
        ([], "5", None),
    ],
)
def test_entry_price_follows_from_trades_that_explain_the_position(
    trades: list[Trade], quantity: str, entry: str | None
) -> None:
    fold = OwnTradeFold()
    for each in trades:
        fold.apply_trade(each)

    assert fold.entry_price(Decimal(quantity), "SOL") == (None if entry is None else Decimal(entry))
