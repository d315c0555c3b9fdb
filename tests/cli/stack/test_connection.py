"""Locating the bus and connecting to it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bus import BusContext, Credentials, EmbeddedServer, read_context, write_context
from cli.errors import CommandError
from cli.stack.connection import (
    DEFAULT_URL,
    BusAddress,
    BusPlace,
    connect_to_bus,
    locate_bus,
    locate_running_bus,
)
from cli.stack.data_dir import DataDir, RunRecord


def record(pid: int) -> RunRecord:
    return RunRecord(pid=pid, bus_url="nats://there", venue_url="", pages=(), logs="")


def test_the_bus_of_the_stack_in_the_named_directory_is_found(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    with data.hold():
        data.write(record(os.getpid()))

        found = locate_bus(BusPlace(None, tmp_path))

        assert (found.url, found.option) == ("nats://there", f" --data-dir {tmp_path}")


def test_the_named_bus_is_used(tmp_path: Path) -> None:
    assert locate_bus(BusPlace("nats://option", None)).url == "nats://option"
    with pytest.raises(CommandError, match="both say where the bus is"):
        locate_bus(BusPlace("nats://option", tmp_path))


def test_a_named_directory_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=f"there is no directory {tmp_path}/typo; check the name"):
        locate_bus(BusPlace(None, tmp_path / "typo"))


def test_a_named_directory_without_a_running_stack_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=rf"no stack runs in {tmp_path}; start it with: .* up --data-dir"):
        locate_running_bus(BusPlace(None, tmp_path))


def test_a_named_directory_whose_stack_has_died_is_an_error(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    DataDir(tmp_path).write(record(ended.pid))

    with pytest.raises(CommandError, match=rf"ended without cleaning up \(process {ended.pid} is gone\)"):
        locate_bus(BusPlace(None, tmp_path))


def test_a_stack_that_is_starting_is_named(tmp_path: Path) -> None:
    with DataDir(tmp_path).hold(), pytest.raises(CommandError, match=r"is starting or stopping .*; retry in"):
        locate_bus(BusPlace(None, tmp_path))


def test_the_default_port_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENSQT_ROOT", str(tmp_path))

    assert locate_running_bus(BusPlace()) is None
    assert (
        str(locate_bus(BusPlace())) == f"{DEFAULT_URL} (default port; there is no directory {tmp_path}/data)"
    )


async def test_a_missing_bus_of_a_running_stack_is_being_restarted(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    with data.hold():
        data.write(record(os.getpid()))

        with pytest.raises(CommandError, match="though its `up` runs, which restarts it"):
            async with connect_to_bus(BusAddress("nats://127.0.0.1:1", data=data), "test"):
                pass


@pytest.mark.parametrize("url", ["nats://127.0.0.1:1", "nonsense", "nats://:x"])
async def test_a_missing_bus_is_an_error(url: str) -> None:
    with pytest.raises(CommandError, match=r"start one with: .*opensqt up"):
        async with connect_to_bus(BusAddress(url), "test"):
            pass


def test_a_context_file_and_the_environment_name_the_bus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "engine.json"
    write_context(file, BusContext(url="nats://there:1", user="ann", password="secret"))

    named = locate_bus(BusPlace(context=file))
    assert (named.url, named.option, named.context) == (
        "nats://there:1",
        f" --bus-context {file}",
        read_context(file),
    )

    monkeypatch.setenv("OPENSQT_BUS_CONTEXT", str(file))
    assert locate_bus(BusPlace()).context == read_context(file)
    with pytest.raises(CommandError, match=f"no stack runs in {tmp_path}"):
        locate_bus(BusPlace(data_dir=tmp_path))


async def test_rejected_credentials_are_named(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path / "bus", credentials=Credentials("ann", "secret")) as server:
        with pytest.raises(CommandError, match=r"name a context file .* --data-dir \(from --bus-url nats:"):
            async with connect_to_bus(locate_bus(BusPlace(server.url)), "test"):
                pass
        write_context(tmp_path / "a.json", BusContext(url=server.url, user="ann", password="wrong"))
        with pytest.raises(CommandError, match=r"rejects .* of the user ann \(from --bus-context .*a.json"):
            async with connect_to_bus(locate_bus(BusPlace(context=tmp_path / "a.json")), "test"):
                pass
