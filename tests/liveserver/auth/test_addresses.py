"""Client addresses: trusted proxies, and keys for rate limits."""

import pytest

from liveserver.auth.addresses import Proxies, is_local_host_name, rate_limit_key


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("10.0.0.1", ["1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", ["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", ["1.2.3.4, 10.0.0.2"], "1.2.3.4"),
        ("10.0.0.1", ["1.2.3.4", "10.0.0.2"], "1.2.3.4"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("9.9.9.9", ["1.2.3.4"], "9.9.9.9"),
        ("", ["1.2.3.4"], ""),
    ],
)
def test_forwarded_for_is_used_from_trusted_proxies_only(peer: str, forwarded: list[str], found: str) -> None:
    assert Proxies(["10.0.0.0/8"]).client_address(peer, forwarded) == found


def test_no_proxy_is_trusted_by_default() -> None:
    assert Proxies().client_address("127.0.0.1", ["1.2.3.4"]) == "127.0.0.1"


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("unix", "unix"),
    ],
)
def test_ipv6_addresses_are_limited_by_their_64_network(address: str, key: str) -> None:
    assert rate_limit_key(address) == key


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1:8888", True),
        ("[::1]:8888", True),
        ("192.168.0.5", True),
        ("localhost:8888", True),
        ("live.localhost", True),
        ("evil.example:8888", False),
        ("localhost.evil.example", False),
        ("[::1].evil.example", False),
    ],
)
def test_only_addresses_and_localhost_are_local_host_names(host: str, is_local: bool) -> None:
    assert is_local_host_name(host) is is_local
