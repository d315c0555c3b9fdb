"""A spot account that has less than the grid holds: closing orders are cut, and one alert is raised."""

from engine.core.grid import Grid
from schemas.engine.events import AlertRaised, Reconciled, Severity
from schemas.units import Side
from schemas.venue.account import OpenOrder, OpenOrders
from schemas.venue.orders import OrderStatus, RejectReason
from tests.builders import SIM
from tests.engine.core.examples import (
    LONG,
    SPOT,
    D,
    accept_all,
    at,
    fill,
    order,
    placed,
    position,
    report,
    slot,
    started,
    state_of,
    step,
    ticker,
)


def holding() -> Grid:
    """Return a spot grid that holds 0.101, and whose closing order was refused for lack of it."""
    grid = started(LONG, instrument=SPOT)
    fill(grid, -1)
    accept_all(grid)
    refused = report(
        order(grid, -1).client_order_id, OrderStatus.CANCELED, reason=RejectReason.INSUFFICIENT_MARGIN
    )
    step(grid, refused)
    return grid


def sweep(grid: Grid, wallet: str, seconds: float) -> list[AlertRaised]:
    orders = [each.order for each in state_of(grid).slots.values() if each.order and each.order.ended is None]
    listed = tuple(
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
    )
    found = OpenOrders(venue=SIM, symbol=SPOT.symbol, orders=listed, includes=0, time=at(seconds))
    change = grid.process([found, position(wallet, seconds)])
    return [] if change is None else [each for each in change.notices if isinstance(each, AlertRaised)]


def test_an_account_with_less_is_told_once() -> None:
    grid = holding()
    alerts = [sweep(grid, "0.04", seconds) for seconds in (0.1, 0.2, 0.3)]
    (alert,) = alerts[1]
    assert not alerts[0]
    assert not alerts[2]
    assert (alert.code, alert.severity) == ("account_short", Severity.HIGH)
    assert alert.detail == "the account has 0.04 BTC, 0.061 less than the grid holds"
    assert state_of(grid).venue_position == D("0.04")


def test_the_difference_is_a_finding_of_the_reconciliation() -> None:
    grid = holding()
    sweep(grid, "0.04", 0.1)
    found = OpenOrders(venue=SIM, symbol=SPOT.symbol, orders=(), includes=0, time=at(0.2))
    change = grid.process([position("0.04", 0.2)])
    assert change is not None
    assert found.symbol
    (finding,) = [each for each in change.notices if isinstance(each, Reconciled)]
    assert "0.061 less than the grid holds: closing orders are cut to that" in finding.action


def test_a_closing_order_is_cut_to_what_the_account_has() -> None:
    grid = holding()
    sweep(grid, "0.04", 0.1)
    sweep(grid, "0.04", 0.2)
    (sale,) = placed(step(grid, ticker(1000, 2)))
    assert (sale.side, sale.quantity) == (Side.SELL, D("0.04"))
    assert slot(grid, -1).held == D("0.101")


def test_opening_orders_stay() -> None:
    grid = holding()
    opening = {level: order(grid, level).client_order_id for level in (-2, -3)}
    sweep(grid, "0.04", 0.1)
    sweep(grid, "0.04", 0.2)
    step(grid, ticker(1000, 2))
    assert opening == {level: order(grid, level).client_order_id for level in (-2, -3)}
    assert grid.why_not_quoting() is None


def test_an_account_without_any_gets_no_closing_order() -> None:
    grid = holding()
    sweep(grid, "0", 0.1)
    sweep(grid, "0", 0.2)
    assert grid.process([ticker(1000, 2)]) is None
    assert slot(grid, -1).order is None


def test_coins_that_come_back_end_it() -> None:
    grid = holding()
    sweep(grid, "0.04", 0.1)
    sweep(grid, "0.04", 0.2)
    (alert,) = sweep(grid, "0.2", 0.3)
    assert (alert.code, alert.severity) == ("account_restored", Severity.LOW)
    (sale,) = placed(step(grid, ticker(1000, 2)))
    assert sale.quantity == D("0.101")


def test_more_than_the_grid_holds_is_no_difference() -> None:
    grid = holding()
    assert not sweep(grid, "5", 0.1)
    assert not sweep(grid, "5", 0.2)
    assert state_of(grid).venue_position is None
