"""Names of the connections to the bus."""

from bus import Bus, connect
from bus.client.connections import other_connections


async def test_other_connections_are_named(bus: Bus) -> None:
    assert await other_connections(bus) == []
    async with connect(bus.url, name="engine"), connect(bus.url, name="account"):
        assert await other_connections(bus) == ["account", "engine"]
