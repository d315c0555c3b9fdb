"""Startup: the first order waits for the preflight and the trigger price."""

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
from schemas.units import Side
from schemas.venue.account import Balance, OpenOrder, OpenOrders, Position
from schemas.venue.instruments import Instrument
from schemas.venue.market import FeedChanged, FeedState
from schemas.venue.order_ids import order_id
from schemas.venue.orders import OrderStatus
from tests.builders import BTC, SIM
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


def reports(change: Change) -> list[tuple[Severity, str]]:
    return [(each.severity, each.details) for each in change.notices if isinstance(each, RiskChanged)]


def test_nothing_is_placed_before_the_account_is_known() -> None:
    grid = waiting()
    assert reason(grid) is NotQuoting.PREFLIGHT
    assert (
        "the state of the account's private stream is unknown" in view(state_of(grid), 1).not_quoting_detail
    )
    assert not any(slot.order for slot in state_of(grid).slots.values())


def test_stream_balance_and_position_complete_the_startup() -> None:
    grid = waiting()
    assert not placed(step(grid, stream()))
    assert not placed(step(grid, balance()))
    change = step(grid, held())
    assert len(placed(change)) == 6
    assert ("preflight", False) in risks(change)
    assert state_of(grid).startup is None


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_startup_does_not_depend_on_input_order(order: tuple[int, ...]) -> None:
    updates = (stream(), balance(), held())
    grid = waiting()
    grid.process([updates[i] for i in order])
    assert len(state_of(grid).slots) == 6


def test_spot_does_not_wait_for_leverage() -> None:
    grid = waiting(msgspec.structs.replace(LONG, preflight=True, position_safety_check=D(10)), SPOT)
    assert placed(step(grid, stream(), balance()))


@pytest.mark.parametrize("update", [stream(), balance(), held()], ids=["stream", "balance", "position"])
def test_repeated_account_update_makes_no_step(update: FeedChanged | Balance | Position) -> None:
    grid = waiting()
    step(grid, update)
    assert grid.process([update]) is None


def test_balance_of_another_currency_is_ignored() -> None:
    assert waiting().process([balance(asset="EUR")]) is None


def test_account_updates_are_ignored_after_startup() -> None:
    grid = waiting()
    step(grid, stream(), balance(), held())
    assert grid.process([balance(5)]) is None
    assert grid.process([stream(FeedState.DOWN)]) is None


def test_refusal_names_check_figures_and_remedy() -> None:
    grid = waiting()
    change = step(grid, stream(), balance(900), held())
    assert reports(change) == [
        (
            Severity.HIGH,
            (
                "position_safety_check failed: the balance of 900 USDT at leverage 5 pays for 45 orders of 100 USDT; "
                "at least 50 are needed: "
                "order_amount of at most 90 USDT, or a balance of 1000 USDT"
            ),
        )
    ]
    assert view(state_of(grid), 1).not_quoting_detail == reports(change)[0][1]


def test_refusal_is_reported_once_and_clears_by_itself() -> None:
    grid = waiting()
    step(grid, stream(), balance(900), held())
    assert grid.process([ticker(1001, 1)]) is None
    assert placed(step(grid, balance(1000)))


def test_pending_preflight_is_reported_with_low_severity() -> None:
    grid = Grid(None, 0)
    change = step(grid, added(CAREFUL), ticker(1000))
    assert [severity for severity, _ in reports(change)] == [Severity.LOW]


def test_small_balance_change_is_ignored() -> None:
    grid = waiting()
    step(grid, stream(), balance(900), held())
    assert grid.process([balance(905)]) is None
    change = step(grid, balance(950))
    assert not reports(change)
    assert "balance of 950 USDT" in view(state_of(grid), 1).not_quoting_detail


def test_small_balance_change_that_suffices_is_applied() -> None:
    grid = waiting()
    step(grid, stream(), balance(999), held())
    assert placed(step(grid, balance(1000)))


def test_stream_down_blocks_the_startup() -> None:
    grid = waiting()
    step(grid, stream())
    step(grid, stream(FeedState.DOWN), balance(), held())
    assert reason(grid) is NotQuoting.PREFLIGHT
    assert placed(step(grid, stream()))


def test_passed_preflight_survives_a_restart() -> None:
    grid = waiting(msgspec.structs.replace(CAREFUL, trigger_price=D(980)))
    change = step(grid, stream(), balance(), held())
    assert risks(change) == [("preflight", False), ("trigger_price", True)]
    restarted = Grid(msgspec.json.decode(encode(state_of(grid)), type=GridState), grid.step)
    step(restarted, stream(FeedState.DOWN), balance(1))
    assert restarted.why_not_quoting() is NotQuoting.AWAITING_TRIGGER
    assert placed(step(restarted, ticker(979, 9)))


@pytest.mark.parametrize(
    ("trigger", "before", "reached"), [(980, 981, 980), (1020, 1019, 1021), (1000, 1000, 1000)]
)
def test_trigger_is_crossed_from_the_first_price(trigger: int, before: int, reached: int) -> None:
    grid = waiting(msgspec.structs.replace(NEUTRAL, trigger_price=D(trigger)))
    if trigger != 1000:
        assert reason(grid) is NotQuoting.AWAITING_TRIGGER
        assert view(state_of(grid), 1).not_quoting_detail == f"waiting for {trigger}, starting from 1000"
        grid.process([ticker(before, 1)])
        assert not state_of(grid).slots
        assert ("trigger_price", False) in risks(step(grid, ticker(reached, 2)))
    assert len(state_of(grid).slots) == 6


def test_trigger_reached_before_preflight_counts() -> None:
    grid = waiting(msgspec.structs.replace(CAREFUL, trigger_price=D(980)))
    step(grid, ticker(980, 1))
    step(grid, ticker(1000, 2))
    assert placed(step(grid, stream(), balance(), held()))


def test_reached_trigger_stays_reached() -> None:
    grid = waiting(TRIGGERED)
    step(grid, ticker(980, 1))
    step(grid, ticker(1000, 2))
    assert reason(grid) is None


def test_grid_without_startup_has_no_detail() -> None:
    grid = waiting(NEUTRAL)
    assert view(state_of(grid), 1).not_quoting_detail == ""
    assert placed(fill(grid, -1))


def test_open_orders_of_a_newer_generation_refuse_the_start() -> None:
    """Another installation with the same instance trades the symbol, or the journal was lost."""
    grid = waiting()
    newer = OpenOrder(
        client_order_id=order_id("sqt", BTC, 5, -1, Side.BUY, 3),
        venue_order_id="",
        side=Side.BUY,
        price=D(990),
        quantity=D("0.1"),
        cumulative_quantity=D(0),
        status=OrderStatus.NEW,
    )
    step(grid, OpenOrders(venue=SIM, symbol=BTC, orders=(newer,), includes=0, time=0))
    change = step(grid, stream(), balance(), held())
    assert not change.decisions
    assert "open orders of generation 5" in view(state_of(grid), 1).not_quoting_detail
