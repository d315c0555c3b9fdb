"""The log format."""

import logging
import re

import pytest

from bus import get_logger
from bus.log import capture_library_logs


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
