"""Commands: applied once, before their expiry, and answered."""

import pytest

from schemas.engine.control import CommandName, CommandOutcome
from schemas.units import Side
from tests.engine.core.examples import (
    NEUTRAL,
    accept_all,
    answer,
    answers,
    at,
    canceled,
    command,
    fill,
    order,
    placed,
    started,
    state_of,
    step,
    ticker,
)


def test_pause_cancels_opening_orders_and_keeps_closing_orders() -> None:
    grid = started(NEUTRAL)
    fill(grid, -1)
    accept_all(grid)
    closing = order(grid, -1).client_order_id
    change = step(grid, command(CommandName.PAUSE))
    assert answer(change).outcome is CommandOutcome.ACCEPTED
    assert len(canceled(change)) == 5
    assert closing not in canceled(change)


def test_paused_grid_places_closing_orders_only() -> None:
    grid = started()
    step(grid, command(CommandName.PAUSE))
    assert not placed(step(grid, ticker(980)))
    assert [each.side for each in placed(fill(grid, -1))] == [Side.SELL]


def test_resume_places_opening_orders_again() -> None:
    grid = started()
    grid.process([command(CommandName.PAUSE), ticker(1000)])
    change = step(grid, command(CommandName.RESUME), ticker(900))
    assert [each.outcome for each in answers(change)] == [CommandOutcome.INCOMPLETE, CommandOutcome.APPLIED]
    assert len(placed(change)) == 3


def test_the_answer_to_resume_names_what_still_blocks_quoting() -> None:
    grid = started()
    step(grid, command(CommandName.TRIP))
    step(grid, command(CommandName.PAUSE))
    change = step(grid, command(CommandName.RESUME))
    assert not placed(change)
    detail = answers(change)[-1].detail
    assert detail.startswith("resumed, but nothing is opened: The circuit breaker is open")
    assert "./opensqt control reset" in detail


@pytest.mark.parametrize(("name", "paused"), [(CommandName.PAUSE, True), (CommandName.RESUME, False)])
def test_repeated_pause_or_resume_is_unchanged(name: CommandName, paused: bool) -> None:
    grid = started()
    state_of(grid).paused = paused
    result = answer(step(grid, command(name)))
    assert result.outcome is CommandOutcome.UNCHANGED


def test_expired_command_is_answered_but_not_applied() -> None:
    grid = started()
    change = step(grid, command(CommandName.PAUSE, received=31))
    assert answer(change).outcome is CommandOutcome.EXPIRED
    assert not state_of(grid).paused
    assert not change.decisions


def test_command_is_applied_until_its_expiry() -> None:
    assert answer(step(started(), command(CommandName.PAUSE, received=30))).outcome is CommandOutcome.ACCEPTED


def test_answer_carries_operator_reason_and_receive_time() -> None:
    grid = started()
    asked = command(CommandName.PAUSE, received=7)
    result = answer(step(grid, asked))
    assert (result.command_id, result.operator, result.reason) == ("c1", "ann", "test")
    assert (result.step, result.time) == (grid.step, at(7))


def test_command_time_is_not_market_time() -> None:
    grid = started()
    step(grid, command(CommandName.PAUSE, received=20, expires=99))
    assert state_of(grid).time == at(0)


def test_add_is_refused_by_a_running_grid() -> None:
    result = answer(step(started(), command(CommandName.ADD)))
    assert (result.outcome, result.detail) == (
        CommandOutcome.REFUSED,
        "the symbol is already traded: only a new symbol can be added",
    )
