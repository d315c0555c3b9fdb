"""Whose a token is: an API key by its hash, a JWT by its signature. Knows nothing of connections."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from liveserver.auth.roles import Identity, Role
from liveserver.auth.settings import Access, AccessRefused, Algorithm, ApiKey, Tokens

LONGEST_TOKEN = 3500
"""Characters: it has to fit into a cookie."""

KEY_PREFIX = "sqt_"
"""What API keys begin with, so that a lost one is found, by scanners as well."""

SUBJECT = re.compile(r"[!-~]{1,128}\Z")

_REASONS: tuple[tuple[type[jwt.PyJWTError], str, str], ...] = (
    (jwt.ExpiredSignatureError, "expired", "the token has expired"),
    (jwt.ImmatureSignatureError, "not_yet", "the token is not valid yet: compare the clocks"),
    (jwt.InvalidAudienceError, "bad_token", "the token is for another audience"),
    (jwt.InvalidIssuerError, "bad_token", "the token is of another issuer"),
    (jwt.MissingRequiredClaimError, "bad_token", "the token lacks a claim: exp and sub are needed"),
    (jwt.InvalidAlgorithmError, "bad_token", "the token is signed in a way that is not accepted here"),
    (jwt.PyJWTError, "bad_token", "the token is not one of ours"),
)
"""What the library says, the more special first; its own words may repeat what a stranger sent."""

_KINDS: dict[Algorithm, tuple[type, ...]] = {
    Algorithm.RS256: (rsa.RSAPublicKey,),
    Algorithm.ES256: (ec.EllipticCurvePublicKey,),
    Algorithm.EDDSA: (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey),
}


class NotIdentified(NamedTuple):
    """Why a token says nothing."""

    error: str
    """`bad_token`, `expired`, `not_yet` or `no_role`."""
    what: str


class Credentials:
    """The keys and the tokens that are known. What is wrong with the settings is raised at once."""

    def __init__(self, access: Access) -> None:
        self._keys: dict[bytes, ApiKey] = {bytes.fromhex(key.sha256): key for key in access.keys}
        self._tokens = access.tokens
        self._verifying: Any = None if access.tokens is None else _verifying_key(access.tokens)

    def identify(self, token: str) -> Identity | NotIdentified:
        """Return whose a token is, or why it is nobody's."""
        if not token or len(token) > LONGEST_TOKEN or not token.isascii():
            return NotIdentified("bad_token", f"a token has 1 to {LONGEST_TOKEN} ASCII characters")
        found = self._holder(token)
        if found is not None:
            return Identity(found.name, found.role)
        if self._tokens is None or token.startswith(KEY_PREFIX):
            return NotIdentified("bad_token", "nobody has this key")
        return self._signed(token, self._tokens)

    def _holder(self, token: str) -> ApiKey | None:
        # Every hash is compared, each in constant time: how long it takes tells nothing.
        shown, found = key_hash(token), None
        for known, key in self._keys.items():
            if hmac.compare_digest(known, shown):
                found = key
        return found

    def _signed(self, token: str, tokens: Tokens) -> Identity | NotIdentified:
        try:
            claims = jwt.decode(
                token,
                self._verifying,
                algorithms=[tokens.algorithm.value],
                audience=tokens.audience or None,
                issuer=tokens.issuer or None,
                leeway=tokens.leeway_s,
                options={"require": ["exp", "sub"]},
            )
        except jwt.PyJWTError as error:
            return next(NotIdentified(name, what) for kind, name, what in _REASONS if isinstance(error, kind))
        except (ArithmeticError, TypeError, ValueError):
            # Signed by the issuer, and still nonsense: a time that is no number, or not a finite one.
            return NotIdentified("bad_token", "the token's claims make no sense")
        return _of_claims(claims, tokens)


def key_hash(key: str) -> bytes:
    """Return what is kept of a key."""
    return hashlib.sha256(key.encode()).digest()


def _of_claims(claims: Mapping[str, Any], tokens: Tokens) -> Identity | NotIdentified:
    name, role = claims["sub"], claims.get(tokens.role_claim)
    if not SUBJECT.match(name):
        return NotIdentified(
            "bad_token", "the token's sub has to be 1 to 128 printable characters without spaces"
        )
    if not isinstance(role, str) or role not in {Role.VIEWER, Role.OPERATOR, Role.ADMIN}:
        return NotIdentified("no_role", f"the token names no role in {tokens.role_claim}")
    return Identity(name, Role(role), float(claims["exp"]) + tokens.leeway_s)


def _verifying_key(tokens: Tokens) -> Any:
    if tokens.algorithm is Algorithm.HS256:
        return tokens.secret.hidden
    try:
        key = load_pem_public_key(tokens.public_key.encode())
    except (ValueError, TypeError) as error:
        raise AccessRefused(f"the public key for {tokens.algorithm} cannot be read: {error}") from error
    if not isinstance(key, _KINDS[tokens.algorithm]):
        raise AccessRefused(f"the public key is of another kind than {tokens.algorithm} needs")
    return key
