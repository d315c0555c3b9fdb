"""Commands: done once, in time, and answered."""

import pytest

from schemas.engine.control import CommandName, CommandOutcome
from schemas.units import Side
from tests.engine.core.examples import (
    NEUTRAL,
    accept_all,
    answer,
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


def test_pause_cancels_what_opens_and_keeps_what_closes() -> None:
    grid = started(NEUTRAL)
    fill(grid, -1)
    accept_all(grid)
    closing = order(grid, -1).client_order_id
    change = step(grid, command(CommandName.PAUSE))
    assert answer(change).outcome is CommandOutcome.APPLIED
    assert len(canceled(change)) == 5
    assert closing not in canceled(change)


def test_paused_opens_nothing_and_still_closes() -> None:
    grid = started()
    step(grid, command(CommandName.PAUSE))
    assert not placed(step(grid, ticker(980)))
    assert [each.side for each in placed(fill(grid, -1))] == [Side.SELL]


def test_resume_opens_again() -> None:
    grid = started()
    grid.process([command(CommandName.PAUSE), ticker(1000)])
    change = step(grid, command(CommandName.RESUME), ticker(900))
    assert answer(change).outcome is CommandOutcome.APPLIED
    assert len(placed(change)) == 3


@pytest.mark.parametrize(("name", "paused"), [(CommandName.PAUSE, True), (CommandName.RESUME, False)])
def test_what_is_so_already_is_unchanged(name: CommandName, paused: bool) -> None:
    grid = started()
    state_of(grid).paused = paused
    result = answer(step(grid, command(name)))
    assert result.outcome is CommandOutcome.UNCHANGED


def test_an_expired_command_is_answered_and_not_applied() -> None:
    grid = started()
    change = step(grid, command(CommandName.PAUSE, received=31))
    assert answer(change).outcome is CommandOutcome.EXPIRED
    assert not state_of(grid).paused
    assert not change.decisions


def test_a_command_is_in_time_until_its_expiry() -> None:
    assert answer(step(started(), command(CommandName.PAUSE, received=30))).outcome is CommandOutcome.APPLIED


def test_an_answer_says_who_asked_and_when_it_was_read() -> None:
    grid = started()
    asked = command(CommandName.PAUSE, received=7)
    result = answer(step(grid, asked))
    assert (result.command_id, result.operator, result.reason) == ("c1", "ann", "test")
    assert (result.step, result.time) == (grid.step, at(7))


def test_a_commands_time_is_not_the_markets() -> None:
    grid = started()
    step(grid, command(CommandName.PAUSE, received=20, expires=99))
    assert state_of(grid).time == at(0)


def test_adding_is_not_a_grids_own_business() -> None:
    result = answer(step(started(), command(CommandName.ADD)))
    assert (result.outcome, result.detail) == (
        CommandOutcome.REFUSED,
        "it is traded already: a symbol is added at its venue",
    )
