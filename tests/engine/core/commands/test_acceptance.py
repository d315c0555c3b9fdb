"""`reconcile --accept`: the difference from the venue's position is booked as the operator has seen it, or refused."""

import msgspec
import pytest

from engine.core.grid import Grid
from engine.core.view import view
from schemas.codec import encode
from schemas.engine.control import CommandName, CommandOutcome, CommandResult
from schemas.engine.events import PositionCorrected
from schemas.engine.journal import CommandReceived
from schemas.grid.guard_state import BreakerState
from schemas.grid.state import (
    GridState,
)
from schemas.units import ClientOrderId
from schemas.venue.account import OpenOrder, OpenOrders
from schemas.venue.orders import OrderStatus
from tests.builders import BTC, SIM
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
    SPOT,
    D,
    accept_all,
    added,
    answer,
    at,
    canceled,
    command,
    end,
    fill,
    order,
    position,
    report,
    settings_of,
    started,
    state_of,
    step,
    ticker,
)
from tests.engine.core.orders.test_corrections import foreign


def holding() -> Grid:
    """Return a grid that holds 0.101 and 0.102 at the levels -1 and -2."""
    grid = started(NEUTRAL)
    fill(grid, -1)
    fill(grid, -2)
    accept_all(grid)
    return grid


def accept(quantity: str, **options: object) -> CommandReceived:
    return command(CommandName.RECONCILE, accept=quantity, **options)  # type: ignore[arg-type]


def sweep(grid: Grid, seconds: float = 1, *, without: tuple[ClientOrderId, ...] = ()) -> OpenOrders:
    """Return a sweep that finds every order of the grid."""
    orders = [each.order for each in state_of(grid).slots.values() if each.order]
    found = tuple(
        OpenOrder(
            client_order_id=each.client_order_id,
            venue_order_id="",
            side=each.side,
            price=each.price,
            quantity=each.quantity,
            cumulative_quantity=each.traded_quantity,
            status=OrderStatus.NEW,
        )
        for each in orders
        if each.client_order_id not in without
    )
    return OpenOrders(venue=SIM, symbol=BTC, orders=found, includes=0, time=at(seconds))


def accepted(grid: Grid, quantity: str, at_venue: str, **options: object) -> CommandResult:
    """Return the answer to a command when the next sweep finds a position."""
    step(grid, accept(quantity, **options))
    return answer(step(grid, sweep(grid), position(at_venue, 1)))


def test_difference_is_booked_with_reason_and_operator() -> None:
    grid = holding()
    step(grid, accept("0.05", reason="sold by hand"))
    change = step(grid, sweep(grid), position("0.05", 1))
    (corrected,) = (each for each in change.notices if isinstance(each, PositionCorrected))
    assert (corrected.quantity, corrected.position) == (D("-0.153"), D("0.05"))
    assert (corrected.operator, corrected.reason) == ("ann", "sold by hand")
    assert answer(change).outcome is CommandOutcome.APPLIED
    assert answer(change).detail == (
        f"booked -0.153 BTC at 1000, profit {corrected.grid_profit} USDT; the books hold 0.050 BTC"
    )
    assert not state_of(grid).asked


def test_liquidation_is_booked_at_its_price() -> None:
    grid = holding()
    step(grid, foreign("liquidation", "-0.203", 900))
    assert "booked -0.203 BTC at 900 (trade liquidation), profit" in accepted(grid, "0", "0").detail
    assert state_of(grid).accounts.position == 0


def test_reset_works_after_an_accepted_difference() -> None:
    grid = holding()
    step(grid, position(0, 1))
    tripped = step(grid, position(0, 1))
    end(grid, *canceled(tripped))
    result = accepted(grid, "0", "0")
    assert result.detail.endswith("the circuit breaker stays open until its cool-down ends or `reset`")
    assert (
        view(state_of(grid), 1).not_quoting_detail == "the position differed, and was accepted by ann: test"
    )
    step(grid, command(CommandName.RESET))
    for _ in range(2):
        grid.process([sweep(grid, 2), position(0, 2)])
    assert state_of(grid).breaker.state is BreakerState.CLOSED
    assert state_of(grid).venue_position is None


def test_breaker_opened_for_another_reason_keeps_it() -> None:
    grid = holding()
    step(grid, command(CommandName.TRIP))
    assert "circuit breaker" not in accepted(grid, "0", "0").detail
    assert state_of(grid).breaker.reason == "opened by ann: test"


def test_position_that_moved_is_refused() -> None:
    grid = holding()
    result = accepted(grid, "0", "0.1")
    assert result.outcome is CommandOutcome.REFUSED
    assert result.detail == "the venue's position is 0.1 BTC now, not 0: nothing is booked"
    assert state_of(grid).accounts.position == D("0.203")


@pytest.mark.parametrize(
    ("quantity", "reason", "detail"),
    [
        ("0", " ", "accepting a position needs a reason"),
        *(
            (
                each,
                "sold",
                "the accepted position has to be a number of at most 18 digits on each side of the point",
            )
            for each in ("NaN", "-Infinity", "1e18", "1e-19")
        ),
    ],
)
def test_incomplete_command_is_refused_at_once(quantity: str, reason: str, detail: str) -> None:
    result = answer(step(holding(), accept(quantity, reason=reason)))
    assert (result.outcome, result.detail) == (CommandOutcome.REFUSED, detail)


