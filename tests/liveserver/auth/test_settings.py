"""What a live server is told of who may come in: what would be dangerous is refused, and no secret is shown."""

from typing import Any

import msgspec
import pytest

from liveserver.auth.roles import Role
from liveserver.auth.settings import (
    Access,
    AccessRefused,
    Algorithm,
    ApiKey,
    Secret,
    Tokens,
    check_access,
)
from tests.liveserver.people import HS256, KEYS, SECRET, access, api_key, public_pem

OPERATOR = api_key(Role.OPERATOR, KEYS[Role.OPERATOR])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "live.example"])
def test_nothing_listens_to_a_network_without_authentication(host: str) -> None:
    with pytest.raises(AccessRefused, match="without authentication would show the account to the network"):
        check_access(Access(), host)


@pytest.mark.parametrize("given", [access(), Access(public=True), Access(trust_network=True)])
def test_a_network_is_served_where_that_was_decided(given: Access) -> None:
    check_access(given, "0.0.0.0")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_loopback_needs_nothing(host: str) -> None:
    check_access(Access(), host)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"keys": (OPERATOR, OPERATOR)}, "two keys of the name operator-ann"),
        ({"keys": (ApiKey(name="a b", role=Role.VIEWER, sha256="0" * 64),)}, "the name 'a b'"),
        (
            {"keys": (ApiKey(name="ann", role=Role.VIEWER, sha256=KEYS[Role.VIEWER]),)},
            "64 hexadecimal digits",
        ),
        ({"keys": (ApiKey(name="ann", role=Role.PUBLIC, sha256="0" * 64),)}, "needs a role"),
        ({"tokens": Tokens(algorithm=Algorithm.HS256, secret=Secret("short"))}, "needs 32 bytes"),
        (
            {"tokens": Tokens(algorithm=Algorithm.HS256, secret=Secret(public_pem(Algorithm.RS256)))},
            "a key in PEM is no secret",
        ),
        ({"tokens": Tokens(algorithm=Algorithm.RS256, secret=Secret(SECRET))}, "a public key and no secret"),
        ({"tokens": Tokens(algorithm=Algorithm.ES256)}, "needs the issuer's public key"),
        ({"trusted_proxies": ("10.0.0",)}, "no address and no network"),
    ],
)
def test_what_cannot_work_is_said(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(AccessRefused, match=why):
        check_access(Access(**wrong), "127.0.0.1")


def test_secrets_are_not_shown() -> None:
    shown = [
        repr(HS256),
        str(HS256.secret),
        f"{HS256.secret}",
        str(list(HS256.secret.__rich_repr__())),
        repr(access()),
    ]

    assert SECRET not in " ".join(shown)
    assert "Secret(set)" in repr(HS256)


def test_settings_come_over_as_they_are() -> None:
    assert msgspec.json.decode(msgspec.json.encode(access()), type=Access) == access()
