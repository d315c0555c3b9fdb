"""Access settings: API keys, JWTs, proxies, rate limits; checked before the server listens."""

import ipaddress
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec

from liveserver.auth.roles import Role

MIN_SECRET_BYTES = 32
"""RFC 7518, 3.2: an HS256 key must be at least as long as the hash."""

KEY_HASH = re.compile(r"[0-9a-f]{64}\Z")
KEY_NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}\Z")


class Secret(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """A text that `repr`, `str` and tracebacks do not reveal; read it as `hidden`."""

    hidden: str = ""

    def __repr__(self) -> str:
        return "Secret(set)" if self.hidden else "Secret(not set)"

    __str__ = __repr__

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("is_set", bool(self))]

    def __bool__(self) -> bool:
        return bool(self.hidden)


class Algorithm(StrEnum):
    """JWT signature algorithms. Exactly one is configured; the token's own header never selects it."""

    HS256 = "HS256"
    RS256 = "RS256"
    ES256 = "ES256"
    EDDSA = "EdDSA"


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key. Only its hash is stored."""

    name: str
    role: Role
    sha256: str
    """Hash of the key, hexadecimal. Unsalted SHA-256 is enough for 256 random bits."""


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """The JWTs that are accepted."""

    algorithm: Algorithm
    secret: Secret = Secret()
    """Key for HS256."""
    public_key: str = ""
    """Issuer's public key for the other algorithms, as PEM."""
    issuer: str = ""
    """Required `iss`, unless empty."""
    audience: str = ""
    """Required `aud`; if empty, tokens with an `aud` are rejected."""
    leeway_s: float = 30.0
    """Tolerated clock difference to the issuer."""
    role_claim: str = "role"


class RateLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Token buckets per address and per identity: sustained rate per second, and burst.

    Answers of the API and snapshots cost one more request or message per 16 KB; debt is paid off at the same rate.
    """

    requests_per_s: float = 50.0
    requests_burst: float = 1000.0
    connects_per_s: float = 100.0
    """New connections of one address; further ones are answered with 429 without being read."""
    connects_burst: float = 4000.0
    handshakes_per_s: float = 200.0
    """WebSocket handshakes: viewers behind one proxy share an address and reconnect at the same time."""
    handshakes_burst: float = 4000.0
    messages_per_s: float = 200.0
    """WebSocket messages of all viewers of one address, pongs excluded."""
    messages_burst: float = 2000.0
    failures_per_s: float = 0.2
    """Invalid tokens."""
    failures_burst: float = 20.0
    public_share: float = 0.2
    """Above 0, at most 1: the share of the rates above that a public client's address gets, invalid tokens excepted."""
    public_replays: int = 4
    """Concurrent replays of public viewers; the others of `--replays` are left to authenticated ones."""
    remembered: int = 10_000
    """Maximum number of addresses and identities tracked."""


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Access control: credentials, public access, proxies, rate limits."""

    keys: tuple[ApiKey, ...] = ()
    tokens: Tokens | None = None
    public: bool = False
    """Unauthenticated clients get a redacted view."""
    trust_network: bool = False
    """No authentication: every client has the role admin, because another program guards the port."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are trusted."""
    session_s: float = 12 * 3600.0
    """Lifetime of a session cookie that holds an API key; a JWT's cookie expires with the token."""
    rates: RateLimits = RateLimits()

    @property
    def has_credentials(self) -> bool:
        """Whether any key or token is configured."""
        return bool(self.keys) or self.tokens is not None

    @property
    def is_closed_to_users(self) -> bool:
        """Whether other users of this machine are refused, because there is no other authentication."""
        return not (self.has_credentials or self.public or self.trust_network)


class AccessSettingsError(ValueError):
    """Insecure or invalid access settings: the server does not start."""


def check_access(access: Access, host: str) -> None:
    """Check that a server with these settings may listen on `host`.

    Raises: AccessSettingsError listing every problem.
    """
    problems = list(find_problems(access))
    if access.is_closed_to_users and not is_loopback(host):
        problems.append(
            f"listening on {host} without authentication would expose the account to the network: configure "
            "http.keys or http.jwt (`./opensqt key` makes a key), or http.public: true for a redacted view, or "
            "http.trust_network: true behind a proxy that authenticates"
        )
    if problems:
        raise AccessSettingsError("; ".join(problems))


def find_problems(access: Access) -> Iterator[str]:
    """Yield a sentence for each invalid setting."""
    names = [key.name for key in access.keys]
    for key in access.keys:
        if not KEY_NAME_PATTERN.match(key.name):
            yield f"the key name {key.name!r} must be 1 to 64 letters, digits, or . _ @ -"
        if not KEY_HASH.match(key.sha256):
            yield f"the sha256 of the key {key.name} must be 64 hexadecimal digits: `./opensqt key` prints the line"
        if names.count(key.name) > 1:
            yield f"duplicate key name {key.name}"
        if key.role is Role.PUBLIC:
            yield f"the key {key.name} needs a role: viewer, operator or admin"
    if access.tokens is not None:
        yield from _token_problems(access.tokens)
    if not 0 < access.rates.public_share <= 1:
        yield f"the rate public_share must be above 0 and at most 1, not {access.rates.public_share:g}"
    for network in access.trusted_proxies:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            yield f"the trusted proxy {network!r} is neither an address nor a network such as 10.0.0.0/8"


def is_loopback(host: str) -> bool:
    """Return whether a host is reachable from this machine only; of names, only localhost counts."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _token_problems(tokens: Tokens) -> Iterator[str]:
    if tokens.algorithm is Algorithm.HS256:
        if len(tokens.secret.hidden.encode()) < MIN_SECRET_BYTES:
            yield f"the secret for HS256 needs {MIN_SECRET_BYTES} bytes or more"
        if "-----BEGIN" in tokens.secret.hidden:
            yield "a PEM key is not a secret for HS256: choose RS256, ES256 or EdDSA"
        if tokens.public_key:
            yield "HS256 takes a secret, not a public key"
    elif tokens.secret:
        yield f"{tokens.algorithm} takes a public key, not a secret"
    elif "PUBLIC KEY-----" not in tokens.public_key:
        yield f"{tokens.algorithm} needs the issuer's public key, as PEM"
