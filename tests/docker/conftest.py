"""Fixtures of the tests that need a Docker engine: the images, and a running stack of compose.yaml."""

import socket
from collections.abc import Iterator

import pytest

from tests.docker.engine import IMAGE, Compose, build_images


@pytest.fixture(scope="session")
def image() -> str:
    """Build the image of the parts and return its name."""
    build_images()
    return IMAGE


@pytest.fixture(scope="module")
def stack() -> Iterator[Compose]:
    """Start the stack, and return when all its containers are healthy."""
    build_images()
    http_port, bus_port = _free_ports(2)
    compose = Compose(http_port, bus_port)
    try:
        compose.run("up", "--detach", "--wait")
        yield compose
    finally:
        compose.run("down", "--volumes", "--timeout", "20")


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports
