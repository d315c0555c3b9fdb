"""What a part gets from `up`, and what it says when it cannot start."""

import json
from pathlib import Path

import pytest

from cli.stack.process import PartProcess, part_environment


def test_a_part_does_not_get_the_options_of_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENSQT_HTTP_PORT", "OPENSQT__HTTP__PORT", "OPENSQT_LOG_FORMAT", "OTHER"):
        monkeypatch.setenv(name, "1")
    names = part_environment().keys()
    assert {"OPENSQT_LOG_FORMAT", "OTHER"} <= names
    assert not {"OPENSQT_HTTP_PORT", "OPENSQT__HTTP__PORT"} & names


@pytest.mark.parametrize(
    "line",
    [
        "engine: error: no such port",
        json.dumps(
            {"time": "T", "level": "error", "service": "e", "event": "failed", "detail": "no such port"}
        ),
    ],
)
def test_the_last_error_is_found_in_text_and_json(tmp_path: Path, line: str) -> None:
    log = tmp_path / "engine.log"
    log.write_text(f"{line}\n")
    assert PartProcess("engine", (), log).last_error() == "no such port"
