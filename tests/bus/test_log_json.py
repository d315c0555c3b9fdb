"""Logs as JSON: one object a line, also for errors of the start."""

import json
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest

from bus import OptionParser, add_log_options, get_logger
from bus.log import configure_log, write_error


@pytest.fixture(autouse=True)
def _as_json() -> None:
    configure_log(log_format="json")


def written(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    (line,) = capsys.readouterr().err.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_line_is_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    get_logger("engine").bind(epoch=2).info("fenced", symbol="é\n", price=Decimal("1.5"), level=float("nan"))
    line = written(capsys)
    assert line.pop("time").endswith("Z")
    head = {"level": "info", "service": "engine", "event": "fenced"}
    assert line == {**head, "epoch": 2, "symbol": "é\n", "price": "1.5", "level_": "nan"}


def test_an_exception_has_its_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENSQT_DEBUG", "1")
    get_logger("engine").error("failed", exception=ValueError("no"))
    line = written(capsys)
    assert (line["exception"], "ValueError" in line["traceback"]) == ("ValueError: no", True)


def test_an_error_of_the_start_is_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    write_error("port 8080 is in use", "engine")
    assert written(capsys)["detail"] == "port 8080 is in use"


def test_an_error_of_the_command_line_is_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    parser = OptionParser(prog="opensqt engine", environment={})
    add_log_options(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--log-format=json", "--nothing"])
    line = written(capsys)
    assert (line["service"], line["event"], "--nothing" in line["detail"]) == ("engine", "failed", True)


def test_a_part_that_cannot_start_writes_json() -> None:
    command = [sys.executable, "-m", "engine", "--log-format=json", "--bus-context=/nothing"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert [json.loads(line)["event"] for line in ended.stderr.splitlines()] == ["failed"]


def test_the_level_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    parser = OptionParser(prog="opensqt engine", environment={})
    add_log_options(parser)
    parser.parse_args(["--log-level", "error"])
    get_logger("engine").warning("quiet")
    assert capsys.readouterr().err == ""
