"""Access settings: insecure or invalid ones are rejected, and secrets are not printed."""

from typing import Any

import msgspec
import pytest

from liveserver.auth.roles import Role
from liveserver.auth.settings import (
    Access,
    AccessSettingsError,
    Algorithm,
    ApiKey,
    Secret,
    Tokens,
    check_access,
)
from tests.liveserver.auth_fixtures import HS256, KEYS, SECRET, access, api_key, public_pem

OPERATOR = api_key(Role.OPERATOR, KEYS[Role.OPERATOR])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "live.example"])
def test_network_host_requires_authentication(host: str) -> None:
    with pytest.raises(
        AccessSettingsError, match="without authentication would expose the account to the network"
    ):
        check_access(Access(), host)


@pytest.mark.parametrize("settings", [access(), Access(public=True), Access(trust_network=True)])
def test_network_host_is_allowed_when_configured(settings: Access) -> None:
    check_access(settings, "0.0.0.0")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_loopback_requires_no_authentication(host: str) -> None:
    check_access(Access(), host)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"keys": (OPERATOR, OPERATOR)}, "duplicate key name operator-ann"),
        ({"keys": (ApiKey(name="a b", role=Role.VIEWER, sha256="0" * 64),)}, "the key name 'a b'"),
        (
            {"keys": (ApiKey(name="ann", role=Role.VIEWER, sha256=KEYS[Role.VIEWER]),)},
            "64 hexadecimal digits",
        ),
        ({"keys": (ApiKey(name="ann", role=Role.PUBLIC, sha256="0" * 64),)}, "needs a role"),
        ({"tokens": Tokens(algorithm=Algorithm.HS256, secret=Secret("short"))}, "needs 32 bytes"),
        (
            {"tokens": Tokens(algorithm=Algorithm.HS256, secret=Secret(public_pem(Algorithm.RS256)))},
            "a PEM key is not a secret",
        ),
        ({"tokens": Tokens(algorithm=Algorithm.RS256, secret=Secret(SECRET))}, "a public key, not a secret"),
        ({"tokens": Tokens(algorithm=Algorithm.ES256)}, "needs the issuer's public key"),
        ({"trusted_proxies": ("10.0.0",)}, "neither an address nor a network"),
    ],
)
def test_invalid_settings_are_rejected(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(AccessSettingsError, match=problem):
        check_access(Access(**settings), "127.0.0.1")


def test_secrets_are_not_printed() -> None:
    printed = [
        repr(HS256),
        str(HS256.secret),
        f"{HS256.secret}",
        str(list(HS256.secret.__rich_repr__())),
        repr(access()),
    ]

    assert SECRET not in " ".join(printed)
    assert "Secret(set)" in repr(HS256)


def test_settings_survive_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(access()), type=Access) == access()
