"""Reconcile commands: answered by the next sweep; a dry run changes nothing."""

from engine.core.grid import Grid
from schemas.codec import encode
from schemas.engine.control import CommandName, CommandOutcome, CommandResult
from schemas.units import ClientOrderId, Side
from schemas.venue.account import OpenOrder, OpenOrders
from schemas.venue.order_ids import order_id
from schemas.venue.orders import OrderStatus
from tests.builders import BTC, SIM
from tests.engine.core.examples import (
    LONG,
    D,
    answer,
    at,
    canceled,
    command,
    fill,
    order,
    position,
    queried,
    started,
    state_of,
    step,
)

RECONCILE = command(CommandName.RECONCILE)
DRY_RUN = command(CommandName.RECONCILE, dry_run=True)


def open_order(client_order_id: ClientOrderId) -> OpenOrder:
    return OpenOrder(
        client_order_id=client_order_id,
        venue_order_id="",
        side=Side.BUY,
        price=D(980),
        quantity=D("0.1"),
        cumulative_quantity=D(0),
        status=OrderStatus.NEW,
    )


def sweep(*orders: ClientOrderId) -> OpenOrders:
    found = tuple(open_order(each) for each in orders)
    return OpenOrders(venue=SIM, symbol=BTC, orders=found, includes=0, time=at(1))


def ids(grid: Grid) -> list[ClientOrderId]:
    return [slot.order.client_order_id for slot in state_of(grid).slots.values() if slot.order]


def test_reconcile_is_answered_by_the_next_sweep() -> None:
    grid = started()
    assert answer(step(grid, RECONCILE)).outcome is CommandOutcome.ACCEPTED
    result = answer(step(grid, sweep(*ids(grid))))
    assert (result.command_id, result.operator, result.reason, result.time) == ("c1", "ann", "test", at(1))
    assert (result.outcome, result.detail) == (CommandOutcome.APPLIED, "no differences")
    assert not state_of(grid).asked


def test_reconcile_is_answered_once() -> None:
    grid = started()
    step(grid, RECONCILE)
    step(grid, sweep(*ids(grid)))
    assert grid.process([sweep(*ids(grid))]) is None


def test_answer_lists_findings() -> None:
    grid = started()
    step(grid, RECONCILE)
    missing, *rest = ids(grid)
    change = step(grid, sweep(*rest))
    assert answer(change).detail == f"missing_there {missing}: queried"
    assert queried(change.decisions) == {missing}


def test_dry_run_reports_findings_and_changes_nothing() -> None:
    grid = started()
    step(grid, DRY_RUN)
    before = state_of(grid)
    unknown = order_id("sqt", BTC, 1, -9, Side.BUY, 77)
    missing, *rest = ids(grid)
    change = step(grid, sweep(*rest, unknown))
    assert answer(change).detail == (
        f"dry run, nothing changed: missing_there {missing}: queried; unknown_here {unknown}: canceled"
    )
    assert not change.decisions
    assert len(change.notices) == 1
    assert missing in ids(grid)
    assert before is state_of(grid)


def test_dry_run_compares_the_position() -> None:
    grid = started()
    fill(grid, -1)
    step(grid, DRY_RUN)
    change = step(grid, sweep(*ids(grid)), position("0.2", 2))
    assert "the position differs by 0.099; acted on if the next sweep finds the same" in answer(change).detail
    assert state_of(grid).position_gap == 0


def test_dry_run_leaves_the_state_unchanged() -> None:
    grid = started()
    step(grid, DRY_RUN)
    before = encode(state_of(grid))
    step(grid, sweep())
    after = state_of(grid)
    after.asked = [*after.asked]
    assert encode(after).replace(b'"asked":[]', b"") == _without_asked(before)


def _without_asked(state: bytes) -> bytes:
    head, _, tail = state.partition(b'"asked":[')
    return head + tail[tail.index(b"]") + 1 :]


def test_reconcile_command_acts_on_a_position_difference() -> None:
    grid = started()
    fill(grid, -1)
    step(grid, RECONCILE)
    orders = ids(grid)
    step(grid, sweep(*orders), position("0.2", 2))
    assert state_of(grid).position_gap == D("0.099")
    change = step(grid, command(CommandName.RECONCILE), sweep(*orders), position("0.2", 2))
    assert "the circuit breaker is open" in answer(change).detail


def test_answer_counts_unconfirmed_orders() -> None:
    grid = Grid(None, 0)
    grid = started()
    fill(grid, -1)
    step(grid, RECONCILE)
    closing = order(grid, -1).client_order_id
    rest = [each for each in ids(grid) if each != closing]
    assert answer(step(grid, sweep(*rest))).detail == (
        "1 order differs from the venue, perhaps on the way; acted on if the next sweep finds the same"
    )


def test_answer_lists_a_limited_number_of_findings() -> None:
    grid = started(LONG)
    step(grid, RECONCILE)
    unknowns = [order_id("sqt", BTC, 1, -9 - i, Side.BUY, 77) for i in range(13)]
    change = step(grid, sweep(*ids(grid), *unknowns))
    assert answer(change).detail.endswith("; and 3 more")
    assert len(canceled(change)) == 13


def test_dry_run_does_not_suppress_a_real_reconcile() -> None:
    grid = started()
    step(grid, DRY_RUN, RECONCILE)
    missing, *rest = ids(grid)
    change = step(grid, sweep(*rest))
    assert queried(change.decisions) == {missing}
    assert sum(isinstance(each, CommandResult) for each in change.notices) == 2
