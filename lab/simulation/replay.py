"""Shows a run on the page: its bus is served to a live server, whose replay reads the run from the streams."""

import asyncio
import datetime
from collections.abc import Callable
from contextlib import suppress

from bus.runtime import Runtime, monotonic_ns, provided
from lab.simulation.bus_model.asyncio_server import BusServer
from lab.simulation.bus_model.server import BusModel
from lab.simulation.loop.event_loop import EPOCH_NS
from liveserver import app as liveserver
from liveserver.settings import Settings
from schemas.units import SECOND_NS


class ContinuedRuntime(Runtime):
    """The wall clock of a simulation that goes on in real time from its end."""

    def __init__(self, end_ns: int) -> None:
        self._offset_ns = end_ns - monotonic_ns()

    def time_ns(self) -> int:
        return self.monotonic_ns() + self._offset_ns


def serve_page(model: BusModel, port: int, report: Callable[[str], None]) -> None:
    """Serve the page on a port, 0 for a free one, with the contents of a bus, until Ctrl-C."""
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(model, port, report))


async def _serve(model: BusModel, port: int, report: Callable[[str], None]) -> None:
    runtime = ContinuedRuntime(model.now_ns)
    for connection in list(model.connections.values()):
        connection.disconnect()
    server = BusServer(model, runtime.time_ns)
    bus_port = await server.start("127.0.0.1", 0)
    with provided(runtime):
        settings = Settings(bus=f"nats://127.0.0.1:{bus_port}", http_port=port, replica="simulation")
        async with liveserver.running(settings) as replica:
            report(
                f"page: {replica.address} shows the end of the run; its replay shows the rest, from"
                f" {time_text(EPOCH_NS)} to {time_text(model.now_ns)} UTC. Ctrl-C ends it."
            )
            await asyncio.Event().wait()


def time_text(time_ns: int) -> str:
    """Return a time as the page's replay takes it: `2023-11-14 22:13:20`."""
    return f"{datetime.datetime.fromtimestamp(time_ns // SECOND_NS, datetime.UTC):%Y-%m-%d %H:%M:%S}"
