"""The command line: dispatch, help, argument errors, exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli import __version__, entry_points
from cli.__main__ import parse
from cli.commands import test
from cli.errors import CommandError
from cli.parser import COMMANDS, FORWARDED, GROUPS
from cli.program import program


def opensqt(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_help_lists_every_command_and_imports_none() -> None:
    code = (
        "import atexit, sys, cli.__main__ as m; atexit.register(lambda: print('asyncio' in sys.modules));"
        "sys.argv[1:] = ['--help']; m.main()"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert all(command in shown for commands in GROUPS.values() for command in commands)
    assert shown.endswith("False\n")


def test_no_command_prints_the_help() -> None:
    assert opensqt().stdout == opensqt("--help").stdout


def test_an_unknown_command_is_an_error() -> None:
    ended = opensqt("dance")

    assert ended.returncode == 1
    assert ended.stderr == f"error: there is no command dance; `{program()} --help` lists the commands\n"


@pytest.mark.parametrize("name", sorted(COMMANDS - FORWARDED))
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        parse(name, ["--help"])

    assert capsys.readouterr().out.startswith(f"usage: opensqt {name}")


def test_version_is_printed() -> None:
    assert opensqt("--version").stdout == f"opensqt {__version__}\n"


def test_an_invalid_configuration_is_an_error_with_exit_code_1(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("instance: sqt\nsimbols: []\n")

    ended = opensqt("config", "check", str(path))

    assert ended.returncode == 1
    assert f"{path}:2: simbols is unknown; did you mean symbols?" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_debug_prints_tracebacks() -> None:
    assert "Traceback" in opensqt("--debug", "config", "check", "/no/such/file").stderr
    assert "Traceback" in opensqt("config", "check", "--debug", "/no/such/file").stderr


@pytest.mark.parametrize(
    "command", [["status"], ["tap", "engine.>"], ["control", "pause", "sim", "BTC/USDT"]]
)
def test_a_missing_bus_is_reported_in_one_line(command: list[str]) -> None:
    ended = opensqt(*command, "--bus-url", "nats://127.0.0.1:1")

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"error: no bus at nats://127.0.0.1:1: start one with: {program()} up;")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["up", "--speed", "fast"], "has to be a number above 0, or max, not 'fast'"),
        (["up", "--http-port", "70000"], "has to be a whole number from 0 to 65535, not '70000'"),
        (["up", "--engines", "0"], "has to be a whole number from 1 to 64, not '0'"),
        (["tap", "x", "--since", "5"], "has to be a duration with its unit"),
        (["control", "dance", "sim", "X"], "invalid choice: 'dance'"),
        (["control", "set", "sim", "X", "--set", "a"], "has to be name=value, like 'order_amount=40 USDT'"),
        (["control", "stop", "sim", "=zz"], "'=zz' is not a symbol"),
    ],
)
def test_invalid_arguments_are_reported(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse(arguments[0], arguments[1:])

    assert message in capsys.readouterr().err


def test_a_reader_that_exits_early_is_no_error() -> None:
    shown = subprocess.Popen(
        [sys.executable, "-m", "cli", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert shown.stdout is not None
    assert shown.stderr is not None
    shown.stdout.read(10)
    shown.stdout.close()

    assert (shown.stderr.read(), shown.wait()) == ("", 0)
    shown.stderr.close()


def test_a_missing_recording_is_reported_before_anything_starts(tmp_path: Path) -> None:
    ended = opensqt(
        "up", "--replay", "none.csv", "--http-port", "0", "--bus-port", "0", OPENSQT_ROOT=str(tmp_path)
    )

    assert ended.returncode == 1
    assert "none.csv" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_every_forwarded_command_is_a_module_or_the_tests() -> None:
    assert {*entry_points.MODULES, "test"} == FORWARDED


def test_tests_run_in_parallel_unless_an_option_forbids_it(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()

    assert "-n" in test.pytest_command(["-k", "x"], tmp_path)
    assert "-n" not in test.pytest_command(["--pdb"], tmp_path)


def test_tests_need_the_repository(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"has no tests: run \./opensqt test in the repository"):
        test.pytest_command([], tmp_path)


def test_missing_development_tools_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tests").mkdir()
    monkeypatch.setattr(test, "REQUIRED_MODULES", ("pytest", "no_such_module"))

    with pytest.raises(
        CommandError, match=r"development tools are missing \(no_such_module\): run \./opensqt test"
    ):
        test.pytest_command([], tmp_path)
