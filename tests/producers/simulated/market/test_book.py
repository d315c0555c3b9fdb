"""Quotes: spread and depth in calm and in a crash; index and mark price."""

import itertools
from decimal import Decimal as D  # noqa: N817 - many literals read better
from pathlib import Path

import msgspec
import pytest

from producers.simulated.listing import Quote
from producers.simulated.market.mark import MarkModel
from producers.simulated.market.model import ModelTape, PathState, ScriptedTick
from producers.simulated.market.recording import RecordingTape
from producers.simulated.parameters import BookSettings, MarkSettings
from producers.simulated.settings import VenueSettings
from schemas.units import SECOND_NS, Side
from tests.producers.simulated.examples import PERP, START_NS, new_settings, recording_settings

WIDENING = BookSettings(levels=5, spread_widening=1.0, variation=0.5)
MARKS = MarkSettings(index_window=5 * SECOND_NS, basis_window=30 * SECOND_NS)


def started(settings: VenueSettings) -> ModelTape:
    tape = ModelTape(settings, START_NS)
    tape.start(PERP, START_NS)
    return tape


def quotes(tape: ModelTape, first: int, last: int) -> list[Quote]:
    return [tape.advance(n, tape.time(n, 0))[0].quote for n in range(first, last + 1)]


def test_the_spread_is_constant_in_calm_and_widens_in_a_crash(tmp_path: Path) -> None:
    tape = started(new_settings(tmp_path, book=WIDENING))
    calm = quotes(tape, 1, 100)
    assert min(each.ask - each.bid for each in calm) == D("0.1")
    tape.script(PERP, [ScriptedTick(price=calm[-1].last * D("0.9"))])
    (crash,) = quotes(tape, 101, 101)
    assert crash.ask - crash.bid > D(5)
    assert crash.depth is not None
    assert crash.depth.notional < 200  # of 10,000
    after = quotes(tape, 102, 400)
    spreads = [each.ask - each.bid for each in after[::40]]
    assert all(before > later for before, later in itertools.pairwise(spreads[:4]))
    assert spreads[-1] == D("0.1")


def test_depth_differs_from_tick_to_tick_and_is_that_of_its_number(tmp_path: Path) -> None:
    one, two = (started(new_settings(tmp_path, book=WIDENING)) for _ in range(2))
    first = quotes(one, 1, 20)
    assert first == quotes(two, 1, 20)
    sizes = {each.depth.notional_at(Side.BUY, 0) for each in first if each.depth}
    assert len(sizes) > 10


def test_stress_and_mark_are_part_of_the_stored_path(tmp_path: Path) -> None:
    settings = new_settings(tmp_path, book=WIDENING, marks=MARKS)
    tape = started(settings)
    tape.script(PERP, [ScriptedTick(price=D(90))])
    quotes(tape, 1, 30)
    stored = msgspec.json.decode(msgspec.json.encode(tape.paths()[0]), type=PathState)
    resumed = ModelTape(settings, START_NS)
    resumed.resume(stored, [])
    assert resumed.snapshot(30, 0)[0].quote == tape.snapshot(30, 0)[0].quote
    assert quotes(resumed, 31, 60) == quotes(tape, 31, 60)


def test_one_price_far_off_hardly_moves_the_mark_price(tmp_path: Path) -> None:
    tape = started(new_settings(tmp_path, marks=MARKS))
    (before,) = quotes(tape, 1, 1)
    tape.script(PERP, [ScriptedTick(price=D(50)), ScriptedTick(price=before.last)])
    (wick,) = quotes(tape, 2, 2)
    assert wick.last == 50
    assert wick.mark_price > before.last * D("0.96")


def test_the_mark_price_comes_to_the_price_that_lasts(tmp_path: Path) -> None:
    tape = started(new_settings(tmp_path, marks=MARKS))
    tape.script(PERP, [ScriptedTick(price=D(90))] * 400)
    last = quotes(tape, 1, 400)[-1]
    assert abs(last.mark_price - 90) <= D("0.2")
    assert abs(last.index_price - 90) <= D("0.2")


def test_the_mark_price_is_the_index_and_the_mean_basis() -> None:
    model = MarkModel(MarkSettings(index_window=SECOND_NS, basis_window=10**30), SECOND_NS, D("0.01"))
    first = model.advance(None, Quote(D(100), D(102), D(100)))
    state = model.advance(first, Quote(D(100), D(102), D(110)))
    assert state.index == pytest.approx(100 + (1 - 0.36787944) * 10)
    quote = model.with_mark(Quote(D(100), D(102), D(110)), state)
    assert (quote.index, quote.mark) == (D("106.32"), D("106.32"))


def test_without_windows_the_mark_price_is_the_last_price(tmp_path: Path) -> None:
    (quote,) = quotes(started(new_settings(tmp_path)), 1, 1)
    assert quote.mark is None
    assert quote.mark_price == quote.last


CANDLES = ["100 101 99 100"] * 30 + ["100 100 80 85"]


def recorded_tape(directory: Path, **changes: object) -> RecordingTape:
    settings = recording_settings(directory, CANDLES, **changes)
    assert settings.recording is not None
    return RecordingTape(settings, settings.recording)


def test_a_recorded_crash_widens_the_spread(tmp_path: Path) -> None:
    tape = recorded_tape(tmp_path, book=WIDENING)
    calm, crash = (tape.advance(4 * candle, 0)[0].quote for candle in (29, 30))
    assert calm.ask - calm.bid == D("0.1")
    assert crash.ask - crash.bid == D("1.4")  # 1 + 1.6 x 20 / 2 - 3 = 14 times


def test_a_recorded_mark_price_is_the_mean_of_the_prices_in_its_window(tmp_path: Path) -> None:
    marks = MarkSettings(index_window=40 * SECOND_NS)  # ticks are 20 s apart
    tape = recorded_tape(tmp_path, marks=marks)
    last = tape.advance(4 * 30 + 2, 0)[0].quote
    assert last.last == 80  # after open 100 and high 100
    assert last.mark_price == D("93.3")
