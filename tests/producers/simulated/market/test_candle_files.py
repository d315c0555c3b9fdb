"""Candle files: accepted formats, and the errors for invalid files."""

import gzip
import tracemalloc
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from producers.simulated.market.candle_files import RecordingError, Row, read_candles

HEADER = "open_time,open,high,low,close,volume"
FIRST_ROW = "1700000000000,100,101,99,100.5,7"
SECOND_ROW = "1700000060000,100.5,102,100,101,8"
TICK = Decimal("0.5")
MINUTE_NS = 60 * 10**9

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(*lines: str, name: str = "candles.csv") -> Path:
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    return write


def error_of(path: Path) -> str:
    with pytest.raises(RecordingError) as caught:
        read_candles(path, TICK)
    return str(caught.value).removeprefix(str(path))


def test_file_with_header_is_read(write: Write) -> None:
    series = read_candles(write(HEADER, FIRST_ROW, SECOND_ROW), TICK)
    prices = [Decimal(price) for price in ("100", "101", "99", "100.5", "7")]

    assert series[0] == Row(1_700_000_000 * 10**9, *prices)
    assert (len(series), series.interval, series.gaps) == (2, MINUTE_NS, 0)


@pytest.mark.parametrize("name", ["candles.csv", "candles.csv.gz", "candles.zip"])
def test_a_byte_order_mark_is_skipped(tmp_path: Path, name: str) -> None:
    text = "\n".join([HEADER, FIRST_ROW, SECOND_ROW]).encode("utf-8-sig")
    path = tmp_path / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("candles.csv", text)
    else:
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    assert read_candles(path, TICK)[0].high == 101


def test_columns_are_found_by_name(write: Write) -> None:
    path = write(
        "volume,close,low,high,open,extra,open_time",
        "7,100.5,99,101,100,x,1700000000000",
        *["8,101,100,102,100.5,x,1700000060000"],
    )

    assert read_candles(path, TICK)[0].high == 101


@pytest.mark.parametrize("scale", [10**-3, 1, 10**3, 10**6])
def test_any_time_unit_is_accepted(write: Write, scale: float) -> None:
    rows = [
        ",".join([str(int(int(t) * scale)), rest])
        for t, _, rest in (r.partition(",") for r in (FIRST_ROW, SECOND_ROW))
    ]

    assert read_candles(write(HEADER, *rows), TICK).times[0] == 1_700_000_000 * 10**9


@pytest.mark.parametrize(
    "header", [[], [f"{HEADER},close_time,quote_volume,count,taker_buy,taker_quote,ignore"]]
)
def test_kline_dump_is_read_with_or_without_header(write: Write, header: list[str]) -> None:
    rest = ",1700000059999,700,3,1,2,0"

    assert len(read_candles(write(*header, FIRST_ROW + rest, SECOND_ROW + rest), TICK)) == 2


def test_gzipped_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "candles.csv.gz"
    path.write_bytes(gzip.compress(f"{HEADER}\n{FIRST_ROW}\n{SECOND_ROW}\n".encode()))

    assert len(read_candles(path, TICK)) == 2


def test_zipped_dump_is_read(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1m.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("BTCUSDT-1m.csv", f"{HEADER}\n{FIRST_ROW}\n{SECOND_ROW}\n")

    assert len(read_candles(path, TICK)) == 2


def test_an_archive_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.csv", f"{HEADER}\n" + f"{FIRST_ROW}\n" * 1_000_000)
    tracemalloc.start()
    try:
        assert "is not after that of the previous row" in error_of(path)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_very_long_line_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "line.csv.gz"
    path.write_bytes(gzip.compress(f"{HEADER}\n".encode() + b"0" * 10_000_000))
    assert error_of(path).endswith("a line has 65536 characters or more")


def test_missing_candles_are_counted(write: Write) -> None:
    late = SECOND_ROW.replace("1700000060000", "1700000240000")

    assert (
        read_candles(write(HEADER, FIRST_ROW, SECOND_ROW, late.replace("240000", "300000")), TICK).gaps == 3
    )


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("1700000060000,100,x,99,100,7", "high 'x' is not a number"),
        ("1700000060000,100,101,NaN,100,7", "low 'NaN' is not a finite number"),
        ("1700000060000,100,101,99,-1,7", "close -1 is negative"),
        ("1700000060000,100,101,99,0,7", "close is zero"),
        ("1700000060000,100,101,99,100,-7", "volume -7 is negative"),
        ("1700000060000,100,98,99,100,7", "high 98 is below low 99"),
        ("1700000060000,105,101,99,100,7", "open 105 or close 100 is outside of low 99 to high 101"),
        ("1700000000000,100,101,99,100,7", "open_time 1700000000000 is not after that of the previous row"),
        ("16:00,100,101,99,100,7", "open_time '16:00' is not an integer"),
        ("-5,100,101,99,100,7", "open_time -5 is out of range"),
        ("1700000060000,100,101,99,100", "expected 6 columns, found 5"),
        ("1700000060000,1E+40,1E+40,99,100,7", "open 1E+40 is too large"),
        ("1700000060000,1e999999,1e999999,99,100,7", "open 1e999999 is too large"),
        ("1700000060000,100,101,99,100,1e-999999", "volume 1e-999999 is too small"),
    ],
)
def test_invalid_row_is_reported_with_its_line(write: Write, row: str, why: str) -> None:
    assert error_of(write(HEADER, FIRST_ROW, row)) == f":3: {why}"


def test_missing_column_is_reported(write: Write) -> None:
    assert error_of(write("open_time,open,high,low,close", FIRST_ROW)).startswith(
        ":1: the header lacks volume"
    )


def test_wrong_column_count_without_header_is_reported(write: Write) -> None:
    assert (
        error_of(write(f"{FIRST_ROW},9"))
        == ":1: 7 columns without a header: must be 6, or 12 as in a kline dump"
    )


def test_missing_file_is_reported(tmp_path: Path) -> None:
    assert error_of(tmp_path / "none.csv") == ": cannot be read: No such file or directory"


@pytest.mark.parametrize("name", ["broken.csv.gz", "broken.zip"])
def test_corrupt_archive_is_reported(write: Write, name: str) -> None:
    assert error_of(write("not an archive", name=name)).startswith(": cannot be read: ")


def test_truncated_archive_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress(f"{HEADER}\n{FIRST_ROW}\n{SECOND_ROW}\n".encode())[:-12])

    assert error_of(path).startswith(": cannot be read: ")


def test_binary_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "binary.csv"
    path.write_bytes(b"\xff\xfe\x00\x01")

    assert error_of(path).startswith(":1: not comma-separated text")


def test_single_candle_is_rejected(write: Write) -> None:
    assert error_of(write(HEADER, FIRST_ROW)) == ": has fewer than two candles"


def test_wrong_tick_size_is_reported(write: Write) -> None:
    odd = FIRST_ROW.replace("100.5", "100.25")

    assert error_of(write(HEADER, SECOND_ROW.replace("1700000060000", "1600000000000"), odd)) == (
        ":3: close 100.25 is not a multiple of 0.5, nor are 0 other prices: set tick_size to that of the file"
    )


def test_rare_off_tick_price_is_rounded_and_counted(write: Write) -> None:
    rows = [f"{1_700_000_000_000 + i * 60_000},100,101,99,100,7" for i in range(100)]
    series = read_candles(write(HEADER, *rows, "1700006000000,100,101,99,100.2,7"), TICK)

    assert (series[100].close, series.off_tick) == (Decimal(100), 1)
