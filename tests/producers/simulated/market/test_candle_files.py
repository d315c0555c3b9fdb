"""Candle files: what is read, and what is said of those that cannot be."""

import gzip
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from producers.simulated.market.candle_files import RecordingError, Row, read_candles

HEADER = "open_time,open,high,low,close,volume"
ONE = "1700000000000,100,101,99,100.5,7"
TWO = "1700000060000,100.5,102,100,101,8"
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


def complaint(path: Path) -> str:
    with pytest.raises(RecordingError) as caught:
        read_candles(path, TICK)
    return str(caught.value).removeprefix(str(path))


def test_a_file_with_a_header_is_read(write: Write) -> None:
    series = read_candles(write(HEADER, ONE, TWO), TICK)
    prices = [Decimal(price) for price in ("100", "101", "99", "100.5", "7")]

    assert series[0] == Row(1_700_000_000 * 10**9, *prices)
    assert (len(series), series.interval, series.gaps) == (2, MINUTE_NS, 0)


def test_columns_go_by_their_names(write: Write) -> None:
    path = write(
        "volume,close,low,high,open,extra,open_time",
        "7,100.5,99,101,100,x,1700000000000",
        *["8,101,100,102,100.5,x,1700000060000"],
    )

    assert read_candles(path, TICK)[0].high == 101


@pytest.mark.parametrize("scale", [10**-3, 1, 10**3, 10**6])
def test_times_come_in_any_unit(write: Write, scale: float) -> None:
    rows = [
        ",".join([str(int(int(t) * scale)), rest]) for t, _, rest in (r.partition(",") for r in (ONE, TWO))
    ]

    assert read_candles(write(HEADER, *rows), TICK).times[0] == 1_700_000_000 * 10**9


@pytest.mark.parametrize(
    "header", [[], [f"{HEADER},close_time,quote_volume,count,taker_buy,taker_quote,ignore"]]
)
def test_a_kline_dump_is_read_with_or_without_its_header(write: Write, header: list[str]) -> None:
    rest = ",1700000059999,700,3,1,2,0"

    assert len(read_candles(write(*header, ONE + rest, TWO + rest), TICK)) == 2


def test_a_gzipped_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "candles.csv.gz"
    path.write_bytes(gzip.compress(f"{HEADER}\n{ONE}\n{TWO}\n".encode()))

    assert len(read_candles(path, TICK)) == 2


def test_a_zipped_dump_is_read(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1m.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("BTCUSDT-1m.csv", f"{HEADER}\n{ONE}\n{TWO}\n")

    assert len(read_candles(path, TICK)) == 2


def test_missing_candles_are_counted(write: Write) -> None:
    late = TWO.replace("1700000060000", "1700000240000")

    assert read_candles(write(HEADER, ONE, TWO, late.replace("240000", "300000")), TICK).gaps == 3


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("1700000060000,100,x,99,100,7", "high 'x' is not a number"),
        ("1700000060000,100,101,NaN,100,7", "low 'NaN' is not a finite number"),
        ("1700000060000,100,101,99,-1,7", "close -1 is negative"),
        ("1700000060000,100,101,99,0,7", "close is zero"),
        ("1700000060000,100,101,99,100,-7", "volume -7 is negative"),
        ("1700000060000,100,98,99,100,7", "high 98 is below low 99"),
        ("1700000060000,105,101,99,100,7", "open 105 or close 100 is outside of 99 to 101"),
        ("1700000000000,100,101,99,100,7", "open_time 1700000000000 is not after the one before"),
        ("16:00,100,101,99,100,7", "open_time '16:00' is not a whole number"),
        ("-5,100,101,99,100,7", "open_time -5 is not a time"),
        ("1700000060000,100,101,99,100", "5 columns where 6 were expected"),
        ("1700000060000,1E+40,1E+40,99,100,7", "open 1E+40 is too large"),
    ],
)
def test_a_bad_row_is_named_with_its_line(write: Write, row: str, why: str) -> None:
    assert complaint(write(HEADER, ONE, row)) == f":3: {why}"


def test_a_header_without_a_column_is_named(write: Write) -> None:
    assert complaint(write("open_time,open,high,low,close", ONE)).startswith(":1: the header has no volume")


def test_a_file_without_a_header_has_the_columns_of_a_dump(write: Write) -> None:
    assert complaint(write(f"{ONE},9")) == ":1: 7 columns without a header; a kline dump has 12"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert complaint(tmp_path / "none.csv") == ": cannot be read: No such file or directory"


@pytest.mark.parametrize("name", ["broken.csv.gz", "broken.zip"])
def test_a_broken_archive_is_named(write: Write, name: str) -> None:
    assert complaint(write("not an archive", name=name)).startswith(": cannot be read: ")


def test_a_file_cut_off_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress(f"{HEADER}\n{ONE}\n{TWO}\n".encode())[:-12])

    assert complaint(path).startswith(": cannot be read: ")


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "binary.csv"
    path.write_bytes(b"\xff\xfe\x00\x01")

    assert complaint(path).startswith(":1: not text with commas")


def test_one_candle_is_not_a_recording(write: Write) -> None:
    assert complaint(write(HEADER, ONE)) == ": holds fewer than two candles"


def test_a_tick_that_is_not_the_file_s_is_told(write: Write) -> None:
    odd = ONE.replace("100.5", "100.25")

    assert complaint(write(HEADER, TWO.replace("1700000060000", "1600000000000"), odd)) == (
        ":3: close 100.25 is not a multiple of 0.5, nor are 0 other prices: set tick_size to suit the file"
    )


def test_a_stray_price_is_rounded_and_counted(write: Write) -> None:
    rows = [f"{1_700_000_000_000 + i * 60_000},100,101,99,100,7" for i in range(100)]
    series = read_candles(write(HEADER, *rows, "1700006000000,100,101,99,100.2,7"), TICK)

    assert (series[100].close, series.off_tick) == (Decimal(100), 1)
