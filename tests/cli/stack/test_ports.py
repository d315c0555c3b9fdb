"""Choosing free ports."""

import socket
from collections.abc import Iterator

import pytest

from cli.errors import CommandError
from cli.stack.ports import HOST, choose, find_free_port, is_free


@pytest.fixture
def used_port() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def test_a_free_default_is_chosen() -> None:
    port = find_free_port()

    assert choose("--http-port", None, port) == (port, True)


def test_another_port_is_chosen_if_the_default_is_in_use(used_port: int) -> None:
    chosen = choose("--http-port", None, used_port)

    assert chosen.port > used_port
    assert not chosen.is_default
    assert is_free(chosen.port)


def test_a_requested_port_in_use_is_an_error(used_port: int) -> None:
    with pytest.raises(CommandError, match=f"port {used_port} is in use: choose another with --http-port"):
        choose("--http-port", used_port, 8080)


def test_zero_means_any_free_port() -> None:
    assert is_free(choose("--http-port", 0, 8080, count=2).port)


def test_consecutive_ports_must_all_be_free(used_port: int) -> None:
    with pytest.raises(CommandError, match=f"port {used_port} is in use"):
        choose("--http-port", used_port - 1, 8080, count=2)
