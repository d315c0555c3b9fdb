"""Recording as ticks: path within a candle, times, warm-up, gaps, several symbols."""

import os
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from producers.simulated.market.candle_files import RecordingError
from producers.simulated.market.recording import TICKS_PER_CANDLE, RecordingTape
from producers.simulated.settings import RecordingSettings, SymbolSettings, VenueSettings
from schemas.units import SECOND_NS
from tests.producers.simulated.examples import (
    PERP,
    SPOT,
    SPOT_INSTRUMENT,
    START_NS,
    new_settings,
    perpetual_settings,
    recording_settings,
    write_candles,
)

DATA = Path(os.environ.get("OPENSQT_DATA", Path(__file__).parents[5] / "shared" / "data"))
REAL = DATA / "btc-perp-1m-2022-01a.csv.gz"


def tape_of(settings: VenueSettings) -> RecordingTape:
    assert settings.recording is not None
    return RecordingTape(settings, settings.recording)


def prices(tape: RecordingTape, ticks: range) -> list[str]:
    return [str(tick.quote.last) for n in ticks for tick in tape.advance(n, tape.time(n, 0))]


def test_rising_candle_visits_low_before_high(tmp_path: Path) -> None:
    tape = tape_of(recording_settings(tmp_path, ["100 103 98 102", "102 102 102 102"]))

    assert prices(tape, range(TICKS_PER_CANDLE)) == ["100.0", "98.0", "103.0", "102.0"]


def test_falling_candle_visits_high_before_low(tmp_path: Path) -> None:
    tape = tape_of(recording_settings(tmp_path, ["102 103 98 100", "102 102 102 102"]))

    assert prices(tape, range(TICKS_PER_CANDLE)) == ["102.0", "103.0", "98.0", "100.0"]


def test_ticks_are_spread_over_the_interval(tmp_path: Path) -> None:
    tape = tape_of(recording_settings(tmp_path, ["100 103 98 102", "102 102 102 102"]))
    after = [(tape.time(tick, 0) - START_NS) / SECOND_NS for tick in range(5)]

    assert after == [0, 20, 40, 59.999, 60]


def test_last_tick_closes_the_candle_as_recorded(tmp_path: Path) -> None:
    tape = tape_of(recording_settings(tmp_path, ["100 103 98 102", "102 102 102 102"]))
    candles = [tape.advance(n, 0)[0].candles[0] for n in range(TICKS_PER_CANDLE)]

    assert [candle.closed for candle in candles] == [False, False, False, True]
    assert [str(candle.high) for candle in candles] == ["100.0", "100.0", "103.0", "103.0"]
    assert candles[-1].volume == Decimal("12.5")


def test_warm_up_is_served_as_history(tmp_path: Path) -> None:
    path = write_candles(tmp_path / "c.csv", ["100 101 99 100"] * 30)
    tape = tape_of(new_settings(tmp_path, recording=RecordingSettings(paths={PERP: str(path)})))
    *history, forming = tape.candles(PERP, "1m", 100) or []

    assert ([c.closed for c in history], forming.closed) == ([True] * 3, False)
    assert tape.last_tick == 27 * TICKS_PER_CANDLE - 1


def test_candles_end_at_the_current_tick(tmp_path: Path) -> None:
    tape = tape_of(recording_settings(tmp_path, ["100 101 99 100", "100 105 95 101", "101 101 101 101"]))
    tape.advance(5, 0)
    closed, forming = tape.candles(PERP, "1m", 10) or []

    assert (closed.closed, forming.closed, forming.high, forming.low) == (
        True,
        False,
        Decimal(100),
        Decimal(95),
    )


def test_quote_volume_is_converted_to_base(tmp_path: Path) -> None:
    path = write_candles(tmp_path / "c.csv", ["10 10 10 10"] * 2)
    recording = RecordingSettings(paths={PERP: str(path)}, volume="quote")
    candle = tape_of(new_settings(tmp_path, recording=recording)).advance(3, 0)[0].candles[0]

    assert (candle.volume, candle.quote_volume) == (Decimal("1.25"), Decimal("12.5"))


def test_gap_is_reported_with_the_next_tick(tmp_path: Path) -> None:
    path = write_candles(tmp_path / "c.csv", ["100 101 99 100"] * 6)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], *lines[5:]]))
    tape = tape_of(new_settings(tmp_path, recording=RecordingSettings(paths={PERP: str(path)}, warmup=0)))

    assert [tape.advance(n, 0)[0].gap for n in (4, 8, 9)] == ["", "the recording lacks 2 candles", ""]
    assert tape.flaws() == {PERP: {"missing_candles": 2, "prices_off_tick": 0}}


def test_symbols_advance_together_by_time(tmp_path: Path) -> None:
    both = write_candles(tmp_path / "a.csv", ["100 101 99 100"] * 3)
    second = tmp_path / "b.csv"
    second.write_text("\n".join(line for i, line in enumerate(both.read_text().splitlines()) if i != 1))
    symbols = (perpetual_settings(), SymbolSettings(instrument=SPOT_INSTRUMENT))
    recording = RecordingSettings(paths={PERP: str(both), SPOT: str(second)}, warmup=0)
    tape = tape_of(new_settings(tmp_path, symbols=symbols, recording=recording))

    assert [{tick.symbol for tick in tape.advance(n, 0)} for n in (0, 4)] == [{PERP}, {PERP, SPOT}]
    assert {tick.symbol for tick in tape.snapshot(0, 0)} == {PERP, SPOT}


def test_warm_up_as_long_as_the_file_is_rejected(tmp_path: Path) -> None:
    path = write_candles(tmp_path / "c.csv", ["100 101 99 100"] * 3)
    recording = RecordingSettings(paths={PERP: str(path)}, warmup=3)

    with pytest.raises(RecordingError, match="leaves no candle to replay"):
        tape_of(new_settings(tmp_path, recording=recording))


def test_progress_counts_replayed_candles(tmp_path: Path) -> None:
    tape = tape_of(recording_settings(tmp_path, ["100 101 99 100"] * 3))

    assert tape.progress(5) == (2, 3, "candle")


@pytest.mark.skipif(not REAL.exists(), reason="real candle files not available")
def test_real_candles_are_replayed_completely(tmp_path: Path) -> None:
    symbol = msgspec.structs.replace(
        perpetual_settings(),
        instrument=msgspec.structs.replace(perpetual_settings().instrument, tick_size=Decimal("1.0")),
    )
    recording = RecordingSettings(paths={PERP: str(REAL)}, volume="quote")
    tape = tape_of(new_settings(tmp_path, symbols=(symbol,), recording=recording))

    assert tape.progress(tape.last_tick or 0) == (28_500, 28_500, "candle")
    assert tape.flaws()[PERP] == {"missing_candles": 0, "prices_off_tick": 41}
