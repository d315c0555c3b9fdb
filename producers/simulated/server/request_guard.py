"""Keep web pages and other users of this machine away from the venue, which has no login.

A page of another site can send requests to this machine (each has an `Origin`, or says `Sec-Fetch-Site: cross-site`), and
can give its own host name this machine's address (DNS rebinding: then `Host` is that name). Programs do neither.

    refused    connections over loopback of other users than the own one and root, before anything is read
    refused    requests of web pages
    refused    /admin/ unless the client is on this machine, whatever address the venue listens on
"""

import asyncio
import ipaddress
from collections.abc import Callable
from typing import cast

from aiohttp import web
from aiohttp.typedefs import Handler

from bus.peer import ALLOW_HINT, PeerCheck, is_loopback_peer

OWN_FETCHES = frozenset({"none", "same-origin"})
"""`Sec-Fetch-Site` of an address that a person typed, and of a page of the venue itself."""
ADMIN_PREFIX = "/admin/"
REFUSAL_S = 1.0
"""Time for a refused client to send its request: an answer that is sent before may be lost."""


class CheckedConnection(asyncio.Protocol):
    """Hands a connection over to the HTTP protocol if its user may connect, else answers 403 to whatever is sent."""

    def __init__(self, make_protocol: Callable[[], asyncio.BaseProtocol], peers: PeerCheck) -> None:
        self._make_protocol = make_protocol
        self._peers = peers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = self._transport = cast("asyncio.Transport", transport)
        self._refusal = self._peers.refusal(transport.get_extra_info("socket"))
        if self._refusal is None:
            protocol = self._make_protocol()
            transport.set_protocol(protocol)
            protocol.connection_made(transport)
        else:
            asyncio.get_running_loop().call_later(REFUSAL_S, transport.abort)

    def data_received(self, data: bytes) -> None:
        if not self._transport.is_closing():
            body = f"{self._refusal}; {ALLOW_HINT}\n"
            head = f"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
            self._transport.write(f"{head}Connection: close\r\n\r\n{body}".encode())
            self._transport.close()


@web.middleware
async def refuse_web_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 403 with the reason, or pass the request on."""
    if (reason := refusal(request)) is not None:
        return web.Response(status=403, text=f"{reason}\n")
    return await handler(request)


def refusal(request: web.Request) -> str | None:
    """Return why a request is refused; None if it is not."""
    headers = request.headers
    if "Origin" in headers or headers.get("Sec-Fetch-Site", "none") not in OWN_FETCHES:
        return "the simulated venue takes no requests of web pages: use a program such as curl"
    host = host_name(headers.get("Host", ""))
    if request.path.startswith(ADMIN_PREFIX) and not is_from_this_machine(request):
        return f"{ADMIN_PREFIX} is served on this machine alone"
    if request.path.startswith(ADMIN_PREFIX) and not is_loopback(host):
        return f"{ADMIN_PREFIX} is served on this machine alone: use 127.0.0.1 instead of {host[:64]!r}"
    if not is_unforgeable(host):
        return f"unknown host name {host[:64]!r}: use the venue's IP address, or a name without a dot"
    return None


def is_from_this_machine(request: web.Request) -> bool:
    """Return whether a request came over loopback."""
    connection = None if request.transport is None else request.transport.get_extra_info("socket")
    return connection is not None and is_loopback_peer(connection)


def host_name(header: str) -> str:
    """Return the name in a `Host` header without its port, in lower case: `127.0.0.1`, `::1`, `venue`."""
    name = header[1:].partition("]")[0] if header.startswith("[") else header.partition(":")[0]
    return name.lower()


def is_loopback(host: str) -> bool:
    """Return whether a host is `localhost` or an address of this machine alone."""
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def is_unforgeable(host: str) -> bool:
    """Return whether no web site can have this host name: an IP address, or a name without a dot, as of a container."""
    return _address(host) is not None or (host != "" and "." not in host)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
