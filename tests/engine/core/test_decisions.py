"""The reason of each decision: a code, its words, and figures where they decided."""

import msgspec
import pytest

from engine.core.decisions import figures, milliseconds, seconds
from engine.core.grid import Grid
from engine.core.step import Change
from schemas.engine.control import CommandName
from schemas.grid.view import NotQuoting
from schemas.venue.decision_reasons import DecisionReason, words
from schemas.venue.orders import CancelOrder, OrderStatus
from tests.engine.core.examples import (
    LONG,
    D,
    added,
    command,
    fill,
    order,
    placed,
    report,
    started,
    step,
    ticker,
)

NOT_A_BLOCK = {
    *(NotQuoting.NO_PRICE, NotQuoting.QUARANTINED, NotQuoting.WAITING_FOR_LEASE),
    *(NotQuoting.BELOW_MINIMUM, NotQuoting.QUOTA, NotQuoting.COOL_DOWN, NotQuoting.WINDOW_FULL),
    *(NotQuoting.AWAITING_VENUE, NotQuoting.OUT_OF_BOUNDS, NotQuoting.WOULD_CROSS),
    *(NotQuoting.ABOVE_MAXIMUM, NotQuoting.OUTSIDE_PRICE_BAND, NotQuoting.LEVELS_TOO_CLOSE),
    NotQuoting.BREAKER_HALF_OPEN,
    *(
        NotQuoting.ENGINE_SILENT,
        NotQuoting.GATEWAY_SILENT,
        NotQuoting.ACCOUNT_SILENT,
        NotQuoting.MARKET_SILENT,
    ),
    *(NotQuoting.VENUE_UNREACHABLE, NotQuoting.BUS_SILENT),
}
"""Reasons for not quoting that cancel no order, or that only readers set."""


def codes(change: Change) -> set[DecisionReason | None]:
    return {each.reason_code for each in change.decisions}


def test_orders_say_whether_they_open_or_close_a_level() -> None:
    grid = Grid(None, 0)
    assert codes(step(grid, added(), ticker(1000))) == {DecisionReason.OPEN_LEVEL}
    assert codes(fill(grid, -1)) == {DecisionReason.CLOSE_LEVEL}


def test_an_order_outside_the_window_is_canceled_with_the_figures() -> None:
    grid = started()
    canceled = [each for each in step(grid, ticker(1010, 1)).decisions if isinstance(each, CancelOrder)]
    assert [(each.reason_code, each.reason, each.figures) for each in canceled] == [
        (DecisionReason.OUTSIDE_WINDOW, "outside the window", {"center": "1", "levels": "3"})
    ]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (CommandName.PAUSE, DecisionReason.PAUSED),
        (CommandName.STOP, DecisionReason.STOPPED),
        (CommandName.FLATTEN, DecisionReason.FLATTENING),
        (CommandName.TRIP, DecisionReason.BREAKER_OPEN),
    ],
)
def test_a_cancel_names_what_forbids_opening_orders(name: CommandName, code: DecisionReason) -> None:
    assert codes(step(started(), command(name))) == {code}


def test_flattening_places_orders_to_flatten() -> None:
    grid = started()
    fill(grid, -1)
    step(grid, command(CommandName.FLATTEN))
    ids = [order(grid, level).client_order_id for level in (-1, -2, -3)]
    change = step(grid, *(report(each, OrderStatus.CANCELED) for each in ids))
    assert [each.reason_code for each in placed(change)] == [DecisionReason.FLATTEN]


def test_a_half_open_breaker_places_trial_levels() -> None:
    grid = started(msgspec.structs.replace(LONG, breaker_cool_down=1))
    step(grid, command(CommandName.TRIP))
    for level in (-1, -2, -3):
        step(grid, report(order(grid, level).client_order_id, OrderStatus.CANCELED))
    assert codes(step(grid, ticker(1000, 60))) == {DecisionReason.OPEN_TRIAL_LEVEL}


@pytest.mark.parametrize("reason", sorted(set(NotQuoting) - NOT_A_BLOCK))
def test_every_reason_that_cancels_orders_is_a_reason_of_decisions(reason: NotQuoting) -> None:
    assert DecisionReason(reason.value).value == reason.value


@pytest.mark.parametrize("reason", DecisionReason)
def test_words_are_plain(reason: DecisionReason) -> None:
    assert words(reason)
    assert "_" not in words(reason)


def test_figures_are_written_out_with_their_units() -> None:
    found = figures(
        loss=D("1E+2"), limit_s=seconds(1_500_000_000), p99_ms=milliseconds(2_000_000), orders=3, none=None
    )
    assert found == {"loss": "100", "limit_s": "1.5", "p99_ms": "2", "orders": "3"}
