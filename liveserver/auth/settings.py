"""What a live server is told about who may come in: keys, tokens, proxies; checked before it listens."""

import ipaddress
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec

from liveserver.auth.roles import Role

SHORTEST_SECRET = 32
"""Bytes: RFC 7518 asks that an HS256 key is no shorter than its hash."""

KEY_HASH = re.compile(r"[0-9a-f]{64}\Z")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}\Z")


class Secret(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """A text that is never shown; whoever needs it asks for it by name."""

    hidden: str = ""

    def __repr__(self) -> str:
        return "Secret(set)" if self.hidden else "Secret(not set)"

    __str__ = __repr__

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("is_set", bool(self))]

    def __bool__(self) -> bool:
        return bool(self.hidden)


class Algorithm(StrEnum):
    """How tokens are signed. One is configured, and no other is ever accepted, whatever a token says."""

    HS256 = "HS256"
    RS256 = "RS256"
    ES256 = "ES256"
    EDDSA = "EdDSA"


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that somebody holds. The key itself is nowhere kept."""

    name: str
    role: Role
    sha256: str
    """In hexadecimal. That is enough for a key of 256 random bits: there is nothing to guess."""


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """The JWTs that are accepted."""

    algorithm: Algorithm
    secret: Secret = Secret()
    """For HS256."""
    public_key: str = ""
    """For the others, as PEM."""
    issuer: str = ""
    """Has to be in `iss` when it is set."""
    audience: str = ""
    """Has to be in `aud` when it is set; a token with an `aud` is refused when it is not."""
    leeway_s: float = 30.0
    """How far the issuer's clock may be from ours."""
    role_claim: str = "role"


class RateLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How often, from one address and by one identity: so many a second in the long run, so many at once."""

    requests_per_s: float = 50.0
    requests_burst: float = 1000.0
    handshakes_per_s: float = 200.0
    """Of WebSockets: many viewers share an address behind a proxy, and all come back at once."""
    handshakes_burst: float = 4000.0
    messages_per_s: float = 200.0
    """What all viewers of one address say together, answers to pings apart."""
    messages_burst: float = 2000.0
    failures_per_s: float = 0.2
    """Wrong tokens."""
    failures_burst: float = 20.0
    remembered: int = 10_000
    """So many addresses and identities are kept in mind."""


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Who may come in."""

    keys: tuple[ApiKey, ...] = ()
    tokens: Tokens | None = None
    public: bool = False
    """Whoever shows nothing sees a redacted view."""
    trust_network: bool = False
    """Whoever reaches the port may do everything: another program guards it."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."""
    session_s: float = 12 * 3600.0
    """How long a browser keeps a key; a JWT is kept until it expires."""
    rates: RateLimits = RateLimits()

    @property
    def is_asked_for(self) -> bool:
        """Whether there is anything to identify oneself with."""
        return bool(self.keys) or self.tokens is not None


class AccessRefused(ValueError):
    """These settings would be dangerous or cannot work: the server does not start."""


def check_access(access: Access, host: str) -> None:
    """Make sure that a server with these settings may listen at `host`.

    Raises: AccessRefused with everything that is wrong.
    """
    wrong = list(mistakes(access))
    if not (is_loopback(host) or access.is_asked_for or access.public or access.trust_network):
        wrong.append(
            f"listening on {host} without authentication would show the account to the network: configure http.keys "
            "or http.jwt (opensqt key makes a key), or http.public: true for a redacted view, or http.trust_network: "
            "true where a proxy authenticates"
        )
    if wrong:
        raise AccessRefused("; ".join(wrong))


def mistakes(access: Access) -> Iterator[str]:
    """Yield what cannot work, one sentence each."""
    names = [key.name for key in access.keys]
    for key in access.keys:
        if not NAME.match(key.name):
            yield f"the name {key.name!r} of a key has to be 1 to 64 of letters, digits, . _ @ -"
        if not KEY_HASH.match(key.sha256):
            yield f"the sha256 of the key {key.name} has to be 64 hexadecimal digits: opensqt key prints the line"
        if names.count(key.name) > 1:
            yield f"there are two keys of the name {key.name}"
        if key.role is Role.PUBLIC:
            yield f"the key {key.name} needs a role: viewer, operator or admin"
    if access.tokens is not None:
        yield from _token_mistakes(access.tokens)
    for network in access.trusted_proxies:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            yield f"the trusted proxy {network!r} is no address and no network, like 10.0.0.0/8"


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches a host; names other than localhost count as others'."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _token_mistakes(tokens: Tokens) -> Iterator[str]:
    if tokens.algorithm is Algorithm.HS256:
        if len(tokens.secret.hidden.encode()) < SHORTEST_SECRET:
            yield f"the secret for HS256 needs {SHORTEST_SECRET} bytes or more"
        if "-----BEGIN" in tokens.secret.hidden:
            yield "a key in PEM is no secret for HS256: choose RS256, ES256 or EdDSA"
        if tokens.public_key:
            yield "HS256 has a secret and no public key"
    elif tokens.secret:
        yield f"{tokens.algorithm} has a public key and no secret"
    elif "PUBLIC KEY-----" not in tokens.public_key:
        yield f"{tokens.algorithm} needs the issuer's public key, in PEM"
