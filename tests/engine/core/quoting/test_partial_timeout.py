"""Levels that are filled in part for too long."""

import msgspec

from schemas.units import SECOND_NS
from schemas.venue.decision_reasons import DecisionReason
from schemas.venue.orders import CancelOrder, OrderStatus
from tests.engine.core.examples import (
    LONG,
    PERPETUAL,
    D,
    order,
    placed,
    report,
    silence,
    started,
    step,
    ticker,
    trade,
)

PATIENT = msgspec.structs.replace(LONG, partial_timeout=60 * SECOND_NS)


def test_the_rest_is_canceled_after_the_time_and_what_it_holds_is_offered() -> None:
    grid = started(PATIENT)
    opening = order(grid, -1).client_order_id
    step(grid, trade(order(grid, -1), "0.09"))
    assert grid.process([ticker("999", 59)]) is None
    change = step(grid, ticker("999", 60))
    assert [
        (each.client_order_id, each.reason_code) for each in change.decisions if isinstance(each, CancelOrder)
    ] == [(opening, DecisionReason.PARTIAL_TIMEOUT)]
    closing = placed(step(grid, report(opening, OrderStatus.CANCELED, "0.09", seconds=61)))
    assert [(each.level, each.opens, each.price, each.quantity) for each in closing] == [
        (-1, False, D(1000), D("0.090"))
    ]


def test_the_time_counts_from_the_first_fill_also_in_silence() -> None:
    grid = started(PATIENT)
    step(grid, trade(order(grid, -1), "0.05"))
    step(grid, ticker("999", 40), trade(order(grid, -1), "0.02"))
    assert order(grid, -1).state == "open"
    assert any(isinstance(each, CancelOrder) for each in step(grid, silence(60)).decisions)


def test_a_quantity_that_cannot_be_sold_waits_for_the_rest() -> None:
    grid = started(PATIENT, instrument=msgspec.structs.replace(PERPETUAL, minimum_notional=D(50)))
    step(grid, trade(order(grid, -1), "0.01"))
    assert grid.process([ticker("999", 100)]) is None


def test_without_the_setting_it_waits() -> None:
    grid = started(LONG)
    step(grid, trade(order(grid, -1), "0.09"))
    assert grid.process([ticker("999", 1000)]) is None
