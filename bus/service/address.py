"""The address under which other processes reach this one, where it listens on all addresses."""

import asyncio
import ipaddress
import socket
from urllib.parse import urlsplit

from bus.runtime import host_name

DEFAULT_PORT = 4222


async def reachable_address(address: str, bus_url: str) -> str:
    """Return an HTTP address that the processes on the same bus can use.

    `http://0.0.0.0:8080` is replaced by the address of this machine from which it reaches the bus, such as
    `http://10.0.0.7:8080`; by its host name if the bus cannot be resolved.
    """
    parts = urlsplit(address)
    if not _is_unspecified(parts.hostname or ""):
        return address
    host = await _local_address(bus_url.partition(",")[0]) or host_name()
    return f"http://{f'[{host}]' if ':' in host else host}:{parts.port}"


def _is_unspecified(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


async def _local_address(url: str) -> str | None:
    parts = urlsplit(url if "//" in url else f"nats://{url}")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            parts.hostname, parts.port or DEFAULT_PORT, type=socket.SOCK_DGRAM
        )
        family, kind, protocol, _, there = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(there)  # sends nothing: it chooses the route
            return str(probe.getsockname()[0])
    except OSError:
        return None
