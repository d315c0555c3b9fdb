"""`bus init`: what it prints, and what it refuses."""

from pathlib import Path

import pytest

from bus.secure.server_config import Server
from cli.__main__ import parse
from cli.commands.bus_init import parse_server
from cli.errors import CommandError


def init(root: Path, *arguments: str) -> int:
    command, options = parse("bus", ["init", str(root), *arguments])
    code: int = command.run(options)
    return code


def test_it_prints_the_next_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path / "bus", "--venue", "sim") == 0
    said = capsys.readouterr().out
    assert (
        "users: admin, engine, market-sim, account-sim, gateway-sim, liveserver, operator, reader, sys"
        in said
    )
    assert f"apply FILE --bus-context {tmp_path}/bus/contexts/admin.json" in said
    assert f"(cd {tmp_path}/bus/contexts && nats --context reader.json sub 'engine.>')" in said


def test_the_second_run_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init(tmp_path / "bus")
    capsys.readouterr()
    init(tmp_path / "bus")
    assert f"{tmp_path}/bus: nothing to change" in capsys.readouterr().out


def test_a_new_venue_tells_to_reload_the_servers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init(tmp_path / "bus", "--venue", "sim")
    capsys.readouterr()
    init(tmp_path / "bus", "--venue", "okx", "--rotate", "engine")
    said = capsys.readouterr().out
    assert "contexts/gateway-okx.json" in said
    assert "nats-server --signal reload" in said
    assert "reload twice" in said
    assert "restart what connects as engine" in said


def test_a_directory_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(CommandError, match="has other files"):
        init(tmp_path)
    assert init(tmp_path, "--force") == 0


def test_without_tls_other_hosts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"not on bus\.example\.org"):
        init(tmp_path / "bus", "--no-tls", "--host", "bus.example.org")


def test_an_option_of_another_action_is_an_error(tmp_path: Path) -> None:
    command, options = parse("bus", ["backup", str(tmp_path), "--venue", "sim"])
    with pytest.raises(CommandError, match="--venue is an option of bus init"):
        command.run(options)


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("a=h:5222", Server("a", "h", 5222)),
        ("a=h", Server("a", "h", 4222)),
        ("a=[::1]:5222", Server("a", "::1", 5222)),
        ("a=[fd00::7]", Server("a", "fd00::7", 4222)),
    ],
)
def test_a_server_is_parsed(text: str, server: Server) -> None:
    assert parse_server(text) == server


@pytest.mark.parametrize("text", ["h:4222", "a=", "a=h:x", "a=h:65000", "a b=h", "=h:4222"])
def test_an_invalid_server_is_an_error(text: str) -> None:
    with pytest.raises(CommandError, match="has to be NAME=HOST:PORT"):
        parse_server(text)
