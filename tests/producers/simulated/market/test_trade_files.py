"""Trade files become candles of one second."""

from decimal import Decimal as D  # noqa: N817 - many literals read better
from pathlib import Path

import pytest

from producers.simulated.market.candle_files import RecordingError, Row, read_candles
from schemas.units import SECOND_NS

START_S = 1_700_000_000
HEADER = "id,price,qty,quote_qty,time,is_buyer_maker"


def trade(after_ms: int, price: str, quantity: str = "1") -> str:
    return f"7,{price},{quantity},0,{START_S * 1000 + after_ms},true"


def rows(path: Path, *lines: str) -> list[Row]:
    path.write_text("\n".join([*lines, ""]))
    series = read_candles(path, D("0.5"))
    return [series[i] for i in range(len(series))]


def row(second: int, prices: str, volume: str) -> Row:
    first, high, low, last = map(D, prices.split())
    return Row((START_S + second) * SECOND_NS, first, high, low, last, D(volume))


def test_trades_of_a_second_make_one_candle(tmp_path: Path) -> None:
    lines = [trade(100, "100"), trade(200, "102", "2"), trade(900, "99.5"), trade(1500, "101")]
    assert rows(tmp_path / "trades.csv", HEADER, *lines) == [
        row(0, "100 102 99.5 99.5", "4"),
        row(1, "101 101 101 101", "1"),
    ]


def test_a_second_without_trades_is_a_candle_without_volume(tmp_path: Path) -> None:
    found = rows(tmp_path / "trades.csv", HEADER, trade(0, "100"), trade(3000, "101"))
    assert found[1:3] == [row(1, "100 100 100 100", "0"), row(2, "100 100 100 100", "0")]


def test_a_long_pause_is_missing_data(tmp_path: Path) -> None:
    path = tmp_path / "trades.csv"
    path.write_text("\n".join([HEADER, *(trade(ms, "100") for ms in (0, 1000, 7_202_000))]))
    series = read_candles(path, D("0.5"))
    assert (len(series), series.interval, series.gaps) == (3, SECOND_NS, 7200)


def test_a_dump_of_aggregated_trades_needs_no_header(tmp_path: Path) -> None:
    lines = [f"9,{price},2,1,3,{START_S * 1000 + ms},true" for ms, price in ((0, "100"), (1000, "101"))]
    assert rows(tmp_path / "aggTrades.csv", *lines) == [
        row(0, "100 100 100 100", "2"),
        row(1, "101 101 101 101", "2"),
    ]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (trade(-2000, "100"), ":3: its time is 2 s before the previous row"),
        (trade(0, "nan"), ":3: price 'nan' is not a finite number"),
        ("1,2", ":3: expected 6 columns, found 2"),
    ],
)
def test_an_invalid_row_is_named(tmp_path: Path, line: str, error: str) -> None:
    path = tmp_path / "trades.csv"
    path.write_text("\n".join([HEADER, trade(0, "100"), line]))
    with pytest.raises(RecordingError) as caught:
        read_candles(path, D("0.5"))
    assert str(caught.value).removeprefix(str(path)) == error
