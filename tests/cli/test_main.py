"""The command line, as it is used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli import __version__
from cli.__main__ import parser
from cli.commands import entry_points, test
from cli.errors import CommandError
from cli.groups import GROUPS, PASSED_ON


def opensqt(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_help_lists_every_command_and_imports_none() -> None:
    code = "import sys, cli.__main__ as m; print(m.parser().format_help()); print('asyncio' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert all(command in shown for commands in GROUPS.values() for command in commands)
    assert shown.endswith("False\n")


def test_the_version_is_told() -> None:
    assert opensqt("--version").stdout == f"opensqt {__version__}\n"


def test_a_wrong_configuration_is_told_and_ends_with_one(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("instance: sqt\nsimbols: []\n")

    ended = opensqt("config", "check", str(path))

    assert ended.returncode == 1
    assert f"{path}:2: simbols is not known; did you mean symbols?" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_debug_shows_where_an_error_comes_from() -> None:
    assert "Traceback" in opensqt("--debug", "config", "check", "/no/such/file").stderr
    assert "Traceback" in opensqt("config", "check", "--debug", "/no/such/file").stderr


@pytest.mark.parametrize(
    "command", [["status"], ["tap", "engine.>"], ["control", "pause", "sim", "BTC/USDT"]]
)
def test_no_bus_is_told_in_one_line(command: list[str]) -> None:
    ended = opensqt(*command, "--bus-url", "nats://127.0.0.1:1")

    assert ended.returncode == 1
    assert ended.stderr.startswith("error: no bus at nats://127.0.0.1:1: start one with `opensqt up`")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["up", "--speed", "fast"], "has to be a number above 0, or max, not 'fast'"),
        (["up", "--http-port", "70000"], "has to be a whole number from 0 to 65535, not '70000'"),
        (["up", "--viewers", "0"], "has to be a whole number from 1 to 64, not '0'"),
        (["tap", "x", "--since", "5"], "has to be a duration with its unit"),
        (["control", "dance", "sim", "X"], "invalid choice: 'dance'"),
        (["control", "set", "sim", "X", "--set", "a"], "has to be name=value, like 'order_amount=40 USDT'"),
        (["control", "stop", "sim", "=zz"], "'=zz' is no symbol"),
        (["dance"], "invalid choice: 'dance'"),
    ],
)
def test_what_cannot_be_understood_is_told(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(arguments)

    assert complaint in capsys.readouterr().err


def test_a_recording_that_is_not_there_is_told_before_anything_starts(tmp_path: Path) -> None:
    ended = opensqt(
        "up", "--replay", "none.csv", "--http-port", "0", "--bus-port", "0", OPENSQT_ROOT=str(tmp_path)
    )

    assert ended.returncode == 1
    assert "none.csv" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_every_command_that_is_passed_on_is_a_module_or_the_tests() -> None:
    assert {*entry_points.MODULES, "test"} == PASSED_ON


def test_the_tests_run_side_by_side_unless_told_otherwise(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()

    assert "-n" in test.command(["-k", "x"], tmp_path)
    assert "-n" not in test.command(["--pdb"], tmp_path)


def test_tests_are_run_in_the_repository(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"has no tests: run \./opensqt test in the repository"):
        test.command([], tmp_path)


def test_missing_tools_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tests").mkdir()
    monkeypatch.setattr(test, "NEEDED", ("pytest", "no_such_module"))

    with pytest.raises(
        CommandError, match=r"development tools are missing \(no_such_module\): run \./opensqt test"
    ):
        test.command([], tmp_path)
