"""Verification of tokens: API keys by hash, JWTs by signature."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from liveserver.auth.roles import Identity, Role
from liveserver.auth.settings import Access, AccessSettingsError, Algorithm, ApiKey, Tokens

MAX_TOKEN_CHARS = 3500
"""A token must fit into a cookie."""

KEY_PREFIX = "sqt_"
"""Prefix of API keys, which lets secret scanners find leaked ones."""

SUBJECT_PATTERN = re.compile(r"[!-~]{1,128}\Z")

_JWT_ERRORS: tuple[tuple[type[jwt.PyJWTError], str, str], ...] = (
    (jwt.ExpiredSignatureError, "expired", "the token has expired"),
    (jwt.ImmatureSignatureError, "not_yet", "the token is not valid yet: compare the clocks"),
    (jwt.InvalidAudienceError, "bad_token", "the token is for another audience"),
    (jwt.InvalidIssuerError, "bad_token", "the token is from another issuer"),
    (jwt.MissingRequiredClaimError, "bad_token", "the token lacks a claim: exp and sub are required"),
    (
        jwt.InvalidAlgorithmError,
        "bad_token",
        "the token is signed with another algorithm than the configured one",
    ),
    (jwt.PyJWTError, "bad_token", "the token is invalid"),
)
"""Library errors, most specific first. The library's own messages may echo client input and are not shown."""

_KEY_TYPES: dict[Algorithm, tuple[type, ...]] = {
    Algorithm.RS256: (rsa.RSAPublicKey,),
    Algorithm.ES256: (ec.EllipticCurvePublicKey,),
    Algorithm.EDDSA: (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey),
}


class InvalidToken(NamedTuple):
    """The reason why a token is rejected."""

    error: str
    """`bad_token`, `expired`, `not_yet` or `no_role`."""
    what: str


class Credentials:
    """The configured API keys and JWT settings.

    Raises: AccessSettingsError when the public key cannot be used.
    """

    def __init__(self, access: Access) -> None:
        self._keys: dict[bytes, ApiKey] = {bytes.fromhex(key.sha256): key for key in access.keys}
        self._tokens = access.tokens
        self._verifying_key: Any = None if access.tokens is None else _verifying_key(access.tokens)

    def verify(self, token: str) -> Identity | InvalidToken:
        """Return the owner of a token, or why it is rejected."""
        if not token or len(token) > MAX_TOKEN_CHARS or not token.isascii():
            return InvalidToken("bad_token", f"a token has 1 to {MAX_TOKEN_CHARS} ASCII characters")
        found = self._key_of(token)
        if found is not None:
            return Identity(found.name, found.role)
        if self._tokens is None or token.startswith(KEY_PREFIX):
            return InvalidToken("bad_token", "unknown API key")
        return self._verify_jwt(token, self._tokens)

    def _key_of(self, token: str) -> ApiKey | None:
        # Compares every hash, each in constant time, so that timing reveals nothing.
        presented, found = key_hash(token), None
        for known, key in self._keys.items():
            if hmac.compare_digest(known, presented):
                found = key
        return found

    def _verify_jwt(self, token: str, tokens: Tokens) -> Identity | InvalidToken:
        try:
            claims = jwt.decode(
                token,
                self._verifying_key,
                algorithms=[tokens.algorithm.value],
                audience=tokens.audience or None,
                issuer=tokens.issuer or None,
                leeway=tokens.leeway_s,
                options={"require": ["exp", "sub"]},
            )
            return _identity_of(claims, tokens)
        except jwt.PyJWTError as error:
            return next(
                InvalidToken(name, what) for kind, name, what in _JWT_ERRORS if isinstance(error, kind)
            )
        except (ArithmeticError, RecursionError, TypeError, ValueError):
            # Malformed: nested deeply, or correctly signed with an expiry that is not a finite number.
            return InvalidToken("bad_token", "the token's claims are malformed")


def key_hash(key: str) -> bytes:
    """Return the SHA-256 of a key, which is what the configuration stores."""
    return hashlib.sha256(key.encode()).digest()


def _identity_of(claims: Mapping[str, Any], tokens: Tokens) -> Identity | InvalidToken:
    name, role = claims["sub"], claims.get(tokens.role_claim)
    if not SUBJECT_PATTERN.match(name):
        return InvalidToken(
            "bad_token", "the token's sub must be 1 to 128 printable characters without spaces"
        )
    if not isinstance(role, str) or role not in {Role.VIEWER, Role.OPERATOR, Role.ADMIN}:
        return InvalidToken("no_role", f"the token has no valid role in the claim {tokens.role_claim}")
    return Identity(name, Role(role), float(claims["exp"]) + tokens.leeway_s)


def _verifying_key(tokens: Tokens) -> Any:
    if tokens.algorithm is Algorithm.HS256:
        return tokens.secret.hidden
    try:
        key = load_pem_public_key(tokens.public_key.encode())
    except (ValueError, TypeError) as error:
        raise AccessSettingsError(f"the public key for {tokens.algorithm} cannot be read: {error}") from error
    if not isinstance(key, _KEY_TYPES[tokens.algorithm]):
        raise AccessSettingsError(f"the public key is of the wrong type for {tokens.algorithm}")
    return key
