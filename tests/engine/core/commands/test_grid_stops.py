"""Stops of a whole grid: reached once, reported with figures, and kept across restarts."""

import msgspec
import pytest

from engine.core.commands.grid_stops import check, is_set, reached
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
    at,
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
    touches,
)


def held(**changes: object) -> Grid:
    """Return a grid that holds 0.101 bought at 990, with a total profit of 0.99 - 0.02 at 1000."""
    grid = started(settings_of(LONG, **changes))
    fill(grid, -1)
    accept_all(grid)
    return grid


@pytest.mark.parametrize(
    ("setting", "limit", "before", "at", "details"),
    [
        ("stop_loss", D(2), 971, 969, "total profit -2.1410 USDT at 969, the limit is -2"),
        ("take_profit", D(2), 1009, 1011, "total profit 2.1010 USDT at 1011, the target is 2"),
        ("stop_below_price", D(980), 981, 980, "price 980, the limit is 980; total profit -1.0300 USDT"),
        (
            "stop_above_price",
            D(1020),
            1019,
            1020,
            "price 1020, the limit is 1020; total profit 3.0100 USDT",
        ),
    ],
)
def test_reached_stop_flattens_and_reports_figures(
    setting: str, limit: object, before: int, at: int, details: str
) -> None:
    grid = held(**{setting: limit})
    grid.process([ticker(before, 1)])
    assert state_of(grid).halt is None
    change = step(grid, ticker(at, 2))
    assert risks(change) == [(setting, True), ("flatten", True)]
    notice = change.notices[0]
    assert isinstance(notice, RiskChanged)
    assert (notice.severity, notice.details) == (Severity.CRITICAL, details)
    assert not placed(change)
    assert len(canceled(change)) >= 1
    assert grid.why_not_quoting() is NotQuoting.FLATTENING


def test_stop_is_reported_once() -> None:
    grid = held(stop_loss=D(2))
    step(grid, ticker(969, 1))
    grid.process([ticker(940, 2)])
    change = grid.process([ticker(900, 3)])
    assert change is None or not any(name == "stop_loss" for name, _ in risks(change))


def test_stop_persists_across_restart() -> None:
    grid = held(stop_loss=D(2))
    step(grid, ticker(969, 1))
    restarted = Grid(msgspec.json.decode(encode(state_of(grid)), type=GridState), grid.step)
    assert not placed(step(restarted, ticker(1000, 2)))
    assert restarted.why_not_quoting() is NotQuoting.FLATTENING


def test_resume_is_refused_while_the_stop_is_reached() -> None:
    grid = held(stop_loss=D(2))
    step(grid, ticker(969, 1))
    refused = answer(step(grid, command(CommandName.RESUME)))
    assert refused.outcome is CommandOutcome.REFUSED
    assert refused.detail.startswith("stop_loss would stop it again at once (total profit -2.1410 USDT")


def test_resume_after_a_changed_limit_clears_the_stop() -> None:
    grid = held(stop_loss=D(2))
    step(grid, ticker(969, 1))
    step(grid, command(CommandName.SET, changes={"stop_loss": "5 USDT"}))
    assert risks(step(grid, command(CommandName.RESUME))) == [("flatten", False), ("stop_loss", False)]


@pytest.mark.parametrize("setting", ["stop_below_price", "stop_above_price"])
def test_price_stop_applies_without_a_position(setting: str) -> None:
    grid = started(settings_of(NEUTRAL, **{setting: D(1000)}))
    assert grid.why_not_quoting() is NotQuoting.STOPPED
    assert not state_of(grid).slots


@pytest.mark.parametrize(("setting", "price"), [("stop_loss", 980), ("take_profit", 1000)])
def test_stop_is_reached_at_its_limit(setting: str, price: int) -> None:
    grid = held(**{setting: D("0.5")})
    limit = D("1.03") if setting == "stop_loss" else D("0.99")
    for some, is_reached in ((limit, True), (limit + D("0.01"), False), (D("0.5"), True)):
        settings = settings_of(LONG, **{setting: some})
        assert (reached(state_of(grid), settings, D(price), at(1)) is not None) is is_reached


def test_check_touches_the_draft_once() -> None:
    grid = held(stop_loss=D("0.5"))
    assert touches(check, draft_of(grid, 980))
    assert not touches(check, draft_of(grid, 980))


@pytest.mark.parametrize(
    ("setting", "limit"),
    [
        ("stop_loss", D("0.5")),
        ("take_profit", D("0.5")),
        ("stop_below_price", D(1)),
        ("stop_above_price", D(9999)),
    ],
)
def test_any_configured_stop_is_set_until_halted(setting: str, limit: object) -> None:
    state = state_of(started(settings_of(LONG, **{setting: limit})))
    assert is_set(state)
    state.halt = Halt(reason="")
    assert not is_set(state)


def test_no_stop_is_set_by_default() -> None:
    assert not is_set(state_of(started()))