def test_grid_that_has_not_started_refuses() -> None:
    grid = Grid(None, 0)
    grid.process([added(settings_of(LONG, preflight=True)), ticker(1000)])
    assert answer(step(grid, accept("0"))).detail.startswith("the grid has not started")


def test_missing_trades_refuse() -> None:
    grid = holding()
    filled = order(grid, -1)
    step(grid, accept("0"), report(filled.client_order_id, OrderStatus.FILLED, filled.quantity))
    result = answer(step(grid, sweep(grid), position(0, 1)))
    assert result.outcome is CommandOutcome.REFUSED
    assert result.detail.startswith("trades of an order are missing, which may explain the difference")


def test_unconfirmed_orders_refuse() -> None:
    grid = holding()
    step(grid, accept("0"))
    missing = order(grid, -1).client_order_id
    result = answer(step(grid, sweep(grid, without=(missing,)), position(0, 1)))
    assert result.detail.startswith("orders are unconfirmed")
    assert state_of(grid).accounts.position == D("0.203")


def test_equal_position_changes_nothing() -> None:
    result = accepted(holding(), "0.203", "0.203")
    assert (result.outcome, result.detail) == (
        CommandOutcome.UNCHANGED,
        "no difference: the books hold 0.203 BTC",
    )


def test_dry_run_reports_what_would_be_booked() -> None:
    grid = holding()
    result = accepted(grid, "0", "0", dry_run=True)
    assert result.outcome is CommandOutcome.APPLIED
    assert result.detail.startswith("dry run, nothing changed: would book -0.203 BTC at 1000")
    assert (state_of(grid).accounts.position, state_of(grid).asked) == (D("0.203"), [])


def test_dry_run_beside_a_real_command_changes_nothing() -> None:
    grid = holding()
    step(grid, accept("0", dry_run=True, command_id="dry"), command(CommandName.RECONCILE))
    change = step(grid, sweep(grid), position(0, 1))
    assert not any(isinstance(each, PositionCorrected) for each in change.notices)
    assert state_of(grid).accounts.position == D("0.203")


def test_older_position_is_awaited_once() -> None:
    grid = holding()
    step(grid, ticker(1000, 5), accept("0"))
    change = step(grid, sweep(grid, 6), position(0, 4))
    assert not change.notices
    assert answer(step(grid, sweep(grid, 7), position(0, 4))).outcome is CommandOutcome.APPLIED


def test_unknown_position_refuses() -> None:
    grid = holding()
    step(grid, accept("0"))
    step(grid, sweep(grid))
    assert answer(step(grid, sweep(grid, 2))).detail == "the venue's position is unknown: nothing is booked"


def test_command_is_not_applied_after_its_expiry() -> None:
    grid = holding()
    step(grid, accept("0", received=1, expires=30))
    assert answer(step(grid, sweep(grid, 29.5), position(0, 29))).outcome is CommandOutcome.EXPIRED
    assert state_of(grid).accounts.position == D("0.203")


def test_two_commands_book_once() -> None:
    grid = holding()
    step(grid, accept("0"), accept("0", command_id="c2"))
    change = step(grid, sweep(grid), position(0, 1))
    outcomes = [each.outcome for each in change.notices if isinstance(each, CommandResult)]
    assert outcomes == [CommandOutcome.APPLIED, CommandOutcome.UNCHANGED]


def test_foreign_position_is_reduced_first() -> None:
    grid = holding()
    state_of(grid).foreign_position = D(5)
    result = accepted(grid, "0.1", "0.1")
    assert result.detail.startswith("booked -5 BTC of the foreign position, which is 0; -0.103 BTC at 1000")
    state = state_of(grid)
    assert (state.foreign_position, state.accounts.position) == (D(0), D("0.1"))


def test_grid_without_trades_has_nothing_to_correct() -> None:
    assert accepted(started(NEUTRAL), "5", "5").outcome is CommandOutcome.UNCHANGED


def test_spot_books_what_the_operator_states() -> None:
    grid = started(LONG, instrument=SPOT)
    fill(grid, -1)
    accept_all(grid)
    assert accepted(grid, "0.05", "7").detail.startswith("booked -0.051 BTC at 1000")
    assert state_of(grid).accounts.position == D("0.05")


def test_spot_refuses_more_than_the_wallet() -> None:
    grid = started(LONG, instrument=SPOT)
    fill(grid, -1)
    accept_all(grid)
    result = accepted(grid, "0.2", "0.1")
    assert result.detail == "the account has 0.1 BTC now, less than 0.2: nothing is booked"
    assert answer(step(grid, accept("-1"))).detail == "a spot position cannot be negative"


def test_step_is_reproducible_from_its_causes() -> None:
    grid = holding()
    step(grid, foreign("a", "-0.203", 900), accept("0"))
    before = encode(state_of(grid))
    change = step(grid, sweep(grid), position(0, 1))
    again = Grid(msgspec.json.decode(before, type=GridState), grid.step - 1)
    assert step(again, *change.causes).notices == change.notices
    assert encode(state_of(again)) == encode(state_of(grid))
