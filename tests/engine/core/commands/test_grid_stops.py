"""The stops of a whole grid: reached once, told with figures, and not undone by a restart."""

import msgspec
import pytest

from engine.core.commands.grid_stops import is_set, look, reached
from engine.core.grid import Grid
from schemas.codec import encode
from schemas.engine.control import CommandName, CommandOutcome
from schemas.engine.events import RiskChanged, Severity
from schemas.grid.state import GridState, Halt
from schemas.grid.view import NotQuoting
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
    D,
    accept_all,
    answer,
    canceled,
    command,
    draft_of,
    fill,
    placed,
    risks,
    settings_of,
    started,
    state_of,
    step,
    ticker,
)


def held(**changes: object) -> Grid:
    """Return a grid that holds 0.101 bought at 990, with a total of 0.99 - 0.02 at 1000."""
    grid = started(settings_of(LONG, **changes))
    fill(grid, -1)
    accept_all(grid)
    return grid


@pytest.mark.parametrize(
    ("setting", "limit", "before", "at", "details"),
    [
        ("stop_loss", D(2), 971, 969, "the total is -2.1410 USDT at 969, the limit -2"),
        ("take_profit", D(2), 1009, 1011, "the total is 2.1010 USDT at 1011, the aim 2"),
        ("stop_below_price", D(980), 981, 980, "the price is 980, the limit 980; the total is -1.0300 USDT"),
        (
            "stop_above_price",
            D(1020),
            1019,
            1020,
            "the price is 1020, the limit 1020; the total is 3.0100 USDT",
        ),
    ],
)
def test_a_stop_closes_the_position_and_tells_its_figures(
    setting: str, limit: object, before: int, at: int, details: str
) -> None:
    grid = held(**{setting: limit})
    grid.process([ticker(before, 1)])
    assert state_of(grid).halt is None
    change = step(grid, ticker(at, 2))
    assert risks(change) == [(setting, True), ("flatten", True)]
    told = change.notices[0]
    assert isinstance(told, RiskChanged)
    assert (told.severity, told.details) == (Severity.CRITICAL, details)
    assert not placed(change)
    assert len(canceled(change)) >= 1
    assert grid.why_not_quoting() is NotQuoting.FLATTENING


def test_a_stop_is_reached_once() -> None:
    grid = held(stop_loss=D(2))
    step(grid, ticker(969, 1))
    grid.process([ticker(940, 2)])
    change = grid.process([ticker(900, 3)])
    assert change is None or not any(name == "stop_loss" for name, _ in risks(change))


def test_a_restart_does_not_start_it_again() -> None:
    grid = held(stop_loss=D(2))
    step(grid, ticker(969, 1))
    again = Grid(msgspec.json.decode(encode(state_of(grid)), type=GridState), grid.step)
    assert not placed(step(again, ticker(1000, 2)))
    assert again.why_not_quoting() is NotQuoting.FLATTENING


def test_it_is_not_resumed_while_the_stop_is_reached() -> None:
    grid = held(stop_loss=D(2))
    step(grid, ticker(969, 1))
    refused = answer(step(grid, command(CommandName.RESUME)))
    assert refused.outcome is CommandOutcome.REFUSED
    assert refused.detail.startswith("it would stop again at once, by stop_loss: the total is -2.1410 USDT")


def test_a_resume_after_another_limit_is_set_ends_the_alarm() -> None:
    grid = held(stop_loss=D(2))
    step(grid, ticker(969, 1))
    step(grid, command(CommandName.SET, changes={"stop_loss": "5 USDT"}))
    assert risks(step(grid, command(CommandName.RESUME))) == [("flatten", False), ("stop_loss", False)]


@pytest.mark.parametrize("setting", ["stop_below_price", "stop_above_price"])
def test_without_a_position_a_price_stops_as_well(setting: str) -> None:
    grid = started(settings_of(NEUTRAL, **{setting: D(1000)}))
    assert grid.why_not_quoting() is NotQuoting.STOPPED
    assert not state_of(grid).slots


@pytest.mark.parametrize(("setting", "price"), [("stop_loss", 980), ("take_profit", 1000)])
def test_the_limit_itself_is_reached(setting: str, price: int) -> None:
    grid = held(**{setting: D("0.5")})
    limit = D("1.03") if setting == "stop_loss" else D("0.99")
    for some, is_reached in ((limit, True), (limit + D("0.01"), False), (D("0.5"), True)):
        state_of(grid).settings = settings_of(LONG, **{setting: some})
        assert (reached(state_of(grid), D(price)) is not None) is is_reached


def test_whoever_stops_says_so() -> None:
    grid = held(stop_loss=D("0.5"))
    assert look(draft_of(grid, 980))
    assert not look(draft_of(grid, 980))


@pytest.mark.parametrize(
    ("setting", "limit"),
    [
        ("stop_loss", D("0.5")),
        ("take_profit", D("0.5")),
        ("stop_below_price", D(1)),
        ("stop_above_price", D(9999)),
    ],
)
def test_any_stop_makes_every_tick_count_until_it_is_reached(setting: str, limit: object) -> None:
    state = state_of(started(settings_of(LONG, **{setting: limit})))
    assert is_set(state)
    state.halt = Halt(reason="")
    assert not is_set(state)


def test_without_a_stop_no_tick_counts() -> None:
    assert not is_set(state_of(started()))
