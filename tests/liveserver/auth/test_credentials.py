"""Verification of API keys and JWTs; every other token is rejected."""

import base64
import json
import time
from typing import Any

import jwt
import pytest

from liveserver.auth import credentials
from liveserver.auth.credentials import Credentials, InvalidToken
from liveserver.auth.roles import Identity, Role
from liveserver.auth.settings import Access, AccessSettingsError, Algorithm, Tokens
from tests.liveserver.auth_fixtures import KEYS, PRIVATE, RSA, SECRET, access, claims, public_pem, token

ASYMMETRIC = [Algorithm.RS256, Algorithm.ES256, Algorithm.EDDSA]


def unsigned(algorithm: str) -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(claims())}."


def error_of(token: str, settings: Access | None = None) -> str:
    found = Credentials(settings or access()).verify(token)
    assert isinstance(found, InvalidToken)
    return found.error


@pytest.mark.parametrize("role", KEYS)
def test_api_key_identifies_its_owner(role: Role) -> None:
    assert Credentials(access()).verify(KEYS[role]) == Identity(f"{role.value}-ann", role)


def test_jwt_identifies_its_owner_and_expires() -> None:
    expires = int(time.time()) + 3600

    assert Credentials(access()).verify(token(exp=expires)) == Identity("tom", Role.OPERATOR, expires + 30)


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_jwt_is_verified_with_the_issuers_public_key(algorithm: Algorithm) -> None:
    settings = Access(tokens=Tokens(algorithm=algorithm, public_key=public_pem(algorithm)))
    signed = token(PRIVATE[algorithm], algorithm, aud=None, iss=None)

    found = Credentials(settings).verify(signed)

    assert isinstance(found, Identity)
    assert found.name == "tom"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "bad_token"),
        ("sqt_wrong", "bad_token"),
        (KEYS[Role.ADMIN][:-1], "bad_token"),
        (KEYS[Role.ADMIN] + "x", "bad_token"),
        ("a.b.c", "bad_token"),
        ("ö" * 40, "bad_token"),
        ("x" * 4000, "bad_token"),
        (unsigned("none"), "bad_token"),
        (unsigned("None"), "bad_token"),
        (unsigned("HS256"), "bad_token"),
        (token("another secret of thirty-two bytes or so"), "bad_token"),
        (token(algorithm="HS384"), "bad_token"),
        (token(RSA, "RS256"), "bad_token"),
        (token(exp=int(time.time()) - 31), "expired"),
        (token(exp=None), "bad_token"),
        (token(nbf=int(time.time()) + 3600), "not_yet"),
        (token(iat=int(time.time()) + 3600), "not_yet"),
        (token(aud="another"), "bad_token"),
        (token(aud=None), "bad_token"),
        (token(iss="https://evil.example"), "bad_token"),
        (token(iss=None), "bad_token"),
        (token(sub=None), "bad_token"),
        (token(sub="a b"), "bad_token"),
        (token(role=None), "no_role"),
        (token(role="root"), "no_role"),
        (token(role="public"), "no_role"),
        (token(role=["admin"]), "no_role"),
    ],
)
def test_invalid_token_is_rejected(text: str, error: str) -> None:
    assert error_of(text) == error


def test_clock_difference_within_the_leeway_is_tolerated() -> None:
    now = int(time.time())

    found = Credentials(access()).verify(token(exp=now - 20, nbf=now + 20, iat=now + 20))

    assert isinstance(found, Identity)


def test_hmac_signature_with_the_public_key_is_rejected() -> None:
    """Algorithm confusion: an HS256 token signed with the RS256 public key."""
    pem = public_pem(Algorithm.RS256)
    settings = Access(tokens=Tokens(algorithm=Algorithm.RS256, public_key=pem))
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")
    body = base64.urlsafe_b64encode(json.dumps(claims(aud=None, iss=None)).encode()).rstrip(b"=")
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    forged = b".".join(
        [header, body, base64.urlsafe_b64encode(signature.sign(header + b"." + body, pem.encode()))]
    )

    assert error_of(forged.rstrip(b"=").decode(), settings) == "bad_token"


@pytest.mark.parametrize(
    ("algorithm", "pem"),
    [(Algorithm.RS256, public_pem(Algorithm.ES256)), (Algorithm.EDDSA, "-----BEGIN PUBLIC KEY-----\nxx")],
)
def test_public_key_of_the_wrong_type_is_rejected_at_startup(algorithm: Algorithm, pem: str) -> None:
    with pytest.raises(AccessSettingsError, match="public key"):
        Credentials(Access(tokens=Tokens(algorithm=algorithm, public_key=pem)))


def test_jwt_with_a_non_finite_expiry_is_rejected() -> None:
    signed = jwt.encode(claims(exp=float("inf")), SECRET, algorithm="HS256")

    assert error_of(signed) == "bad_token"


def test_every_key_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    class RecordingHmac:
        @staticmethod
        def compare_digest(one: bytes, other: bytes) -> bool:
            compared.append((len(one), len(other)))
            return one == other

    monkeypatch.setattr(credentials, "hmac", RecordingHmac)
    Credentials(access()).verify(KEYS[Role.VIEWER])

    assert compared == [(32, 32)] * 3
