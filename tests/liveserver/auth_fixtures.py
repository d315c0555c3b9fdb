"""API keys, JWTs and access settings for tests of authentication."""

import hashlib
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from liveserver.auth.roles import Role
from liveserver.auth.settings import Access, Algorithm, ApiKey, RateLimits, Secret, Tokens

SECRET = "a test secret of more than sixty-four bytes, which HS256 accepts at once"
KEYS = {
    role: f"sqt_{role.value}-key-of-a-test-0123456789abcdefghij"
    for role in (Role.VIEWER, Role.OPERATOR, Role.ADMIN)
}
HS256 = Tokens(
    algorithm=Algorithm.HS256, secret=Secret(SECRET), audience="opensqt", issuer="https://id.example"
)


def api_key(role: Role, key: str) -> ApiKey:
    return ApiKey(name=f"{role.value}-ann", role=role, sha256=hashlib.sha256(key.encode()).hexdigest())


def access(**changes: Any) -> Access:
    """Return access settings with one key per role, and HS256 tokens."""
    defaults: dict[str, Any] = {"keys": tuple(api_key(*each) for each in KEYS.items()), "tokens": HS256}
    return Access(**{**defaults, **changes})


def claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a valid token; a change to None removes one."""
    valid = {
        "sub": "tom",
        "role": "operator",
        "aud": "opensqt",
        "iss": "https://id.example",
        "exp": int(time.time())
        + 24 * 3600,  # tokens are made when tests are collected, long before the last one runs
    }
    return {name: value for name, value in {**valid, **changes}.items() if value is not None}


def token(key: Any = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    """Return a signed token."""
    return jwt.encode(claims(**changes), key, algorithm=algorithm)


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE: dict[Algorithm, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey] = {
    Algorithm.RS256: RSA,
    Algorithm.ES256: ec.generate_private_key(ec.SECP256R1()),
    Algorithm.EDDSA: ed25519.Ed25519PrivateKey.generate(),
}


def public_pem(algorithm: Algorithm) -> str:
    """Return the public key of the test issuer."""
    public = PRIVATE[algorithm].public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


STRICT = RateLimits(
    requests_per_s=0.001,
    requests_burst=3,
    handshakes_per_s=0.001,
    handshakes_burst=2,
    messages_per_s=0.001,
    messages_burst=2,
    failures_per_s=0.001,
    failures_burst=2,
)
