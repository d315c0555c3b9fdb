"""Authentication: order of credentials, rejections, roles."""

import time

import pytest

from liveserver.auth.authenticator import (
    BYTES_PER_TOKEN,
    COOKIE,
    Authenticator,
    RequestInfo,
    check_query,
    cookie_token,
)
from liveserver.auth.credentials import MAX_TOKEN_CHARS
from liveserver.auth.error_responses import ErrorResponse
from liveserver.auth.roles import ANONYMOUS, LOCAL, Action, CredentialSource, Identity, Role, required_action
from liveserver.auth.settings import Access, RateLimits
from schemas.engine.control import CommandName
from tests.liveserver.auth_fixtures import KEYS, STRICT, access, token

VIEWER, OPERATOR, ADMIN = (KEYS[role] for role in (Role.VIEWER, Role.OPERATOR, Role.ADMIN))


class Harness:
    """An authenticator and the rejections that it counted."""

    def __init__(self, settings: Access, *origins: str) -> None:
        self.rejections: list[str] = []
        self.authenticator = Authenticator(settings, frozenset(origins), self.rejections.append)

    def authenticate(self, **request: object) -> Identity | str:
        found = self.authenticator.authenticate(RequestInfo(address="1.2.3.4", **request), 0.0)  # type: ignore[arg-type]
        return found.error if isinstance(found, ErrorResponse) else found


def test_header_precedes_subprotocol_and_cookie() -> None:
    harness = Harness(access())
    header, offered, cookie = (
        f"Bearer {ADMIN}",
        ["opensqt.v2", f"bearer.{OPERATOR}"],
        f"a=b; {COOKIE}={VIEWER}",
    )

    with_all = harness.authenticate(authorization=header, subprotocols=offered, cookie=cookie)
    without_header = harness.authenticate(subprotocols=offered, cookie=cookie)
    cookie_only = harness.authenticate(cookie=cookie)

    assert with_all == Identity("admin-ann", Role.ADMIN, None, CredentialSource.HEADER)
    assert without_header == Identity("operator-ann", Role.OPERATOR, None, CredentialSource.SUBPROTOCOL)
    assert cookie_only == Identity("viewer-ann", Role.VIEWER, None, CredentialSource.COOKIE)


@pytest.mark.parametrize(
    ("request_info", "error"),
    [
        ({}, "no_token"),
        ({"authorization": "Basic YTpi"}, "bad_token"),
        ({"authorization": "Bearer"}, "bad_token"),
        ({"authorization": "Bearer sqt_wrong"}, "bad_token"),
        ({"authorization": f"Bearer {token(exp=1)}"}, "expired"),
        ({"subprotocols": ["bearer."]}, "bad_token"),
        ({"cookie": f"{COOKIE}=wrong"}, "bad_token"),
        ({"cookie": "other=1"}, "no_token"),
    ],
)
def test_unauthenticated_request_is_rejected_and_counted(request_info: dict[str, object], error: str) -> None:
    harness = Harness(access())

    assert harness.authenticate(**request_info) == error
    assert harness.rejections == [error]


def test_public_server_rejects_only_invalid_tokens() -> None:
    harness = Harness(access(public=True))

    assert harness.authenticate() == ANONYMOUS
    assert harness.authenticate(authorization="Bearer sqt_wrong") == "bad_token"
    assert harness.authenticate(cookie=f"{COOKIE}={token(exp=1)}") == ANONYMOUS


def test_server_without_authentication_accepts_only_its_own_host_names() -> None:
    harness = Harness(Access(), "https://live.example")

    assert [
        harness.authenticate(host=host) for host in ("127.0.0.1:1", "localhost", "live.example", None)
    ] == [LOCAL] * 4
    assert harness.authenticate(host="evil.example:1") == "foreign_host"
    assert Harness(Access(trust_network=True)).authenticate(host="evil.example") == LOCAL
    assert Harness(Access(public=True)).authenticate(host="evil.example") == ANONYMOUS


def test_failure_limit_of_an_address_does_not_affect_valid_tokens() -> None:
    harness = Harness(access(rates=STRICT))

    answers = [harness.authenticate(authorization="Bearer sqt_wrong") for _ in range(4)]

    assert answers == ["bad_token", "bad_token", "too_many_failures", "too_many_failures"]
    assert isinstance(harness.authenticate(authorization=f"Bearer {ADMIN}"), Identity)


def test_invalid_token_is_logged_without_the_token(capsys: pytest.CaptureFixture[str]) -> None:
    invalid = token("another secret of thirty-two bytes or so")
    Harness(access()).authenticate(authorization=f"Bearer {invalid}")

    log = capsys.readouterr().err
    assert "token_rejected address=1.2.3.4 reason=bad_token" in log
    assert not any(part in log for part in invalid.split("."))


