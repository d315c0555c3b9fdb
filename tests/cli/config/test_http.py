"""The http section: access control, and mistakes that contain no secrets."""

import ipaddress
import textwrap
from pathlib import Path

import pytest

from cli.commands.key import make_key
from cli.config.file import Configuration, read
from cli.config.http import HttpSettings
from cli.errors import CommandError
from cli.stack.live_server import lan_host, live_server_environment, page_host
from liveserver.auth.credentials import key_hash
from liveserver.auth.roles import Role
from liveserver.auth.settings import Algorithm, ApiKey, RateLimits, Secret, Tokens
from liveserver.settings import VARIABLE, from_environment
from liveserver.websocket.context import Limits
from tests.cli.config.test_file import GOOD
from tests.liveserver.auth_fixtures import KEYS, SECRET, public_pem

HASH = key_hash(KEYS[Role.OPERATOR]).hex()


def text(http: str) -> str:
    return f"{GOOD}http:\n{textwrap.indent(textwrap.dedent(http), '  ')}"


def configuration(http: str, **environment: str) -> Configuration:
    found, mistakes = read(text(http), environment)
    assert found is not None, mistakes
    return found


def mistakes(http: str) -> list[str]:
    found, noted = read(text(http), {"SECRET": SECRET, "SHORT": "hush"})
    assert found is None
    return [mistake.text for mistake in noted]


def test_the_default_is_loopback_without_authentication() -> None:
    assert configuration("port: 8080").http == HttpSettings(port=8080)


def test_all_settings_are_read(tmp_path: Path) -> None:
    http = configuration(
        f"""\
        host: 0.0.0.0
        public: true
        allowed_origins: [https://Example.org]
        trusted_proxies: [10.0.0.0/8]
        session: 1h
        keys:
          - {{ name: ann, role: operator, sha256: {HASH} }}
        jwt: {{ algorithm: HS256, secret: "${{SECRET}}", issuer: https://id, audience: us, leeway: 5s, role_claim: r }}
        limits: {{ connections: 10, ping_every: 20s, inbound_per_s: 2.5 }}
        rates: {{ requests_per_s: 5, failures_burst: 3 }}
        """,
        SECRET=SECRET,
    ).http

    assert (http.host, http.access.public, http.access.session_s) == ("0.0.0.0", True, 3600)
    assert http.allowed_origins == {"https://example.org"}
    assert http.access.trusted_proxies == ("10.0.0.0/8",)
    assert http.access.keys == (ApiKey(name="ann", role=Role.OPERATOR, sha256=HASH),)
    assert http.access.tokens == Tokens(
        algorithm=Algorithm.HS256,
        secret=Secret(SECRET),
        issuer="https://id",
        audience="us",
        leeway_s=5,
        role_claim="r",
    )
    assert http.limits == Limits(connections=10, ping_every_s=20, inbound_per_s=2.5)
    assert http.access.rates == RateLimits(requests_per_s=5, failures_burst=3)


def test_a_public_key_comes_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "issuer.pem"
    file.write_text(public_pem(Algorithm.ES256))

    http = configuration(f"jwt: {{ algorithm: ES256, public_key_file: {file} }}").http

    assert http.access.tokens is not None
    assert http.access.tokens.public_key == public_pem(Algorithm.ES256)


@pytest.mark.parametrize(
    ("http", "why"),
    [
        ("host: 0.0.0.0", "http: listening on 0.0.0.0 without authentication would expose the account"),
        ("keys: [{ name: a b, role: viewer, sha256: 12 }]", "http.keys[0].name has to be 1 to 64 of letters"),
        (
            "keys: [{ name: ann, role: public, sha256: 12 }]",
            "http.keys[0].role has to be viewer, operator or admin",
        ),
        ("keys: [{ name: ann, role: viewer }]", "http.keys[0].sha256 is missing"),
        ("jwt: { algorithm: none }", "http.jwt.algorithm has to be HS256 or RS256 or ES256 or EdDSA"),
        (
            'jwt: { algorithm: HS256, secret: "${SHORT}" }',
            "http: the secret for HS256 needs 32 bytes or more",
        ),
        ("jwt: { algorithm: RS256, public_key_file: /nowhere }", "http.jwt.public_key_file cannot be read"),
        ("allowed_origins: [example.org]", "http.allowed_origins[0] has to be an origin"),
        ("trusted_proxies: [proxy]", "http.trusted_proxies[0] has to be an address or a network"),
        ("limits: { conections: 1 }", "http.limits.conections is unknown; did you mean connections?"),
        ("portt: 1", "http.portt is unknown; did you mean port?"),
    ],
)
def test_a_mistake_is_reported_without_secrets(http: str, why: str) -> None:
    noted = mistakes(http)

    assert any(each.startswith(why) for each in noted), noted
    assert not any("hush" in each or SECRET in each for each in noted)


def test_a_secret_is_not_in_the_repr() -> None:
    found = configuration('jwt: { algorithm: HS256, secret: "${SECRET}" }', SECRET=SECRET)

    assert SECRET not in repr(found)


def test_settings_are_passed_through_the_environment_once() -> None:
    found = configuration('jwt: { algorithm: HS256, secret: "${SECRET}" }', SECRET=SECRET)
    environment = live_server_environment(found)

    assert from_environment(environment).access == found.http.access
    assert environment == {}


def test_invalid_environment_settings_are_not_repeated_in_the_error() -> None:
    with pytest.raises(ValueError, match="was not written by this version") as raised:
        from_environment({VARIABLE: '{"access": {"tokens": "hush"}}'})

    assert raised.value.__cause__ is None
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    ("host", "reached_at"),
    [("0.0.0.0", "127.0.0.1"), ("'::1'", "[::1]"), ("127.0.0.2", "127.0.0.2"), ("localhost", "localhost")],
)
def test_the_page_has_a_host_reachable_from_this_machine(host: str, reached_at: str) -> None:
    assert page_host(configuration(f"host: {host}\npublic: true")) == reached_at


def test_a_page_on_all_addresses_is_reached_from_other_machines() -> None:
    on_all = lan_host(configuration("host: 0.0.0.0\npublic: true"))

    assert on_all is None or not ipaddress.ip_address(on_all).is_unspecified
    assert lan_host(configuration("host: 127.0.0.1")) is None


def test_a_new_key_is_printed_with_its_section_of_the_configuration(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert make_key("ann", Role.OPERATOR) == 0

    key, _, section = capsys.readouterr().out.split("\n\n")
    assert len(key) == len("sqt_") + 43
    assert (
        configuration(textwrap.dedent(section.removeprefix("http:\n"))).http.access.keys[0].sha256
        == key_hash(key).hex()
    )


def test_an_invalid_key_name_is_rejected() -> None:
    with pytest.raises(CommandError, match="has to be 1 to 64"):
        make_key("a b", Role.VIEWER)
