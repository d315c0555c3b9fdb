"""Cancels that the venue refuses: repeated after growing pauses."""

from collections.abc import Sequence

import msgspec

from engine.core.grid import Grid
from schemas.grid.state import SlotOrder
from schemas.units import ClientOrderId
from schemas.venue.account import OpenOrder, OpenOrders
from schemas.venue.orders import CancelRejected, OrderStatus
from tests.builders import BTC, SIM
from tests.engine.core.examples import (
    D,
    canceled,
    order,
    report,
    started,
    state_of,
    step,
    ticker,
)

PAUSES_S = [2, 4, 8, 16, 32, 60, 60]


def refusal(client_order_id: ClientOrderId) -> CancelRejected:
    return CancelRejected(venue=SIM, symbol=BTC, client_order_id=client_order_id, time=0)


def sweep(*orders: SlotOrder) -> OpenOrders:
    found = tuple(
        OpenOrder(
            client_order_id=each.client_order_id,
            venue_order_id="",
            side=each.side,
            price=each.price,
            quantity=each.quantity,
            cumulative_quantity=D(0),
            status=OrderStatus.NEW,
        )
        for each in orders
    )
    return OpenOrders(venue=SIM, symbol=BTC, orders=found, includes=0, time=0)


def refused() -> tuple[Grid, SlotOrder]:
    """Return a grid, and its order of which the venue has refused the first cancel at second 0."""
    grid = started()
    far = order(grid, -3)
    assert canceled(step(grid, ticker(1010))) == {far.client_order_id}
    step(grid, refusal(far.client_order_id))
    return grid, far


def canceled_at(grid: Grid, seconds: float, price: int = 1010) -> set[ClientOrderId]:
    change = grid.process([ticker(price, seconds)])
    return canceled(change) if change else set()


def all_orders(grid: Grid) -> Sequence[SlotOrder]:
    return [each.order for each in state_of(grid).slots.values() if each.order]


def test_each_further_refusal_doubles_the_pause_up_to_a_minute() -> None:
    grid, far = refused()
    now = 0.0
    for pause_s in PAUSES_S:
        assert canceled_at(grid, now + pause_s - 0.1) == set()
        now += pause_s
        assert canceled_at(grid, now) == {far.client_order_id}
        step(grid, refusal(far.client_order_id))


def test_sweeps_do_not_repeat_a_refused_cancel() -> None:
    grid, _ = refused()
    for _ in range(5):
        change = grid.process([sweep(*all_orders(grid))])
        assert change is None or not canceled(change)


def test_a_cancel_without_an_answer_is_not_repeated_by_the_pause() -> None:
    grid, far = refused()
    assert canceled_at(grid, 2) == {far.client_order_id}
    assert canceled_at(grid, 300) == set()


def test_refusals_are_forgotten_when_the_order_ends() -> None:
    grid, far = refused()
    step(grid, report(far.client_order_id, OrderStatus.CANCELED))
    assert state_of(grid).refused_cancels == {}
    assert canceled_at(grid, 10) == set()


def test_an_order_unknown_here_is_canceled_again_after_the_pause_until_no_sweep_lists_it() -> None:
    grid = started()
    some = order(grid, -1)
    name = ClientOrderId(some.client_order_id[:-1] + "7")
    unknown = msgspec.structs.replace(some, client_order_id=name)
    assert canceled(step(grid, sweep(*all_orders(grid), unknown))) == {name}
    step(grid, refusal(name))
    again = grid.process([sweep(*all_orders(grid), unknown)])
    assert again is None or not canceled(again)

    assert canceled_at(grid, 2, 1000) == {name}
    step(grid, sweep(*all_orders(grid)))
    assert state_of(grid).refused_cancels == {}


def test_the_state_keeps_the_pause_over_a_restart() -> None:
    grid, far = refused()
    copy = msgspec.json.decode(msgspec.json.encode(state_of(grid)), type=type(state_of(grid)))
    later = Grid(copy, grid.step)
    assert canceled_at(later, 1.9) == set()
    assert canceled_at(later, 2) == {far.client_order_id}
