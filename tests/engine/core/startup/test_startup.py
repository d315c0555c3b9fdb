"""What the first order waits for: the account looked at, the trigger price seen; each once."""

import msgspec
import pytest

from engine.core.grid import Grid
from engine.core.step import Change
from engine.core.view import view
from schemas.codec import encode
from schemas.engine.events import RiskChanged, Severity
from schemas.grid.settings import GridSettings
from schemas.grid.state import GridState
from schemas.grid.view import NotQuoting
from schemas.venue.account import Balance, Position
from schemas.venue.instruments import Instrument
from schemas.venue.market import FeedChanged, FeedState
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
    PERPETUAL,
    SPOT,
    D,
    added,
    balance,
    fill,
    placed,
    position,
    risks,
    state_of,
    step,
    stream,
    ticker,
)

CAREFUL = msgspec.structs.replace(NEUTRAL, preflight=True, position_safety_check=D(50))
TRIGGERED = msgspec.structs.replace(NEUTRAL, trigger_price=D(980))


def held(quantity: str | int = 0, *, leverage: int = 5, entry: str | int = 0) -> Position:
    return msgspec.structs.replace(position(quantity), leverage=D(leverage), entry_price=D(entry))


def waiting(settings: GridSettings = CAREFUL, instrument: Instrument = PERPETUAL, price: int = 1000) -> Grid:
    grid = Grid(None, 0)
    step(grid, added(settings, instrument), ticker(price))
    return grid


def reason(grid: Grid) -> NotQuoting | None:
    return grid.why_not_quoting()


def told(change: Change) -> list[tuple[Severity, str]]:
    return [(each.severity, each.details) for each in change.notices if isinstance(each, RiskChanged)]


def test_without_word_of_the_account_nothing_is_placed() -> None:
    grid = waiting()
    assert reason(grid) is NotQuoting.PREFLIGHT
    assert "nobody said yet" in view(state_of(grid), 1).not_quoting_detail
    assert not any(slot.order for slot in state_of(grid).slots.values())


def test_all_three_levels_let_it_start() -> None:
    grid = waiting()
    assert not placed(step(grid, stream()))
    assert not placed(step(grid, balance()))
    change = step(grid, held())
    assert len(placed(change)) == 6
    assert ("preflight", False) in risks(change)
    assert state_of(grid).startup is None


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_in_whatever_order_they_come(order: tuple[int, ...]) -> None:
    news = (stream(), balance(), held())
    grid = waiting()
    grid.process([news[i] for i in order])
    assert len(state_of(grid).slots) == 6


def test_spot_has_no_leverage_to_wait_for() -> None:
    grid = waiting(msgspec.structs.replace(LONG, preflight=True, position_safety_check=D(10)), SPOT)
    assert placed(step(grid, stream(), balance()))


@pytest.mark.parametrize("news", [stream(), balance(), held()], ids=["stream", "balance", "position"])
def test_a_repeated_level_is_nothing(news: FeedChanged | Balance | Position) -> None:
    grid = waiting()
    step(grid, news)
    assert grid.process([news]) is None


def test_another_currency_is_nothing() -> None:
    assert waiting().process([balance(asset="EUR")]) is None


def test_after_the_start_the_account_is_nothing() -> None:
    grid = waiting()
    step(grid, stream(), balance(), held())
    assert grid.process([balance(5)]) is None
    assert grid.process([stream(FeedState.DOWN)]) is None


def test_a_refusal_names_the_check_the_figures_and_what_would_do() -> None:
    grid = waiting()
    change = step(grid, stream(), balance(900), held())
    assert told(change) == [
        (
            Severity.HIGH,
            (
                "position_safety_check refused: 900 * 5 / 100 USDT is 45 orders, at least 50: "
                "order_amount of at most 90 USDT, or a balance of 1000 USDT"
            ),
        )
    ]
    assert view(state_of(grid), 1).not_quoting_detail == told(change)[0][1]


def test_a_refusal_is_told_once_and_ends_by_itself() -> None:
    grid = waiting()
    step(grid, stream(), balance(900), held())
    assert grid.process([ticker(1001, 1)]) is None
    assert placed(step(grid, balance(1000)))


def test_while_it_waits_a_word_of_what_is_missing_is_low() -> None:
    grid = Grid(None, 0)
    change = step(grid, added(CAREFUL), ticker(1000))
    assert [severity for severity, _ in told(change)] == [Severity.LOW]


def test_a_balance_that_changes_little_is_nothing() -> None:
    grid = waiting()
    step(grid, stream(), balance(900), held())
    assert grid.process([balance(905)]) is None
    change = step(grid, balance(950))
    assert not told(change)
    assert "950 * 5" in view(state_of(grid), 1).not_quoting_detail


def test_a_balance_that_becomes_enough_by_little_counts() -> None:
    grid = waiting()
    step(grid, stream(), balance(999), held())
    assert placed(step(grid, balance(1000)))


def test_a_stream_that_went_down_again_holds_it_back() -> None:
    grid = waiting()
    step(grid, stream())
    step(grid, stream(FeedState.DOWN), balance(), held())
    assert reason(grid) is NotQuoting.PREFLIGHT
    assert placed(step(grid, stream()))


def test_what_is_passed_stays_passed_over_a_restart() -> None:
    grid = waiting(msgspec.structs.replace(CAREFUL, trigger_price=D(980)))
    change = step(grid, stream(), balance(), held())
    assert risks(change) == [("preflight", False), ("trigger_price", True)]
    again = Grid(msgspec.json.decode(encode(state_of(grid)), type=GridState), grid.step)
    step(again, stream(FeedState.DOWN), balance(1))
    assert again.why_not_quoting() is NotQuoting.AWAITING_TRIGGER
    assert placed(step(again, ticker(979, 9)))


@pytest.mark.parametrize(
    ("trigger", "near", "there"), [(980, 981, 980), (1020, 1019, 1021), (1000, 1000, 1000)]
)
def test_the_trigger_is_crossed_from_where_the_price_was_first_seen(
    trigger: int, near: int, there: int
) -> None:
    grid = waiting(msgspec.structs.replace(NEUTRAL, trigger_price=D(trigger)))
    if trigger != 1000:
        assert reason(grid) is NotQuoting.AWAITING_TRIGGER
        assert view(state_of(grid), 1).not_quoting_detail == f"waits for {trigger}, first seen at 1000"
        grid.process([ticker(near, 1)])
        assert not state_of(grid).slots
        assert ("trigger_price", False) in risks(step(grid, ticker(there, 2)))
    assert len(state_of(grid).slots) == 6


def test_a_trigger_seen_while_the_account_was_not_known_counts() -> None:
    grid = waiting(msgspec.structs.replace(CAREFUL, trigger_price=D(980)))
    step(grid, ticker(980, 1))
    step(grid, ticker(1000, 2))
    assert placed(step(grid, stream(), balance(), held()))


def test_what_is_triggered_stays_so() -> None:
    grid = waiting(TRIGGERED)
    step(grid, ticker(980, 1))
    step(grid, ticker(1000, 2))
    assert reason(grid) is None


def test_a_grid_that_waits_for_nothing_says_nothing() -> None:
    grid = waiting(NEUTRAL)
    assert view(state_of(grid), 1).not_quoting_detail == ""
    assert placed(fill(grid, -1))
