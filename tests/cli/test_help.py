"""The help: every option of every command has a text, and no option is ignored without a word."""

import argparse
from collections.abc import Callable
from types import ModuleType

import pytest

import engine.__main__
import lab.bench.__main__
import lab.chaos.__main__
import lab.scenarios.__main__
import lab.simulation.__main__
import liveserver.__main__
import producers.__main__
import producers.simulated.__main__
from bus import EXIT_PERMANENT
from cli.__main__ import parse
from cli.commands import bus
from cli.errors import CommandError
from cli.parser import COMMANDS, FORWARDED
from lab.chaos import losses_command, viewers_command

FORWARDED_PROGRAMS: dict[str, Callable[[], object]] = {
    "verify": lambda: lab.chaos.__main__.main([]),
    "verify --viewers": lambda: viewers_command.main([]),
    "verify --losses": lambda: losses_command.main([]),
    "simulate": lambda: lab.simulation.__main__.main([]),
    "scenario": lambda: lab.scenarios.__main__.main([]),
    "bench": lambda: lab.bench.__main__.main([]),
    "engine": lambda: engine.__main__.cli([]),
    "market, account, gateway": lambda: producers.__main__.cli([]),
    "liveserver": lambda: liveserver.__main__.cli([]),
    "venue": producers.simulated.__main__.cli,
}


class Parsed(Exception):
    """Carries the parser of a program, instead of parsing."""


def parser_of(program: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> argparse.ArgumentParser:
    def stop(self: argparse.ArgumentParser, *_: object) -> None:
        raise Parsed(self)

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    with pytest.raises(Parsed) as caught:
        program()
    (parser,) = caught.value.args
    assert isinstance(parser, argparse.ArgumentParser)
    return parser


@pytest.mark.parametrize(
    "program",
    [
        *(pytest.param(lambda name=name: parse(name, []), id=name) for name in sorted(COMMANDS - FORWARDED)),
        *(pytest.param(each, id=name) for name, each in FORWARDED_PROGRAMS.items()),
    ],
)
def test_every_option_has_a_text(program: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    parser = parser_of(program, monkeypatch)

    without = [action.dest for action in parser._actions if not action.help]
    assert without in ([], ["{check}"]) or all(
        isinstance(action, argparse._SubParsersAction) for action in parser._actions if not action.help
    )
    assert parser.description
    assert parser.description.endswith(".")


@pytest.mark.parametrize(
    ("program", "arguments", "message"),
    [
        (lab.chaos.__main__, ["--pause-for", "5"], "it needs --pauses"),
        (
            producers.__main__,
            ["gateway", "--venue-url", "http://x", "--symbol", "X"],
            "option of market and account",
        ),
        (
            producers.__main__,
            ["account", "--venue-url", "http://x", "--instruments-every", "5"],
            "option of market",
        ),
        (liveserver.__main__, ["--own-port", "5"], "it needs --share-port"),
    ],
)
def test_an_option_that_would_be_ignored_is_rejected(
    program: ModuleType, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main = program.main if program is lab.chaos.__main__ else program.cli
    with pytest.raises(SystemExit, match="2"):
        main(arguments)

    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--force"], "--force is an option of bus restore"),
        (["backup", "d", "--no-safety-copy"], "--no-safety-copy is an option of bus restore"),
        (["backup", "d", "--port", "1"], "--port is an option of bus itself"),
        (["restore", "d", "--host", "h"], "--host is an option of bus itself"),
        (["--bus-url", "u"], "--bus-url is an option of bus backup and bus restore"),
        (["--host", "0.0.0.0"], "bus init"),
        (["backup", "d", "--bus-url", "u", "--data-dir", "x"], "both say where the bus is"),
        (["backup"], "name the directory of the backup"),
    ],
)
def test_an_option_of_another_action_of_bus_is_rejected(arguments: list[str], message: str) -> None:
    _, options = parse("bus", arguments)
    with pytest.raises(CommandError, match=message):
        bus.run(options)


@pytest.mark.parametrize("part", ["engine", "liveserver", "market --venue-url=http://127.0.0.1:1"])
def test_a_context_that_cannot_be_read_is_one_line(
    part: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENSQT_BUS_CONTEXT", "/missing/context.json")
    program, *arguments = part.split()
    run = {"engine": engine.__main__.cli, "liveserver": liveserver.__main__.cli}.get(program)
    code = run(arguments) if run is not None else producers.__main__.cli(part.split())
    assert code == EXIT_PERMANENT
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "error: the bus context /missing/context.json cannot be read: No such file or directory"
