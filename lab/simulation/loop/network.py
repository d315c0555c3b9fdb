"""The network between the simulated hosts: delays, partitions, resets, lost power. Order holds within a connection only."""

import asyncio
import errno
import random
import socket
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from lab.simulation.loop.hosts import Host, Process
from lab.simulation.loop.interfaces import Clock, Route
from lab.simulation.loop.links import LOOPBACK, Link
from lab.simulation.loop.listener import SimulatedServer
from lab.simulation.loop.pipe import Pipe
from lab.simulation.loop.transport import SimulatedTransport

LOCAL = frozenset({"", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::"})
LOOPBACK_ADDRESS = "127.0.0.1"
CONNECT_RETRIES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""When the kernel sends the first packet of a connection again."""
RETRANSMIT_S = (0.2, 1.0)
"""Bounds of the time after which a lost packet is sent again."""
FIRST_PORT, LAST_PORT = 40_000, 60_000


class Loop(Clock, Protocol):
    """The event loop, as the network uses it."""

    current: Process


class Network:
    """Connections, listeners and faults. A fault acts in the direction from its first to its second host."""

    def __init__(self, loop: Loop, random: random.Random) -> None:
        self.link = Link()
        """The quality where no other one is set."""
        self.window_bytes = 1024 * 1024
        """What the kernels buffer for a connection, in each direction."""
        self.random = random
        self._loop = loop
        self._hosts: dict[str, Host] = {}
        self._links: dict[Route, Link] = {}
        self._blocked: dict[Route, None] = {}
        self._listeners: dict[tuple[str, int], SimulatedServer] = {}
        self._connections: dict[SimulatedTransport, None] = {}  # of each connection, the end that opened it
        self._forwards: dict[int, Host] = {}
        self._sockets: dict[socket.socket, SimulatedTransport] = {}

    def add(self, host: Host) -> None:
        assert host.address not in self._hosts, f"there is a host at {host.address} already"
        self._hosts[host.address] = self._hosts[host.name] = host

    def set_link(self, source: Host, target: Host, link: Link) -> None:
        """Set the quality of the network from one host to another."""
        self._links[source.address, target.address] = link

    def block(self, source: Host, target: Host) -> None:
        """Let nothing arrive from one host at another, until `unblock`."""
        self._blocked[source.address, target.address] = None

    def partition(self, *groups: list[Host]) -> None:
        """Let the hosts of different groups not reach each other."""
        for source, target in self._pairs(groups):
            self.block(source, target)

    def unblock(self, source: Host, target: Host) -> None:
        """End `block`: what was sent meanwhile arrives now, if the connection still exists."""
        if (source.address, target.address) in self._blocked:
            del self._blocked[source.address, target.address]
            self._retry(lambda route: route == (source.address, target.address))

    def heal(self) -> None:
        """End every `block` and `partition`."""
        for source, target in list(self._blocked):
            self.unblock(self._hosts[source], self._hosts[target])

    def reset(self, one: Host, other: Host) -> int:
        """Reset all connections between two hosts; return their number."""
        return sum(end.reset() for end in self._ends(one, other))

    def vanish(self, one: Host, other: Host) -> int:
        """Let `one` lose its connections to `other`, which does not notice until it sends something; return their number."""
        found = list(self._ends(one, other))
        for end in found:
            end.vanish()
        return len(found)

    def power_on(self, address: str) -> None:
        """Let what was sent to a host without power arrive; connections from before are reset."""
        self._retry(lambda route: route[1] == address)

    def is_blocked(self, route: Route) -> bool:
        """Return whether nothing arrives on a route between two addresses, for now."""
        return route in self._blocked or not self._hosts[route[1]].is_powered

    def delay_s(self, route: Route) -> float:
        """Draw how long the next packet takes."""
        link = self.link_of(route)
        delay = link.delay_s + self.random.random() * link.jitter_s
        if link.loss and self.random.random() < link.loss:
            delay += self.random.uniform(*RETRANSMIT_S)
        return delay

    def link_of(self, route: Route) -> Link:
        found = self._links.get(route)
        if found is not None:
            return found
        return LOOPBACK if route[0] == route[1] else self.link

    def resolve(self, name: Any, current: Host) -> Host:
        """Return the host with a name or an address.

        Raises: socket.gaierror.
        """
        text = name.decode() if isinstance(name, bytes) else name or ""
        if text in LOCAL:
            return current
        found = self._hosts.get(text)
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, f"Name or service not known: {text}")
        return found

    async def create_connection(
        self,
        factory: Callable[[], asyncio.BaseProtocol],
        host: Any,
        port: Any,
        *,
        ssl: Any = None,
        sock: socket.socket | None = None,
        **_: Any,
    ) -> tuple[SimulatedTransport, asyncio.BaseProtocol]:
        """Connect from the running host; see `asyncio.loop.create_connection`."""
        if ssl:
            raise NotImplementedError("the simulated network has no TLS")
        if sock is not None:
            transport = self._sockets.pop(sock)
            sock.close()
        else:
            transport = await self._connect(host, int(port))
        protocol = factory()
        transport.start(protocol)
        return transport, protocol

    async def connect_socket(self, sock: socket.socket, address: tuple[str, int]) -> None:
        """Connect a socket, which `create_connection` then takes."""
        self._sockets[sock] = await self._connect(address[0], address[1])

    def create_server(
        self,
        factory: Callable[[], asyncio.BaseProtocol],
        host: Any,
        port: Any,
        *,
        ssl: Any = None,
        sock: socket.socket | None = None,
        start_serving: bool = True,
        **_: Any,
    ) -> SimulatedServer:
        """Listen on the running host; see `asyncio.loop.create_server`. A port of 0 chooses one.

        Raises: OSError when the port is in use.
        """
        if ssl:
            raise NotImplementedError("the simulated network has no TLS")
        process = self._loop.current
        if sock is not None:
            port = sock.getsockname()[1]
        address = process.host.address
        server = SimulatedServer(
            self._loop, self, process, factory, (address, int(port or self._free_port(process.host)))
        )
        if start_serving:
            server.listen()
        return server

    def listen(self, server: SimulatedServer) -> None:
        if server.address in self._listeners:
            raise OSError(errno.EADDRINUSE, f"Address already in use: {server.address}")
        self._listeners[server.address] = server

    def stop_listening(self, server: SimulatedServer) -> None:
        if self._listeners.get(server.address) is server:
            del self._listeners[server.address]

    def forward(self, port: int, target: Host) -> None:
        """Let connections of any host to its own port come out of the loopback interface of another one, as by SSH."""
        self._forwards[port] = target

    async def _connect(self, host: Any, port: int) -> SimulatedTransport:
        loop, process = self._loop, self._loop.current
        target = self.resolve(host, process.host)
        local = (process.host.address, self._free_port(process.host))
        if target is process.host and port in self._forwards:
            target, local = self._forwards[port], (LOOPBACK_ADDRESS, local[1])
        there, back = (process.host.address, target.address), (target.address, process.host.address)
        for retry_s in CONNECT_RETRIES_S:
            if self.is_blocked(there) or self.is_blocked(back):
                await asyncio.sleep(retry_s)
                continue
            await asyncio.sleep(self.delay_s(there) + self.delay_s(back))
            server = self._listeners.get((target.address, port))
            if server is None:
                raise ConnectionRefusedError(
                    errno.ECONNREFUSED, f"Connect call failed ({target.address!r}, {port})"
                )
            client = SimulatedTransport(loop, self, process, local, server.address, self._forget)
            peer = SimulatedTransport(loop, self, server.process, server.address, local, self._forget)
            client.peer, peer.peer = peer, client
            client.outgoing = peer.incoming = Pipe(loop, self, there, peer)
            peer.outgoing = client.incoming = Pipe(loop, self, back, client)
            self._connections[client] = None
            server.accept(peer)
            return client
        raise TimeoutError(errno.ETIMEDOUT, f"Connect call failed ({target.address!r}, {port}): timed out")

    def _forget(self, end: SimulatedTransport) -> None:
        if end.peer.is_lost:
            self._connections.pop(end, None)
            self._connections.pop(end.peer, None)

    def _free_port(self, host: Host) -> int:
        host.next_port = host.next_port + 1 if host.next_port < LAST_PORT else FIRST_PORT
        return host.next_port

    def _retry(self, is_affected: Callable[[Route], bool]) -> None:
        for end in self._connections:
            for pipe in (end.outgoing, end.incoming):
                if is_affected(pipe.route):
                    pipe.retry(self.random.uniform(*RETRANSMIT_S))

    def _ends(self, one: Host, other: Host) -> Iterator[SimulatedTransport]:
        """Yield the end at `one` of each of its connections to `other`."""
        for opened in list(self._connections):
            for end in (opened, opened.peer):
                if (end.local[0], end.remote[0]) == (one.address, other.address):
                    yield end
                    break

    @staticmethod
    def _pairs(groups: tuple[list[Host], ...]) -> Iterator[tuple[Host, Host]]:
        for first in groups:
            for second in groups:
                if first is not second:
                    yield from ((source, target) for source in first for target in second)
