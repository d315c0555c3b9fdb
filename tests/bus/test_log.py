"""The log format."""

import asyncio
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bus import RepeatLimit, get_logger
from bus.log import FILE_VARIABLE, MAX_FILE_BYTES, capture_library_logs


def test_a_line_has_time_level_service_event_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    get_logger("engine").info("step_committed", symbol="BTC/USDT:USDT", step=12)

    line = capsys.readouterr().err
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info engine step_committed symbol=BTC/USDT:USDT step=12\n",
        line,
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("two words", '"two words"'),
        ('a="b"', '"a=\\"b\\""'),
        ("line\nbreak", '"line\\nbreak"'),
        ("", '""'),
        (None, "None"),
        (ValueError("no"), '"ValueError: no"'),
    ],
)
def test_a_value_is_one_word_or_quoted(value: object, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    get_logger("engine").warning("event", field=value)

    assert capsys.readouterr().err.endswith(f" field={text}\n")


def test_bound_fields_are_in_each_line(capsys: pytest.CaptureFixture[str]) -> None:
    log = get_logger("engine").bind(symbol="A").bind(epoch=2)
    log.error("fenced", epoch=3)

    assert capsys.readouterr().err.endswith(" error engine fenced symbol=A epoch=3\n")


def test_events_below_the_configured_level_are_not_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENSQT_LOG", "warning")
    log = get_logger("engine")
    log.info("quiet")
    log.warning("loud")

    assert " loud\n" in (written := capsys.readouterr().err)
    assert "quiet" not in written


@pytest.mark.parametrize(("debug", "is_shown"), [("0", False), ("1", True)])
def test_tracebacks_are_written_only_when_debugging(
    debug: str, is_shown: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENSQT_DEBUG", debug)
    try:
        raise ValueError("no")
    except ValueError as error:
        get_logger("engine").error("failed", detail=error)

    assert ("Traceback" in capsys.readouterr().err) is is_shown


def test_library_logs_have_the_same_format(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = list(root.handlers)
    try:
        capture_library_logs()
        capture_library_logs()
        logging.getLogger("nats.aio").warning("slow %s", "consumer")
        logging.getLogger("nats.aio").info("chatter")
    finally:
        root.handlers = before

    assert re.fullmatch(r'\S+ warning nats.aio library message="slow consumer"\n', capsys.readouterr().err)


def test_repeats_of_an_event_are_counted_and_reported_later(capsys: pytest.CaptureFixture[str]) -> None:
    async def repeat() -> None:
        limit, log = RepeatLimit(every_s=0.02), get_logger("liveserver")
        for _ in range(1000):
            limit.write(log, "warning", "origin_rejected", "evil", origin="evil")
        reported = asyncio.Event()
        asyncio.get_running_loop().call_later(0.05, reported.set)
        await reported.wait()

    asyncio.run(repeat())

    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" liveserver ")[2] for line in lines] == [
        "origin_rejected origin=evil",
        "origin_rejected origin=evil repeated=999",
    ]


def test_repeats_with_ever_new_keys_are_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    limit = RepeatLimit(max_keys=10)
    for number in range(1000):
        limit.write(get_logger("liveserver"), "warning", "origin_rejected", str(number))

    assert len(capsys.readouterr().err.splitlines()) == 11


def test_repeated_library_messages_are_written_once(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = list(root.handlers)
    try:
        capture_library_logs()
        for number in range(100):
            logging.getLogger("uvicorn.error").warning("Invalid HTTP request\n%s", number)
    finally:
        root.handlers = before

    assert len(capsys.readouterr().err.splitlines()) == 1


def test_log_file_is_rotated_while_the_program_runs(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    path.touch()
    code = "from bus import get_logger\nfor n in range(25): get_logger('engine').info('filled', text='x' * 1_000_000, n=n)"
    with path.open("ab") as output:
        subprocess.run(
            [sys.executable, "-c", code],
            stderr=output,
            env={**os.environ, FILE_VARIABLE: str(path)},
            check=True,
        )

    older = path.with_name("engine.log.1")
    assert older.stat().st_size > MAX_FILE_BYTES > path.stat().st_size > 0
    assert path.read_text().rstrip().endswith("n=24")
