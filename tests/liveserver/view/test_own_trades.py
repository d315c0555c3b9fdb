"""Own trades: told once each, booked later or before."""

from liveserver.view.own_trades import KEPT, OwnTradeFold
from tests.liveserver.events import fill, trade


def test_a_trade_is_told_once() -> None:
    fold = OwnTradeFold()

    is_first, own = fold.trade(trade("1"))

    assert is_first
    assert own is not None
    assert fold.trade(trade("1")) == (False, None)


def test_a_booking_after_the_trade_adds_to_it() -> None:
    fold = OwnTradeFold()
    fold.trade(trade("1"))

    was_told, own = fold.fill(fill("1", profit="0.4"))

    assert was_told
    assert own is not None
    assert own.booked == fill("1", profit="0.4")
    assert fold.values() == [own]


def test_a_booking_before_the_trade_tells_of_it() -> None:
    fold = OwnTradeFold()

    was_told, own = fold.fill(fill("1"))

    assert not was_told
    assert own is not None
    assert fold.trade(trade("1")) == (True, None)
    assert fold.fill(fill("1")) == (True, None)


def test_the_newest_trades_are_kept_whatever_their_order() -> None:
    fold = OwnTradeFold()
    for second in reversed(range(KEPT + 1)):
        fold.trade(trade(f"t{second}", second=second))

    assert fold.values()[0].trade.trade_id == "t1"
    assert len(fold.values()) == KEPT
