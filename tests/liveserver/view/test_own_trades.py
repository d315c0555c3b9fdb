"""Own trades: published once, with the booking before or after the trade."""

from liveserver.view.own_trades import MAX_TRADES, OwnTradeFold
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
