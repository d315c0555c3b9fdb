"""Where a connection comes from: the peer, or what a trusted proxy says of it; and what counts as one address."""

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache

SITE_BITS = 64
"""Of an IPv6 address: whoever has one has all that share these."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Proxies:
    """The proxies whose word is taken."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks: Sequence[Network] = [ipaddress.ip_network(each, strict=False) for each in networks]

    def trust(self, peer: str) -> bool:
        """Tell whether a peer is one of them."""
        address = _address(peer)
        return address is not None and any(address in network for network in self._networks)

    def origin_of(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """Return the address that a request comes from: the last in the chain that is no proxy of ours."""
        came_from = peer
        for named in reversed([part.strip() for line in forwarded_for for part in line.split(",")]):
            if not self.trust(came_from):
                break
            if _address(named) is None:
                break  # a proxy of ours would not write that: it was there before
            came_from = named
        return came_from


@lru_cache(maxsize=4096)
def counted_as(address: str) -> str:
    """Return what an address is counted as: itself, or its network where it is IPv6."""
    parsed = _address(address)
    if not isinstance(parsed, ipaddress.IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, SITE_BITS), strict=False))


def is_name_of_this_machine(host: str) -> bool:
    """Tell whether a `Host` is an address, or a name that no stranger can give to this machine."""
    name = _without_port(host).lower()
    return name == "localhost" or name.endswith(".localhost") or _address(name) is not None


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
