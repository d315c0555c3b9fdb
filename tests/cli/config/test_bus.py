"""Tests of the `bus` section of a configuration."""

import pytest

from bus import ServerLimits
from cli.config.bus import BusSettings
from cli.config.file import read
from tests.cli.config.test_file import GOOD


def test_the_bus_has_a_port_and_limits() -> None:
    configuration, found = read(GOOD + "\nbus: { port: 4333, memory: 1GiB, store: 100GiB }\n", {})
    assert configuration is not None, found
    assert configuration.bus == BusSettings(port=4333, limits=ServerLimits(memory=1 << 30, store=100 << 30))


@pytest.mark.parametrize(
    ("bus", "mistake"),
    [("memory: 1 GB", "has to be a size with its unit"), ("memory: 64MiB", "has to be at least 384MiB")],
)
def test_limits_of_the_bus_that_cannot_work_are_mistakes(bus: str, mistake: str) -> None:
    _, found = read(GOOD + f"\nbus: {{ {bus} }}\n", {})
    assert any(mistake in each.text for each in found)
