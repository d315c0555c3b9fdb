"""Invariants of the matching engine over random orders, cancels and market moves."""

import contextlib
from collections import defaultdict
from decimal import Decimal
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from producers.ports import AccountUpdate
from producers.simulated.listing import Liquidity
from producers.simulated.matching.engine import MatchingEngine
from producers.simulated.matching.ledger import fee_of
from producers.simulated.matching.orders import VenueRejection
from schemas.units import ClientOrderId, Side, Symbol
from schemas.venue.orders import LIFE_CYCLE, OrderReport, Trade
from tests.producers.simulated.examples import PERP, SPOT, START_NS, new_engine, order, quote

NAMES = [ClientOrderId(name) for name in "abcd"]


class Place(NamedTuple):
    symbol: Symbol
    side: Side
    ticks: int
    lots: int
    name: ClientOrderId
    post_only: bool
    reduce_only: bool


class Cancel(NamedTuple):
    symbol: Symbol
    name: ClientOrderId


class Move(NamedTuple):
    symbol: Symbol
    ticks: int
    lots: int
    share: int
    is_rising: bool


SYMBOLS = st.sampled_from([PERP, SPOT])
PRICE_TICKS = st.integers(950, 1050)
STEPS = st.lists(
    st.one_of(
        st.builds(
            Place,
            SYMBOLS,
            st.sampled_from(Side),
            PRICE_TICKS,
            st.integers(10, 40_000),
            st.sampled_from(NAMES),
            st.booleans(),
            st.booleans(),
        ),
        st.builds(Move, SYMBOLS, PRICE_TICKS, st.integers(1, 40_000), st.integers(0, 100), st.booleans()),
        st.builds(Cancel, SYMBOLS, st.sampled_from(NAMES)),
    ),
    max_size=60,
)


def run(matching: MatchingEngine, steps: list[Place | Cancel | Move]) -> list[AccountUpdate]:
    """Apply the steps, ignoring rejections, and return all account events."""
    updates: list[AccountUpdate] = []
    for step in steps:
        with contextlib.suppress(VenueRejection):
            apply(matching, step)
        updates += matching.take_changes(START_NS, at_tick=isinstance(step, Move)).events
        check_balances(matching)
    return updates


def apply(matching: MatchingEngine, step: Place | Cancel | Move) -> None:
    match step:
        case Place():
            price, quantity = str(step.ticks * Decimal("0.1")), str(step.lots * Decimal("0.001"))
            new = order(
                step.side,
                price,
                quantity,
                step.name,
                symbol=step.symbol,
                post_only=step.post_only,
                reduce_only=step.reduce_only,
            )
            matching.place(new, START_NS)
        case Cancel():
            matching.cancel(step.symbol, step.name, START_NS)
        case Move():
            liquidity = Liquidity(step.lots * Decimal("0.001"), step.share * Decimal("0.01"))
            now = quote(str(step.ticks * Decimal("0.1")), is_rising=step.is_rising)
            matching.apply_tick(step.symbol, now, lambda: liquidity, START_NS)


def check_balances(matching: MatchingEngine) -> None:
    account = matching.account
    for asset, wallet in account.wallets.items():
        assert account.locked_amount(asset) >= 0
        assert wallet.total == wallet.initial + wallet.realized - wallet.fees
    # Only for the base asset: losses of the perpetual may consume locked quote.
    assert account.wallets["ETH"].total >= account.locked_amount("ETH")


def trades_of(updates: list[AccountUpdate], symbol: Symbol) -> list[Trade]:
    return [u.event for u in updates if isinstance(u.event, Trade) and u.event.symbol == symbol]


def cash_flow(trades: list[Trade]) -> Decimal:
    return sum((-t.side.sign * t.quantity * t.price - t.fee for t in trades), Decimal(0))


def net_quantity(trades: list[Trade]) -> Decimal:
    return sum((t.side.sign * t.quantity for t in trades), Decimal(0))


@settings(max_examples=60)
@given(STEPS)
def test_wallets_and_positions_are_the_sums_of_the_trades(steps: list[Place | Cancel | Move]) -> None:
    matching = new_engine()
    updates = run(matching, steps)
    account = matching.account
    perp, spot = trades_of(updates, PERP), trades_of(updates, SPOT)

    assert account.holdings[PERP].quantity == net_quantity(perp)
    assert account.wallets["ETH"].total == 5 + net_quantity(spot)
    assert (
        account.wallets["USDT"].total
        == 10_000 + cash_flow(perp) + cash_flow(spot) + account.holdings[PERP].cost
    )


@settings(max_examples=60)
@given(STEPS)
def test_spot_orders_never_overspend(steps: list[Place | Cancel | Move]) -> None:
    matching = new_engine(cash="500")
    for step in steps:
        run(matching, [step._replace(symbol=SPOT)])

        assert matching.account.wallets["USDT"].total >= matching.account.locked_amount("USDT")


@settings(max_examples=60)
@given(STEPS)
def test_reports_follow_the_life_cycle_and_sum_up_the_trades(
    steps: list[Place | Cancel | Move],
) -> None:
    reports: dict[str, OrderReport] = {}
    filled: dict[str, Decimal] = defaultdict(Decimal)
    for _, event, _ in run(new_engine(), steps):
        if isinstance(event, Trade):
            filled[event.venue_order_id] += event.quantity
        elif isinstance(event, OrderReport):
            before = reports.get(event.venue_order_id)
            is_more = before is not None and event.status is before.status and not event.status.is_terminal
            assert before is None or is_more or event.status in LIFE_CYCLE[before.status]
            assert event.cumulative_quantity == filled[event.venue_order_id] <= (event.quantity or 0)
            reports[event.venue_order_id] = event


@settings(max_examples=60)
@given(STEPS)
def test_reduce_only_never_opens_or_reverses_a_position(steps: list[Place | Cancel | Move]) -> None:
    matching = new_engine()
    position = Decimal(0)
    is_reducing: dict[str, bool] = {}
    for step in steps:
        updates = run(matching, [step._replace(symbol=PERP)])
        is_reducing |= {str(o.number): o.reduce_only for o in matching.open_orders(PERP)}
        if isinstance(step, Place):
            # Also an order that was placed and finished in one step.
            is_reducing.setdefault(str(matching.counters.order), step.reduce_only)
        for trade in trades_of(updates, PERP):
            after = position + trade.side.sign * trade.quantity
            if is_reducing[trade.venue_order_id]:
                assert abs(after) < abs(position)
                assert after * position >= 0
            position = after


@settings(max_examples=60)
@given(STEPS)
def test_open_ids_are_unique_and_fees_are_rounded_up(steps: list[Place | Cancel | Move]) -> None:
    open_now: set[tuple[Symbol, ClientOrderId]] = set()
    for _, event, _ in run(new_engine(), steps):
        if isinstance(event, Trade):
            rate = Decimal("0.001")
            if event.symbol == PERP:
                rate = Decimal("0.0002") if event.is_maker else Decimal("0.0005")
            assert (
                event.fee == fee_of(event.price * event.quantity, rate) >= event.price * event.quantity * rate
            )
        elif isinstance(event, OrderReport):
            name = (event.symbol, event.client_order_id)
            assert (name in open_now) is (event.status != "new")
            if event.status.is_terminal:
                open_now.remove(name)
            else:
                open_now.add(name)


@settings(max_examples=30)
@given(STEPS)
def test_same_steps_give_the_same_events(steps: list[Place | Cancel | Move]) -> None:
    assert run(new_engine(), steps) == run(new_engine(), steps)
