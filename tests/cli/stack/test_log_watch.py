"""Warnings of the parts on the console."""

import json
from pathlib import Path

import pytest

from cli.stack.log_watch import MAX_LINES, MAX_LINES_PER_EVENT, LogFollower, LogWatch, console_text


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("2026-11-21T04:00:00.123Z info engine step_committed step=12", None),
        ("2026-11-21T04:00:00.123Z warning engine fenced step=12", "warning: fenced step=12"),
        ("2026-11-21T04:00:00.123Z error engine died step=12", "error: died step=12"),
        ("Traceback (most recent call last):", "Traceback (most recent call last):"),
        ("   ", None),
    ],
)
def test_warnings_errors_and_tracebacks_are_shown(line: str, shown: str | None) -> None:
    assert console_text(line) == shown


def test_only_complete_new_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "part.log"
    path.write_text("old\n")
    log = LogFollower("part", path)

    with path.open("a") as file:
        file.write("one\ntw")
    assert list(log.lines()) == ["one"]
    with path.open("a") as file:
        file.write("o\n")
    assert list(log.lines()) == ["two"]


def test_a_truncated_file_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "part.log"
    path.write_text("a long line of the old file\n")
    log = LogFollower("part", path)

    path.write_text("new\n")

    assert list(log.lines()) == ["new"]


def test_the_lines_of_one_part_are_limited(tmp_path: Path) -> None:
    path = tmp_path / "part.log"
    log, shown = LogFollower("part", path), list[str]()
    path.write_text("\n".join(f"{i} oh no" for i in range(100)) + "\n")

    LogWatch([log], shown.append).check()

    assert len(shown) == MAX_LINES + 1
    assert shown[-1] == f"part: more lines like this in {path}"


def test_equal_lines_of_several_parts_are_printed_once(tmp_path: Path) -> None:
    logs, shown = [LogFollower(name, tmp_path / name) for name in ("engine", "gateway")], list[str]()
    for log in logs:
        log.path.write_text("2026-11-21T04:00:00.123Z warning part bus_disconnected\n")

    LogWatch(logs, shown.append).check()

    assert shown == ["engine: warning: bus_disconnected"]


def test_a_frequent_event_does_not_hide_others(tmp_path: Path) -> None:
    log, shown = LogFollower("gateway", tmp_path / "gateway"), list[str]()
    line = "2026-11-21T04:00:00.123Z warning gateway {}\n"
    rejected = [line.format(f"order_rejected id={i}") for i in range(50)]
    log.path.write_text("".join([*rejected, line.format("bus_disconnected")]))

    LogWatch([log], shown.append).check()

    assert shown[MAX_LINES_PER_EVENT:] == [
        f"gateway: more lines like this in {log.path}",
        "gateway: warning: bus_disconnected",
    ]


@pytest.mark.parametrize(
    ("level", "text"), [("warning", 'warning: fenced step=12 detail="two words"'), ("info", None)]
)
def test_lines_in_json_are_printed_like_text(level: str, text: str | None) -> None:
    line = {
        "time": "T",
        "level": level,
        "service": "engine",
        "event": "fenced",
        "step": 12,
        "detail": "two words",
    }
    assert console_text(json.dumps(line)) == text
