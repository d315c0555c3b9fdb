"""Authentication: order of credentials, rejections, roles."""

import pytest

from liveserver.auth.authenticator import COOKIE, Authenticator, RequestInfo, check_query
from liveserver.auth.error_responses import ErrorResponse
from liveserver.auth.roles import ANONYMOUS, LOCAL, Action, CredentialSource, Identity, Role, required_action
from liveserver.auth.settings import Access
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
        (b"symbol=BTCUSDT&interval=1m", False),
        (b"", False),
    ],
)
def test_token_in_the_query_is_detected(query: bytes, found: bool) -> None:
    assert (check_query(query) is not None) is found
