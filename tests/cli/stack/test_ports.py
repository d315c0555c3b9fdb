"""Choosing ports."""

import socket
from collections.abc import Iterator

import pytest

from cli.errors import CommandError
from cli.stack.ports import HOST, any_free, choose, is_free


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def test_the_default_is_taken_when_it_is_free() -> None:
    port = any_free()

    assert choose("--http-port", None, port) == (port, True)


def test_another_port_is_chosen_when_the_default_is_taken(taken: int) -> None:
    chosen = choose("--http-port", None, taken)

    assert chosen.port > taken
    assert not chosen.is_default
    assert is_free(chosen.port)


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(taken: int) -> None:
    with pytest.raises(CommandError, match=f"port {taken} is taken: choose another with --http-port"):
        choose("--http-port", taken, 8080)


def test_zero_is_any_free_port() -> None:
    assert is_free(choose("--http-port", 0, 8080, count=2).port)


def test_a_row_of_ports_is_free_as_a_whole(taken: int) -> None:
    with pytest.raises(CommandError, match=f"port {taken} is taken"):
        choose("--http-port", taken - 1, 8080, count=2)
