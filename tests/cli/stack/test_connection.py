"""Locating the bus and connecting to it."""

import os
from pathlib import Path

import pytest

from cli.errors import CommandError
from cli.stack.connection import DEFAULT_URL, bus_url, connect_to_bus, running_bus_url
from cli.stack.data_dir import DataDir, RunRecord


def test_the_bus_url_comes_from_the_option_else_the_running_stack_else_the_default(tmp_path: Path) -> None:
    assert bus_url(None, tmp_path) == DEFAULT_URL
    record = RunRecord(pid=os.getpid(), bus_url="nats://there", venue_url="", pages=(), logs="")
    DataDir(tmp_path).write(record)
    assert bus_url(None, tmp_path) == "nats://there"
    assert bus_url("nats://option", tmp_path) == "nats://option"


def test_without_a_running_stack_there_is_no_running_bus(tmp_path: Path) -> None:
    assert running_bus_url(None, tmp_path) is None
    assert running_bus_url("nats://option", tmp_path) == "nats://option"


@pytest.mark.parametrize("url", ["nats://127.0.0.1:1", "nonsense", "nats://:x"])
async def test_a_missing_bus_is_an_error(url: str) -> None:
    with pytest.raises(CommandError, match="start one with `opensqt up`"):
        async with connect_to_bus(url, "test"):
            pass
