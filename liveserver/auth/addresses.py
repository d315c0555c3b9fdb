"""Client addresses: behind trusted proxies, and grouped for rate limits."""

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache

IPV6_SITE_BITS = 64
"""Prefix length that counts as one client: a site usually owns all addresses of its /64."""

MAX_HOPS = 16
"""Proxies behind each other; earlier entries of `X-Forwarded-For` are not read."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Proxies:
    """The trusted reverse proxies."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks: Sequence[Network] = [ipaddress.ip_network(each, strict=False) for each in networks]

    def is_trusted(self, peer: str) -> bool:
        """Return whether the peer is a trusted proxy."""
        address = _address(peer)
        return address is not None and any(address in network for network in self._networks)

    def client_address(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """Return the address of the client: the last one in the chain that is not a trusted proxy.

        `forwarded_for` are the X-Forwarded-For headers in order, such as `["203.0.113.7, 10.0.0.2"]`.
        """
        client = peer
        if not self._networks:
            return client
        hops = [part.strip() for line in forwarded_for for part in line.rsplit(",", MAX_HOPS)[-MAX_HOPS:]]
        for hop in reversed(hops[-MAX_HOPS:]):
            if not self.is_trusted(client):
                break
            if _address(hop) is None:
                break  # not written by a trusted proxy, so the client sent it
            client = hop
        return client


@lru_cache(maxsize=4096)
def rate_limit_key(address: str) -> str:
    """Return the key that limits an address: itself for IPv4, its /64 network for IPv6."""
    parsed = _address(address)
    if not isinstance(parsed, ipaddress.IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, IPV6_SITE_BITS), strict=False))


def is_local_host_name(host: str) -> bool:
    """Return whether a `Host` header is an IP address or localhost, which DNS rebinding cannot forge."""
    name = _without_port(host).lower()
    return name == "localhost" or name.endswith(".localhost") or _address(name) is not None


def _without_port(host: str) -> str:
    if host.startswith("["):
        name, _, rest = host[1:].partition("]")
        return name if not rest or rest.startswith(":") else host
    return host.partition(":")[0]


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
