"""Listening servers."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from lab.simulation.loop.hosts import Process
from lab.simulation.loop.interfaces import Clock
from lab.simulation.loop.transport import Address, SimulatedSocket, SimulatedTransport


class Ports(Protocol):
    """The network, as listeners use it."""

    def listen(self, server: Any) -> None: ...

    def stop_listening(self, server: Any) -> None: ...


class SimulatedServer(asyncio.AbstractServer):
    """A listening server."""

    def __init__(
        self,
        loop: Clock,
        network: Ports,
        process: Process,
        factory: Callable[[], asyncio.BaseProtocol],
        address: Address,
    ) -> None:
        self.process = process
        self.address = address
        self._loop, self._network, self._factory = loop, network, factory
        self._context = process.context.copy()
        self._is_serving = False

    @property
    def sockets(self) -> tuple[SimulatedSocket, ...]:
        return (SimulatedSocket(self.address, None),) if self._is_serving else ()

    def listen(self) -> None:
        """Accept connections from now on. Raises: OSError when the port is in use."""
        if not self._is_serving:
            self._network.listen(self)
            self._is_serving = True
            self.process.servers[self] = None

    def accept(self, transport: SimulatedTransport) -> None:
        """Serve a new connection, as soon as the process runs."""
        self._loop.run_soon(self._context, self._start, transport)

    def get_loop(self) -> Any:
        return self._loop

    def is_serving(self) -> bool:
        return self._is_serving

    async def start_serving(self) -> None:
        self.listen()

    async def serve_forever(self) -> None:
        self.listen()
        try:
            await self._loop.create_future()
        finally:
            self.close()

    def close(self) -> None:
        if self._is_serving:
            self._is_serving = False
            self._network.stop_listening(self)
            self.process.servers.pop(self, None)

    def close_clients(self) -> None: ...

    def abort_clients(self) -> None: ...

    async def wait_closed(self) -> None: ...

    def _start(self, transport: SimulatedTransport) -> None:
        transport.start(self._factory())
