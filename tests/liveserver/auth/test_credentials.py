"""Whose a token is: keys by their hashes, tokens by one algorithm, and everything else is nobody's."""

import base64
import json
import time
from typing import Any

import jwt
import pytest

from liveserver.auth import credentials
from liveserver.auth.credentials import Credentials, NotIdentified
from liveserver.auth.roles import Identity, Role
from liveserver.auth.settings import Access, AccessRefused, Algorithm, Tokens
from tests.liveserver.people import KEYS, PRIVATE, RSA, SECRET, access, claims, public_pem, token

ASYMMETRIC = [Algorithm.RS256, Algorithm.ES256, Algorithm.EDDSA]


def unsigned(algorithm: str) -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(claims())}."


def refused(text: str, given: Access | None = None) -> str:
    found = Credentials(given or access()).identify(text)
    assert isinstance(found, NotIdentified)
    return found.error


@pytest.mark.parametrize("role", KEYS)
def test_a_key_says_who_has_it(role: Role) -> None:
    assert Credentials(access()).identify(KEYS[role]) == Identity(f"{role.value}-ann", role)


def test_a_token_says_who_has_it_and_for_how_long() -> None:
    expires = int(time.time()) + 3600

    assert Credentials(access()).identify(token(exp=expires)) == Identity("tom", Role.OPERATOR, expires + 30)


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_token_is_known_by_its_issuers_public_key(algorithm: Algorithm) -> None:
    given = Access(tokens=Tokens(algorithm=algorithm, public_key=public_pem(algorithm)))
    signed = token(PRIVATE[algorithm], algorithm, aud=None, iss=None)

    found = Credentials(given).identify(signed)

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
def test_everything_else_is_nobodys(text: str, error: str) -> None:
    assert refused(text) == error


def test_the_clock_may_be_off_by_the_leeway() -> None:
    now = int(time.time())

    found = Credentials(access()).identify(token(exp=now - 20, nbf=now + 20, iat=now + 20))

    assert isinstance(found, Identity)


def test_a_public_key_is_no_secret() -> None:
    """The old trick: a token signed by HMAC with the public key, for a server that lets the token choose."""
    pem = public_pem(Algorithm.RS256)
    given = Access(tokens=Tokens(algorithm=Algorithm.RS256, public_key=pem))
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")
    body = base64.urlsafe_b64encode(json.dumps(claims(aud=None, iss=None)).encode()).rstrip(b"=")
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    forged = b".".join(
        [header, body, base64.urlsafe_b64encode(signature.sign(header + b"." + body, pem.encode()))]
    )

    assert refused(forged.rstrip(b"=").decode(), given) == "bad_token"


@pytest.mark.parametrize(
    ("algorithm", "pem"),
    [(Algorithm.RS256, public_pem(Algorithm.ES256)), (Algorithm.EDDSA, "-----BEGIN PUBLIC KEY-----\nxx")],
)
def test_a_key_of_another_kind_is_refused_at_the_start(algorithm: Algorithm, pem: str) -> None:
    with pytest.raises(AccessRefused, match="public key"):
        Credentials(Access(tokens=Tokens(algorithm=algorithm, public_key=pem)))


def test_tokens_with_claims_that_are_no_numbers_are_refused() -> None:
    signed = jwt.encode(claims(exp=float("inf")), SECRET, algorithm="HS256")

    assert refused(signed) == "bad_token"


def test_every_key_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    class Watched:
        @staticmethod
        def compare_digest(one: bytes, other: bytes) -> bool:
            compared.append((len(one), len(other)))
            return one == other

    monkeypatch.setattr(credentials, "hmac", Watched)
    Credentials(access()).identify(KEYS[Role.VIEWER])

    assert compared == [(32, 32)] * 3
