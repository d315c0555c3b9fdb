"""`up`: starting, supervising, replaying and stopping the whole stack."""

import itertools
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.__main__ import parse
from cli.commands.up_options import UpOptions, check_options, with_options
from cli.config.file import DEFAULT_FILE, load
from cli.errors import CommandError
from tests.cli.events import SYMBOL
from tests.cli.up_process import Up

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

PRICES = [20_000 + 60 * ((7 * i) % 11) - 300 for i in range(60)]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    running = Up(tmp_path)
    yield running
    running.process.kill()
    with running.process:
        pass


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def write_recording(path: Path) -> None:
    rows = [
        f"{1_700_000_040_000 + 60_000 * i},{a},{max(a, b) + 20},{min(a, b) - 20},{b},1000"
        for i, (a, b) in enumerate(itertools.pairwise(PRICES[:30]))
    ]
    path.write_text("\n".join(["open_time,open,high,low,close,volume", *rows]) + "\n")


def replay(data: Path, recording: Path) -> tuple[str, str]:
    """Replay a recording to its end; return the digests of the decisions and of the fills."""
    up = Up(data, f"--replay={recording}", "--speed=max")
    decisions = up.until("decisions_digest").split()[-1]
    fills = up.until("fills_digest").split()[-1]
    up.until("the accounts match the venue: [1-9][0-9]* trades each booked once")
    up.rest()
    assert up.process.wait() == 0
    return decisions, fills


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_stack_starts_restarts_a_killed_part_and_stops_in_time(up: Up, tmp_path: Path) -> None:
    up.until("ready in")
    page = up.until("page").split()[-1]
    assert page.startswith("http://127.0.0.1:")
    up.until("Ctrl-C")
    assert len(up.children()) == 7

    os.kill(up.child("-m engine"), signal.SIGKILL)
    up.until("engine was terminated by SIGKILL; restarting in 0.2 s")

    second = Up(tmp_path)
    assert f"in use by another `opensqt up`, process {up.process.pid}" in second.rest()
    assert second.process.wait() == 1

    pids, started_s = up.children().values(), time.monotonic()
    up.process.send_signal(signal.SIGINT)
    assert up.rest().endswith("stopping ...\nstopped\n")
    assert up.process.wait() == 0
    assert time.monotonic() - started_s < 5
    assert not any(is_alive(pid) for pid in pids)
    assert not (tmp_path / "run.json").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills children with their parent")
def test_parts_do_not_outlive_a_killed_stack(up: Up) -> None:
    up.until("Ctrl-C")
    pids = list(up.children().values())

    up.process.kill()
    up.rest()

    deadline = time.monotonic() + 5
    while any(is_alive(pid) for pid in pids) and time.monotonic() < deadline:
        os.sched_yield()
    assert not any(is_alive(pid) for pid in pids)


def test_equal_recordings_give_equal_decisions_and_fills(tmp_path: Path) -> None:
    recording = tmp_path / "candles.csv"
    write_recording(recording)

    assert replay(tmp_path / "once", recording) == replay(tmp_path / "again", recording)


def test_an_error_that_a_restart_cannot_mend_ends_the_stack_with_its_text(tmp_path: Path) -> None:
    (tmp_path / "venue.sqlite").write_text("not a database")

    up = Up(tmp_path)
    output = up.rest()

    assert up.process.wait() == 1
    assert f"error: venue cannot run (exited with code 78): {tmp_path}/venue.sqlite is not a store" in output
    assert "restarting" not in output
    assert "venue cannot run" in (tmp_path / "logs" / "up.log").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (UpOptions(speed=10.0), "--speed is about a recording: it needs --replay FILE"),
        (UpOptions(speed="max"), "--speed is about a recording"),
        (UpOptions(symbol=SYMBOL), "--symbol is about a recording"),
        (UpOptions(replay_volume="quote"), "--replay-volume is about a recording"),
        (UpOptions(replay=Path("f"), speed="max", engines=2), "supports one engine and one gateway"),
    ],
)
def test_an_option_that_would_be_ignored_is_rejected(options: UpOptions, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        check_options(options)


def test_an_allowed_origin_is_added_to_those_of_the_configuration() -> None:
    _, options = parse("up", ["--allow-origin", "https://Example.org"])
    configuration = load(DEFAULT_FILE)

    given = with_options(configuration, UpOptions(allow_origin=tuple(options.allow_origin)))

    assert given.http.allowed_origins == {"https://example.org", *configuration.http.allowed_origins}


def test_every_option_is_an_argument() -> None:
    _, options = parse("up", ["--config", str(DEFAULT_FILE)])

    assert set(UpOptions.__struct_fields__) <= vars(options).keys()
