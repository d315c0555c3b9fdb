"""What holds of the books whatever is asked of them and wherever the market goes."""

import contextlib
from collections import defaultdict
from decimal import Decimal
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from producers.ports import AccountUpdate
from producers.simulated.matching.engine import Books, Liquidity
from producers.simulated.matching.ledger import fee_of
from producers.simulated.matching.orders import Refusal
from schemas.units import ClientOrderId, Side, Symbol
from schemas.venue.orders import LIFE_CYCLE, OrderReport, Trade
from tests.producers.simulated.examples import PERP, SPOT, START_NS, new_books, order, quote

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
TICKS = st.integers(950, 1050)
STEPS = st.lists(
    st.one_of(
        st.builds(
            Place,
            SYMBOLS,
            st.sampled_from(Side),
            TICKS,
            st.integers(10, 40_000),
            st.sampled_from(NAMES),
            st.booleans(),
            st.booleans(),
        ),
        st.builds(Move, SYMBOLS, TICKS, st.integers(1, 40_000), st.integers(0, 100), st.booleans()),
        st.builds(Cancel, SYMBOLS, st.sampled_from(NAMES)),
    ),
    max_size=60,
)


def run(books: Books, steps: list[Place | Cancel | Move]) -> list[AccountUpdate]:
    """Take the steps, those that are refused as well; return all account events."""
    updates: list[AccountUpdate] = []
    for step in steps:
        with contextlib.suppress(Refusal):
            take(books, step)
        updates += books.take_changes(START_NS, at_tick=isinstance(step, Move)).events
        check_balances(books)
    return updates


def take(books: Books, step: Place | Cancel | Move) -> None:
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
            books.place(new, START_NS)
        case Cancel():
            books.cancel(step.symbol, step.name, START_NS)
        case Move():
            liquidity = Liquidity(step.lots * Decimal("0.001"), step.share * Decimal("0.01"))
            now = quote(str(step.ticks * Decimal("0.1")), is_rising=step.is_rising)
            books.trade_at(step.symbol, now, lambda: liquidity, START_NS)


def check_balances(books: Books) -> None:
    account = books.account
    for asset, wallet in account.wallets.items():
        assert account.locked(asset) >= 0
        assert wallet.total == wallet.initial + wallet.realized - wallet.fees
    # Spot: whatever is locked is there. (Perpetuals may lose the quote that they share with it.)
    assert account.wallets["ETH"].total >= account.locked("ETH")


def trades_of(updates: list[AccountUpdate], symbol: Symbol) -> list[Trade]:
    return [u.event for u in updates if isinstance(u.event, Trade) and u.event.symbol == symbol]


def cash(trades: list[Trade]) -> Decimal:
    return sum((-t.side.sign * t.quantity * t.price - t.fee for t in trades), Decimal(0))


def held(trades: list[Trade]) -> Decimal:
    return sum((t.side.sign * t.quantity for t in trades), Decimal(0))


@settings(max_examples=60)
@given(STEPS)
def test_money_and_positions_are_the_sums_of_the_trades(steps: list[Place | Cancel | Move]) -> None:
    books = new_books()
    updates = run(books, steps)
    account = books.account
    perp, spot = trades_of(updates, PERP), trades_of(updates, SPOT)

    assert account.holdings[PERP].quantity == held(perp)
    assert account.wallets["ETH"].total == 5 + held(spot)
    assert account.wallets["USDT"].total == 10_000 + cash(perp) + cash(spot) + account.holdings[PERP].cost


@settings(max_examples=60)
@given(STEPS)
def test_spot_alone_never_spends_what_it_has_not(steps: list[Place | Cancel | Move]) -> None:
    books = new_books(cash="500")
    for step in steps:
        run(books, [step._replace(symbol=SPOT)])

        assert books.account.wallets["USDT"].total >= books.account.locked("USDT")


@settings(max_examples=60)
@given(STEPS)
def test_every_order_lives_as_the_life_cycle_says_and_its_reports_sum_its_trades(
    steps: list[Place | Cancel | Move],
) -> None:
    reports: dict[str, OrderReport] = {}
    filled: dict[str, Decimal] = defaultdict(Decimal)
    for _, event, _ in run(new_books(), steps):
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
def test_reduce_only_never_opens_or_turns_a_position(steps: list[Place | Cancel | Move]) -> None:
    books = new_books()
    position = Decimal(0)
    is_reducing: dict[str, bool] = {}
    for step in steps:
        updates = run(books, [step._replace(symbol=PERP)])
        is_reducing |= {str(o.number): o.reduce_only for o in books.open_orders(PERP)}
        if isinstance(step, Place):
            # Also the order that came and went in one step.
            is_reducing.setdefault(str(books.counters.order), step.reduce_only)
        for trade in trades_of(updates, PERP):
            after = position + trade.side.sign * trade.quantity
            if is_reducing[trade.venue_order_id]:
                assert abs(after) < abs(position)
                assert after * position >= 0
            position = after


@settings(max_examples=60)
@given(STEPS)
def test_an_id_is_open_once_and_every_fee_is_rounded_up(steps: list[Place | Cancel | Move]) -> None:
    open_now: set[tuple[Symbol, ClientOrderId]] = set()
    for _, event, _ in run(new_books(), steps):
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
def test_the_same_steps_make_the_same_books(steps: list[Place | Cancel | Move]) -> None:
    assert run(new_books(), steps) == run(new_books(), steps)
