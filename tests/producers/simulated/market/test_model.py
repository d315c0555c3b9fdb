"""The model market: the same path for the same seed, with a past that leads up to it."""

import itertools
import statistics
from pathlib import Path

import msgspec
import pytest

from producers.simulated.market.model import MINUTE_NS, ModelTape, PathState
from producers.simulated.market.tape import PAST, Tick, liquidity
from producers.simulated.settings import VenueSettings
from tests.producers.simulated.examples import PERP, START_NS, new_settings, perpetual_settings


def begun(settings: VenueSettings) -> ModelTape:
    tape = ModelTape(settings, START_NS)
    tape.begin(PERP, START_NS)
    return tape


def walk(tape: ModelTape, first: int, last: int) -> list[Tick]:
    return [tick for number in range(first, last + 1) for tick in tape.advance(number, tape.time(number, 0))]


@pytest.fixture
def tape(tmp_path: Path) -> ModelTape:
    return begun(new_settings(tmp_path))


def test_the_same_seed_is_the_same_market(tape: ModelTape, tmp_path: Path) -> None:
    assert walk(tape, 1, 300) == walk(begun(new_settings(tmp_path)), 1, 300)


def test_another_seed_is_another_market(tape: ModelTape, tmp_path: Path) -> None:
    assert walk(tape, 1, 50) != walk(begun(new_settings(tmp_path, seed=2)), 1, 50)


def test_the_path_goes_on_from_what_was_kept_of_it(tape: ModelTape, tmp_path: Path) -> None:
    walk(tape, 1, 100)
    kept = msgspec.json.decode(msgspec.json.encode(tape.paths()[0]), type=PathState)
    resumed = ModelTape(new_settings(tmp_path), START_NS)
    resumed.resume(kept, [])

    assert resumed.standing(100, 0)[0].quote == tape.standing(100, 0)[0].quote
    assert walk(resumed, 101, 200) == walk(tape, 101, 200)


def test_the_past_ends_where_the_path_begins(tape: ModelTape) -> None:
    *past, forming = tape.candles(PERP, "1m", PAST + 1) or []

    assert len(past) == PAST
    assert past[-1].close == forming.open == tape.standing(0, START_NS)[0].quote.last == 100
    assert past[-1].open_time + MINUTE_NS == forming.open_time


def test_candles_follow_each_other_without_a_gap_and_hold_their_prices(tape: ModelTape) -> None:
    walk(tape, 1, 1000)
    candles = tape.candles(PERP, "1m", PAST + 1) or []

    assert {b.open_time - a.open_time for a, b in itertools.pairwise(candles)} == {MINUTE_NS}
    assert all(c.low <= min(c.open, c.close) <= max(c.open, c.close) <= c.high for c in candles)
    assert [c.closed for c in candles] == [True] * PAST + [False]


def test_a_candle_closes_once_with_the_first_tick_of_the_next(tape: ModelTape) -> None:
    ticks = walk(tape, 1, 960)
    closed = [candle for tick in ticks for candle in tick.candles if candle.closed]

    assert len({candle.open_time for candle in closed}) == len(closed) == 4


def test_the_market_stood_still_while_the_venue_was_away(tape: ModelTape) -> None:
    later = START_NS + 10 * MINUTE_NS
    (tick,) = tape.advance(1, later)
    *closed, forming = tick.candles

    assert len(closed) == 10
    assert len({candle.close for candle in closed}) == 1
    assert forming.open_time == later - later % MINUTE_NS


def test_an_interval_that_is_not_offered_has_no_candles(tape: ModelTape) -> None:
    assert tape.candles(PERP, "7m", 10) is None


def test_who_lifts_the_price_takes_the_ask(tape: ModelTape) -> None:
    ticks = walk(tape, 1, 200)
    rising = [b for a, b in itertools.pairwise(ticks) if b.quote.last > a.quote.last]

    assert rising
    assert all(tick.quote.last == tick.quote.ask > tick.quote.bid for tick in rising)


def test_volatility_is_about_what_was_asked_for(tmp_path: Path) -> None:
    calm = msgspec.structs.replace(perpetual_settings(), volatility=0.002, jumps=0.0)
    ticks = walk(begun(new_settings(tmp_path, symbols=(calm,))), 1, 12_000)
    prices = [float(tick.quote.last) for tick in ticks[::240]]
    returns = [b / a - 1 for a, b in itertools.pairwise(prices)]

    assert 0.001 < statistics.stdev(returns) < 0.004


def test_what_others_trade_is_bounded_and_the_same_each_time() -> None:
    settings = msgspec.structs.replace(perpetual_settings(), traded_notional=perpetual_settings().start_price)
    drawn = [liquidity(1, settings, settings.start_price, tick) for tick in range(200)]

    assert drawn == [liquidity(1, settings, settings.start_price, tick) for tick in range(200)]
    assert all(0.25 <= each.traded <= 1.75 and 0 <= each.queue_share <= 1 for each in drawn)