@pytest.mark.parametrize(
    ("origin", "source", "error"),
    [
        (None, CredentialSource.HEADER, None),
        ("https://evil.example", CredentialSource.HEADER, None),
        ("http://live.example", CredentialSource.COOKIE, None),
        ("https://other.example", CredentialSource.COOKIE, None),
        (None, CredentialSource.COOKIE, "foreign_origin"),
        ("https://evil.example", CredentialSource.COOKIE, "foreign_origin"),
        ("null", CredentialSource.COOKIE, "foreign_origin"),
        (None, CredentialSource.NOTHING, None),
        ("https://evil.example", CredentialSource.NOTHING, "foreign_origin"),
    ],
)
def test_state_change_from_a_foreign_page_is_rejected(
    origin: str | None, source: CredentialSource, error: str | None
) -> None:
    harness = Harness(access(), "https://other.example", "*", "null")

    found = harness.authenticator.check_origin(
        RequestInfo(origin=origin, host="live.example"), Identity("ann", Role.ADMIN, source=source)
    )

    assert (found.error if found else None) == error


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.PUBLIC, {Action.WATCH}),
        (Role.VIEWER, {Action.WATCH, Action.WATCH_ALL}),
        (Role.OPERATOR, {Action.WATCH, Action.WATCH_ALL, Action.OPERATE}),
        (Role.ADMIN, set(Action)),
    ],
)
def test_role_allows_the_actions_of_the_table(role: Role, allowed: set[Action]) -> None:
    identity = Identity("ann", role)

    assert {action for action in Action if identity.is_allowed(action)} == allowed
    assert identity.is_redacted is (role is Role.PUBLIC)


def test_configuration_commands_require_an_admin() -> None:
    configuring = {name for name in CommandName if required_action(name) is Action.CONFIGURE}

    assert configuring == {CommandName.ADD, CommandName.REMOVE, CommandName.SET}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (b"token=abc", True),
        (b"symbol=BTCUSDT&Access_Token=", True),
        (b"x=sqt_abc", True),
        (b"x=%20sqt_abc", True),
        (b"token[]=abc", True),
        (b"token[0]=abc", True),
        (b"x=Bearer%20sqt_abc", True),
        (b"SQT_abc", True),
        (b"symbol=BTCUSDT&interval=1m", False),
        (b"", False),
    ],
)
def test_token_in_the_query_is_detected(query: bytes, found: bool) -> None:
    assert (check_query(query) is not None) is found


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("opensqt_session=abc", "abc"),
        ('theme=dark; opensqt_session="abc"; x=1', "abc"),
        ("opensqt_session2=abc; not_opensqt_session=abc", ""),
        ("opensqt_session", ""),
        ("", ""),
    ],
)
def test_token_is_read_from_the_cookie(header: str, found: str) -> None:
    assert cookie_token(header) == found


def test_a_hostile_cookie_is_parsed_in_linear_time() -> None:
    header = f'{COOKIE}="' + "\\" * 1_000_000 + '"'

    started = time.perf_counter()
    token = cookie_token(header)

    assert time.perf_counter() - started < 0.5  # 40 s for 60 KB when it took quadratic time
    assert len(token) > MAX_TOKEN_CHARS - 1


@pytest.mark.parametrize("query", [b"a=" + b"x" * 5000, b"&".join([b"a=1"] * 200)])
def test_a_long_query_is_rejected(query: bytes) -> None:
    found = check_query(query)

    assert found is not None
    assert found.status == 414


def test_an_answer_costs_its_share_of_the_allowance_and_more_for_public_clients() -> None:
    authenticator = Authenticator(access(public=True, rates=RateLimits(requests_burst=100, requests_per_s=1)))

    authenticator.charge_answer(ANONYMOUS, "6.6.6.6", 20 * BYTES_PER_TOKEN, 0.0)
    authenticator.charge_answer(ANONYMOUS, "7.7.7.7", 200 * BYTES_PER_TOKEN, 0.0)

    assert authenticator.check_address_rate("6.6.6.6", 1.5) is None
    assert authenticator.check_address_rate("7.7.7.7", 99.0) is not None  # the debt is at most one burst
    assert authenticator.check_address_rate("7.7.7.7", 101.5) is None


def test_who_does_not_pay_for_snapshots_cannot_connect_again() -> None:
    authenticator = Authenticator(access(public=True, rates=RateLimits(messages_burst=50, messages_per_s=1)))
    assert authenticator.check_handshake_rate(ANONYMOUS, "6.6.6.6", 0.0) is None

    authenticator.charge_messages(ANONYMOUS, "6.6.6.6", 20 * BYTES_PER_TOKEN, 0.0)

    assert authenticator.check_handshake_rate(ANONYMOUS, "6.6.6.6", 1.0) is not None
    assert authenticator.check_handshake_rate(ANONYMOUS, "6.6.6.6", 51.0) is None


def test_a_foreign_origin_is_logged_once_with_the_option_that_allows_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    authenticator = Authenticator(access())
    errors = [authenticator.reject_origin(RequestInfo(origin="http://old.example")) for _ in range(100)]

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "--allow-origin http://old.example" in lines[0]
    assert "http://old.example" in errors[-1].text


def test_a_rejected_role_is_logged_with_address_name_and_action(capsys: pytest.CaptureFixture[str]) -> None:
    viewer = Identity("ann", Role.VIEWER, source=CredentialSource.HEADER)
    Authenticator(access()).authorize(RequestInfo("192.0.2.7"), viewer, Action.OPERATE)

    (line,) = capsys.readouterr().err.splitlines()
    assert "role_rejected address=192.0.2.7" in line
    assert "ann has the role viewer and may not give commands" in line
