"""The risk monitor: triggered by falls on much volume, ended by calm candles that closed after it."""

import msgspec
import pytest

from engine.core.grid import Grid
from schemas.grid.settings import GridSettings
from schemas.grid.view import NotQuoting
from schemas.units import Symbol
from schemas.venue.market import Candle
from tests.engine.core.examples import (
    BTC,
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


def test_a_fall_on_much_volume_takes_out_what_opens_and_keeps_what_closes() -> None:
    grid = monitored()
    fill(grid, -1)
    accept_all(grid)
    closing = order(grid, -1).client_order_id
    change = step(grid, candle(BTC, WINDOW, 99, 31, closed=False))
    assert risks(change) == [("market_risk", True)]
    assert len(canceled(change)) == 5
    assert closing not in canceled(change)


@pytest.mark.parametrize(("close", "volume"), [(99, 30), (100, 31), (101, 31)])
def test_less_than_that_is_nothing(close: int, volume: int) -> None:
    assert monitored().process([candle(BTC, WINDOW, close, volume, closed=False)]) is None


def test_without_its_history_a_symbol_is_not_judged() -> None:
    grid = started(MONITORED)
    assert grid.process([candle(BTC, 0, 1, 1000, closed=False)]) is None
    step(grid, candle(BTC, 0, 100), candle(BTC, 1, 100))
    assert grid.process([candle(BTC, 2, 1, 1000, closed=False)]) is None


def test_the_window_moves_on() -> None:
    grid = monitored()
    step(grid, *(candle(BTC, WINDOW + minute, 50) for minute in range(WINDOW)))
    assert state_of(grid).watched[BTC].closes == [D(50)] * WINDOW
    assert grid.process([candle(BTC, 2 * WINDOW, 51, 31, closed=False)]) is None


def test_all_of_them_or_a_number_may_be_needed() -> None:
    grid = monitored(ALL)
    assert not risks(step(grid, candle(BTC, WINDOW, 99, 31, closed=False)))
    assert risks(step(grid, candle(ETH, WINDOW, 99, 31, closed=False))) == [("market_risk", True)]


def test_a_symbol_that_recovers_while_its_candle_forms_is_not_counted() -> None:
    grid = monitored(ALL)
    step(grid, candle(BTC, WINDOW, 99, 31, closed=False))
    step(grid, candle(BTC, WINDOW, 101, 31, closed=False))
    assert not risks(step(grid, candle(ETH, WINDOW, 99, 31, closed=False)))


def test_nothing_is_opened_until_it_is_over() -> None:
    grid = triggered()
    assert grid.why_not_quoting() is NotQuoting.MARKET_RISK
    assert not placed(step(grid, ticker(900, 1)))


def test_it_is_over_when_enough_symbols_close_calmly() -> None:
    grid = triggered()
    assert not risks(step(grid, candle(BTC, WINDOW, 101)))
    change = step(grid, candle(ETH, WINDOW, 101))
    assert risks(change) == [("market_risk", False)]


def test_forming_candles_end_nothing() -> None:
    grid = triggered()
    step(grid, candle(BTC, WINDOW, 101, closed=False))
    assert grid.process([candle(ETH, WINDOW, 101, closed=False)]) is None


def test_loud_candles_end_nothing() -> None:
    grid = triggered()
    step(grid, candle(BTC, WINDOW, 101))
    assert not risks(step(grid, candle(ETH, WINDOW, 101, 31)))


def test_candles_that_nobody_watches_are_nothing() -> None:
    grid = monitored()
    assert grid.process([candle(Symbol("X/USDT"), WINDOW, 1, 1000)]) is None
    assert grid.process([msgspec.structs.replace(candle(BTC, WINDOW, 1, 1000), interval="5m")]) is None


def test_old_candles_are_nothing() -> None:
    grid = monitored()
    assert grid.process([*history(), candle(BTC, WINDOW - 1, 1, 1000, closed=False)]) is None
