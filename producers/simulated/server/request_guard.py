"""Keep web pages away from the venue: it has no login, so it must not answer a browser that another site directs.

A page of another site can send requests to this machine (each has an `Origin`, or says `Sec-Fetch-Site: cross-site`), and
can give its own host name this machine's address (DNS rebinding: then `Host` is that name). Programs do neither.
"""

import ipaddress

from aiohttp import web
from aiohttp.typedefs import Handler

OWN_FETCHES = frozenset({"none", "same-origin"})
"""`Sec-Fetch-Site` of an address that a person typed, and of a page of the venue itself."""
ADMIN_PREFIX = "/admin/"


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
    if request.path.startswith(ADMIN_PREFIX) and not is_loopback(host):
        return f"{ADMIN_PREFIX} is served on this machine alone: use 127.0.0.1 instead of {host[:64]!r}"
    if not is_unforgeable(host):
        return f"unknown host name {host[:64]!r}: use the venue's IP address, or a name without a dot"
    return None


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
