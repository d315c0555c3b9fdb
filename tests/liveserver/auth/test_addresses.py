"""Where a connection comes from."""

import pytest

from liveserver.auth.addresses import Proxies, counted_as, is_name_of_this_machine


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
def test_only_a_trusted_proxy_is_believed(peer: str, forwarded: list[str], found: str) -> None:
    assert Proxies(["10.0.0.0/8"]).origin_of(peer, forwarded) == found


def test_nobody_is_trusted_unless_named() -> None:
    assert Proxies().origin_of("127.0.0.1", ["1.2.3.4"]) == "127.0.0.1"


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("unix", "unix"),
    ],
)
def test_an_address_is_counted_with_what_its_owner_has_besides(address: str, counted: str) -> None:
    assert counted_as(address) == counted


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("127.0.0.1:8888", True),
        ("[::1]:8888", True),
        ("192.168.0.5", True),
        ("localhost:8888", True),
        ("live.localhost", True),
        ("evil.example:8888", False),
        ("localhost.evil.example", False),
    ],
)
def test_a_name_that_strangers_can_point_here_is_none_of_this_machine(host: str, is_ours: bool) -> None:
    assert is_name_of_this_machine(host) is is_ours
