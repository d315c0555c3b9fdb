"""What the parts complain of, on the console."""

from pathlib import Path

import pytest

from cli.stack.log_watch import MOST_LINES, MOST_OF_A_KIND, Complaints, LogTail, complaint


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
    assert complaint(line) == shown


def test_only_complete_new_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "part.log"
    path.write_text("old\n")
    tail = LogTail("part", path)

    with path.open("a") as file:
        file.write("one\ntw")
    assert list(tail.lines()) == ["one"]
    with path.open("a") as file:
        file.write("o\n")
    assert list(tail.lines()) == ["two"]


def test_a_file_that_begins_anew_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "part.log"
    path.write_text("a long line of the old file\n")
    tail = LogTail("part", path)

    path.write_text("new\n")

    assert list(tail.lines()) == ["new"]


def test_a_part_that_complains_without_end_is_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "part.log"
    tail, shown = LogTail("part", path), list[str]()
    path.write_text("\n".join(f"{i} oh no" for i in range(100)) + "\n")

    Complaints([tail], shown.append).look()

    assert len(shown) == MOST_LINES + 1
    assert shown[-1] == f"part: more of this in {path}"


def test_what_several_parts_complain_of_is_told_once(tmp_path: Path) -> None:
    tails, shown = [LogTail(name, tmp_path / name) for name in ("engine", "gateway")], list[str]()
    for tail in tails:
        tail.path.write_text("2026-11-21T04:00:00.123Z warning part bus_disconnected\n")

    Complaints(tails, shown.append).look()

    assert shown == ["engine: warning: bus_disconnected"]


def test_one_event_does_not_drown_the_others(tmp_path: Path) -> None:
    tail, shown = LogTail("gateway", tmp_path / "gateway"), list[str]()
    line = "2026-11-21T04:00:00.123Z warning gateway {}\n"
    rejected = [line.format(f"order_rejected id={i}") for i in range(50)]
    tail.path.write_text("".join([*rejected, line.format("bus_disconnected")]))

    Complaints([tail], shown.append).look()

    assert shown[MOST_OF_A_KIND:] == [
        f"gateway: more of this in {tail.path}",
        "gateway: warning: bus_disconnected",
    ]
