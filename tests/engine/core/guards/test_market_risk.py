"""Market risk: triggered by falls on high volume, cleared by calm candles closed afterwards."""

import msgspec
import pytest

from engine.core.grid import Grid
from schemas.grid.settings import GridSettings
from schemas.grid.view import NotQuoting
from schemas.units import Symbol
from schemas.venue.market import Candle
from tests.builders import BTC
from tests.engine.core.examples import (
    NEUTRAL,
    D,
    accept_all,
    canceled,
    candle,
    fill,
    order,
    placed,
    risks,
    started,
    state_of,
    step,
    ticker,
)

ETH = Symbol("ETH/USDT")
MONITORED = msgspec.structs.replace(NEUTRAL, monitor_symbols=(BTC, ETH), average_window=3)
ALL = msgspec.structs.replace(MONITORED, risk_trigger=0)
WINDOW = 3


def history() -> list[Candle]:
    return [candle(symbol, minute, 100) for symbol in (BTC, ETH) for minute in range(WINDOW)]


def monitored(settings: GridSettings = MONITORED) -> Grid:
    grid = started(settings)
    step(grid, *history())
    return grid


def triggered() -> Grid:
    grid = monitored()
    step(grid, candle(BTC, WINDOW, 99, 31, closed=False))
    return grid


def test_fall_on_high_volume_cancels_opening_orders_only() -> None:
    grid = monitored()
    fill(grid, -1)
    accept_all(grid)
    closing = order(grid, -1).client_order_id
    change = step(grid, candle(BTC, WINDOW, 99, 31, closed=False))
    assert risks(change) == [("market_risk", True)]
    assert len(canceled(change)) == 5
    assert closing not in canceled(change)


@pytest.mark.parametrize(("close", "volume"), [(99, 30), (100, 31), (101, 31)])
def test_smaller_move_or_volume_does_not_trigger(close: int, volume: int) -> None:
    assert monitored().process([candle(BTC, WINDOW, close, volume, closed=False)]) is None


def test_symbol_without_history_is_not_evaluated() -> None:
    grid = started(MONITORED)
    assert grid.process([candle(BTC, 0, 1, 1000, closed=False)]) is None
    step(grid, candle(BTC, 0, 100), candle(BTC, 1, 100))
    assert grid.process([candle(BTC, 2, 1, 1000, closed=False)]) is None


def test_average_window_slides() -> None:
    grid = monitored()
    step(grid, *(candle(BTC, WINDOW + minute, 50) for minute in range(WINDOW)))
    assert state_of(grid).watched[BTC].closes == [D(50)] * WINDOW
    assert grid.process([candle(BTC, 2 * WINDOW, 51, 31, closed=False)]) is None


def test_trigger_may_need_all_or_a_number_of_symbols() -> None:
    grid = monitored(ALL)
    assert not risks(step(grid, candle(BTC, WINDOW, 99, 31, closed=False)))
    assert risks(step(grid, candle(ETH, WINDOW, 99, 31, closed=False))) == [("market_risk", True)]


def test_forming_candle_that_recovers_is_not_abnormal() -> None:
    grid = monitored(ALL)
    step(grid, candle(BTC, WINDOW, 99, 31, closed=False))
    step(grid, candle(BTC, WINDOW, 101, 31, closed=False))
    assert not risks(step(grid, candle(ETH, WINDOW, 99, 31, closed=False)))


def test_nothing_is_opened_while_market_risk_is_active() -> None:
    grid = triggered()
    assert grid.why_not_quoting() is NotQuoting.MARKET_RISK
    assert not placed(step(grid, ticker(900, 1)))


def test_market_risk_clears_when_enough_symbols_close_calm() -> None:
    grid = triggered()
    assert not risks(step(grid, candle(BTC, WINDOW, 101)))
    change = step(grid, candle(ETH, WINDOW, 101))
    assert risks(change) == [("market_risk", False)]


def test_forming_candles_do_not_clear_market_risk() -> None:
    grid = triggered()
    step(grid, candle(BTC, WINDOW, 101, closed=False))
    assert grid.process([candle(ETH, WINDOW, 101, closed=False)]) is None


def test_high_volume_candles_do_not_clear_market_risk() -> None:
    grid = triggered()
    step(grid, candle(BTC, WINDOW, 101))
    assert not risks(step(grid, candle(ETH, WINDOW, 101, 31)))


def test_unmonitored_candles_are_ignored() -> None:
    grid = monitored()
    assert grid.process([candle(Symbol("X/USDT"), WINDOW, 1, 1000)]) is None
    assert grid.process([msgspec.structs.replace(candle(BTC, WINDOW, 1, 1000), interval="5m")]) is None


def test_old_candles_are_ignored() -> None:
    grid = monitored()
    assert grid.process([*history(), candle(BTC, WINDOW - 1, 1, 1000, closed=False)]) is None
