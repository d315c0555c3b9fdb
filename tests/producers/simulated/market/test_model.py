"""Market model: reproducible path, generated history, candles and liquidity."""

import itertools
import statistics
from pathlib import Path

import msgspec
import pytest

from producers.simulated.market.model import MINUTE_NS, ModelTape, PathState
from producers.simulated.market.tape import HISTORY_CANDLES, Tick, draw_liquidity
from producers.simulated.settings import VenueSettings
from tests.producers.simulated.examples import PERP, START_NS, new_settings, perpetual_settings, quote


def started(settings: VenueSettings) -> ModelTape:
    tape = ModelTape(settings, START_NS)
    tape.start(PERP, START_NS)
    return tape


def walk(tape: ModelTape, first: int, last: int) -> list[Tick]:
    return [tick for number in range(first, last + 1) for tick in tape.advance(number, tape.time(number, 0))]


@pytest.fixture
def tape(tmp_path: Path) -> ModelTape:
    return started(new_settings(tmp_path))


def test_same_seed_gives_the_same_market(tape: ModelTape, tmp_path: Path) -> None:
    assert walk(tape, 1, 300) == walk(started(new_settings(tmp_path)), 1, 300)


def test_different_seed_gives_a_different_market(tape: ModelTape, tmp_path: Path) -> None:
    assert walk(tape, 1, 50) != walk(started(new_settings(tmp_path, seed=2)), 1, 50)


def test_path_resumes_from_its_stored_state(tape: ModelTape, tmp_path: Path) -> None:
    walk(tape, 1, 100)
    stored = msgspec.json.decode(msgspec.json.encode(tape.paths()[0]), type=PathState)
    resumed = ModelTape(new_settings(tmp_path), START_NS)
    resumed.resume(stored, [])

    assert resumed.snapshot(100, 0)[0].quote == tape.snapshot(100, 0)[0].quote
    assert walk(resumed, 101, 200) == walk(tape, 101, 200)


def test_history_ends_at_the_start_of_the_path(tape: ModelTape) -> None:
    *history, forming = tape.candles(PERP, "1m", HISTORY_CANDLES + 1) or []

    assert len(history) == HISTORY_CANDLES
    assert history[-1].close == forming.open == tape.snapshot(0, START_NS)[0].quote.last == 100
    assert history[-1].open_time + MINUTE_NS == forming.open_time


def test_history_and_live_market_trade_at_the_same_scale(tape: ModelTape) -> None:
    walk(tape, 1, 240 * 20)
    candles = tape.candles(PERP, "1m", HISTORY_CANDLES) or []
    traded = [float(candle.volume * candle.close) for candle in candles]
    generated, live = traded[:1000], traded[-20:-1]

    assert statistics.mean(live) == pytest.approx(statistics.mean(generated), rel=0.1)
    assert statistics.stdev(live) == pytest.approx(statistics.stdev(generated), rel=0.6)


def test_candles_are_contiguous_and_consistent(tape: ModelTape) -> None:
    walk(tape, 1, 1000)
    candles = tape.candles(PERP, "1m", HISTORY_CANDLES + 1) or []

    assert {b.open_time - a.open_time for a, b in itertools.pairwise(candles)} == {MINUTE_NS}
    assert all(c.low <= min(c.open, c.close) <= max(c.open, c.close) <= c.high for c in candles)
    assert [c.closed for c in candles] == [True] * HISTORY_CANDLES + [False]


def test_candle_closes_once_with_the_first_tick_of_the_next(tape: ModelTape) -> None:
    ticks = walk(tape, 1, 960)
    closed = [candle for tick in ticks for candle in tick.candles if candle.closed]

    assert len({candle.open_time for candle in closed}) == len(closed) == 4


def test_price_is_constant_while_the_venue_is_down(tape: ModelTape) -> None:
    later = START_NS + 10 * MINUTE_NS
    (tick,) = tape.advance(1, later)
    *closed, forming = tick.candles

    assert len(closed) == 10
    assert len({candle.close for candle in closed}) == 1
    assert forming.open_time == later - later % MINUTE_NS


def test_unavailable_interval_has_no_candles(tape: ModelTape) -> None:
    assert tape.candles(PERP, "7m", 10) is None


def test_uptick_trades_at_the_ask(tape: ModelTape) -> None:
    ticks = walk(tape, 1, 200)
    rising = [b for a, b in itertools.pairwise(ticks) if b.quote.last > a.quote.last]

    assert rising
    assert all(tick.quote.last == tick.quote.ask > tick.quote.bid for tick in rising)


def test_volatility_is_close_to_the_configured_one(tmp_path: Path) -> None:
    calm = msgspec.structs.replace(perpetual_settings(), volatility=0.002, jumps=0.0)
    ticks = walk(started(new_settings(tmp_path, symbols=(calm,))), 1, 12_000)
    prices = [float(tick.quote.last) for tick in ticks[::240]]
    returns = [b / a - 1 for a, b in itertools.pairwise(prices)]

    assert 0.001 < statistics.stdev(returns) < 0.004


def test_liquidity_is_bounded_and_depends_on_the_tick_alone(tmp_path: Path) -> None:
    symbol = msgspec.structs.replace(perpetual_settings(), traded_notional=perpetual_settings().start_price)
    tick = Tick(PERP, quote("100.0"), ())
    drawn = [draw_liquidity(new_settings(tmp_path), symbol, tick, number) for number in range(200)]

    assert drawn[150] == draw_liquidity(new_settings(tmp_path), symbol, tick, 150)
    assert all(0.25 <= each.traded <= 1.75 and 0 <= each.queue_share <= 1 for each in drawn)
    assert 60 < sum(each.queue_share > 0 for each in drawn) < 140
