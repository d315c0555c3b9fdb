"""Tests of the address that a process announces."""

import socket

import pytest

from bus.service.address import reachable_address


@pytest.mark.parametrize(
    ("listens", "bus", "announced"),
    [
        ("http://127.0.0.1:8080", "nats://10.0.0.1:4222", "http://127.0.0.1:8080"),
        ("http://0.0.0.0:8080", "nats://127.0.0.1:4222", "http://127.0.0.1:8080"),
        ("http://[::]:8080", "nats://127.0.0.1", "http://127.0.0.1:8080"),
        ("http://live-1:8080", "nats://127.0.0.1:4222", "http://live-1:8080"),
        (
            "http://0.0.0.0:80",
            "nats://bus.invalid:4222,nats://127.0.0.1",
            f"http://{socket.gethostname()}:80",
        ),
    ],
)
async def test_an_unspecified_address_is_replaced(listens: str, bus: str, announced: str) -> None:
    assert await reachable_address(listens, bus) == announced
