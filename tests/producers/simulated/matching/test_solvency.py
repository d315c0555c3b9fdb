"""Invariants over random histories with gaps: the balance is never below zero, and books add up, in every mode and model."""

import contextlib
from decimal import Decimal as D  # noqa: N817 - many literals read better
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.simulated.listing import Depth, Liquidity, Quote
from producers.simulated.matching.engine import MatchingEngine
from producers.simulated.matching.orders import VenueRejection
from producers.simulated.parameters import (
    BookSettings,
    FillModel,
    FillSettings,
    MarginMode,
    SelfTradePrevention,
)
from schemas.units import SECOND_NS, ClientOrderId, Side
from schemas.venue.orders import Trade
from tests.producers.simulated.examples import PERP, START_NS, new_engine, order

HOUR_NS = 3600 * SECOND_NS


class Place(NamedTuple):
    side: Side
    ticks: int
    lots: int
    name: str
    reduce_only: bool


class Cancel(NamedTuple):
    name: str


class Move(NamedTuple):
    ticks: int
    mark_permille: int
    """Difference of the mark price from the last price."""
    traded: int


NAMES = st.sampled_from("abcdef")
STEPS = st.lists(
    st.one_of(
        st.builds(
            Place, st.sampled_from(Side), st.integers(500, 1500), st.integers(10, 9000), NAMES, st.booleans()
        ),
        st.builds(Cancel, NAMES),
        st.builds(Move, st.integers(500, 2500), st.integers(-10, 10), st.integers(1, 5000)),
    ),
    max_size=50,
)
TICK = D("0.1")


class History:
    """Applies steps to an engine and checks it after each of them."""

    def __init__(self, matching: MatchingEngine) -> None:
        self.matching = matching
        self.trades: list[Trade] = []
        self._time = START_NS

    def apply(self, step: Place | Cancel | Move) -> None:
        self._time += 600 * SECOND_NS
        with contextlib.suppress(VenueRejection):
            self._apply(step)
        changes = self.matching.take_changes(self._time, at_tick=isinstance(step, Move))
        self.trades += changes.trades
        self._check()

    def _apply(self, step: Place | Cancel | Move) -> None:
        match step:
            case Place():
                quantity = str(step.lots * D("0.001"))
                new = order(
                    step.side, str(step.ticks * TICK), quantity, step.name, reduce_only=step.reduce_only
                )
                self.matching.place(new, self._time)
            case Cancel():
                self.matching.cancel(PERP, ClientOrderId(step.name), self._time)
            case Move():
                price = step.ticks * TICK
                depth = Depth(key=step.ticks, notional=D(500), levels=5, step=TICK, variation=0.5)
                quote = Quote(
                    price, price + TICK, price, mark=price * (1000 + step.mark_permille) / 1000, depth=depth
                )
                liquidity = Liquidity(step.traded * D("0.001"), D("0.5"))
                self.matching.apply_tick(PERP, quote, lambda: liquidity, self._time)
                self.matching.pay_funding(D("0.001"), HOUR_NS, self._time)
                self.matching.liquidate(self._time)
                assert self.matching.account.wallets["USDT"].total >= 0

    def _check(self) -> None:
        account = self.matching.account
        wallet, holding = account.wallets["USDT"], account.holdings[PERP]
        assert wallet.total == wallet.initial + wallet.realized - wallet.fees + wallet.funding
        assert holding.quantity == sum((t.side.sign * t.quantity for t in self.trades), D(0))
        flow = sum((-t.side.sign * t.quantity * t.price for t in self.trades), D(0))
        assert wallet.realized - holding.cost == flow
        assert holding.margin >= 0
        if not holding.quantity:
            assert holding.margin == 0


@pytest.mark.parametrize("margin", MarginMode)
@pytest.mark.parametrize("model", FillModel)
@settings(max_examples=25, deadline=None)
@given(steps=STEPS, prevention=st.sampled_from(SelfTradePrevention))
def test_the_balance_is_never_below_zero_and_books_add_up(
    model: FillModel,
    margin: MarginMode,
    steps: list[Place | Cancel | Move],
    prevention: SelfTradePrevention,
) -> None:
    matching = new_engine(
        cash="150",
        fills=FillSettings(model=model),
        margin_mode=margin,
        maintenance_ratio=D("0.05"),
        book=BookSettings(levels=5, refill=1800 * SECOND_NS),
        self_trade_prevention=prevention,
    )
    history = History(matching)
    for step in steps:
        history.apply(step)
        if prevention is not SelfTradePrevention.IGNORE:
            resting = matching.open_orders(PERP)
            bids = [each.price for each in resting if each.side is Side.BUY]
            asks = [each.price for each in resting if each.side is Side.SELL]
            assert not bids or not asks or max(bids) < min(asks)
