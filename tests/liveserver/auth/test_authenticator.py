"""The guard: who asks, in which order it is found out, and what is refused."""

import pytest

from liveserver.auth.authenticator import COOKIE, Asking, Guard, has_token
from liveserver.auth.refusals import Refusal
from liveserver.auth.roles import ANYBODY, LOCAL, Action, Identity, Role, Via, needed_for
from liveserver.auth.settings import Access
from schemas.engine.control import CommandName
from tests.liveserver.people import KEYS, STRICT, access, token

VIEWER, OPERATOR, ADMIN = (KEYS[role] for role in (Role.VIEWER, Role.OPERATOR, Role.ADMIN))


class Watch:
    """A guard and what it refused."""

    def __init__(self, given: Access, *origins: str) -> None:
        self.refused: list[str] = []
        self.guard = Guard(given, frozenset(origins), self.refused.append)

    def ask(self, **asking: object) -> Identity | str:
        found = self.guard.identify(Asking(address="1.2.3.4", **asking), 0.0)  # type: ignore[arg-type]
        return found.error if isinstance(found, Refusal) else found


def test_the_header_goes_before_the_subprotocol_and_that_before_the_cookie() -> None:
    watch = Watch(access())
    header, offered, cookie = (
        f"Bearer {ADMIN}",
        ["opensqt.v2", f"bearer.{OPERATOR}"],
        f"a=b; {COOKIE}={VIEWER}",
    )

    every = watch.ask(authorization=header, subprotocols=offered, cookie=cookie)
    two = watch.ask(subprotocols=offered, cookie=cookie)
    one = watch.ask(cookie=cookie)

    assert every == Identity("admin-ann", Role.ADMIN, None, Via.HEADER)
    assert two == Identity("operator-ann", Role.OPERATOR, None, Via.SUBPROTOCOL)
    assert one == Identity("viewer-ann", Role.VIEWER, None, Via.COOKIE)


@pytest.mark.parametrize(
    ("asking", "error"),
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
def test_who_does_not_say_who_it_is_is_refused_and_counted(asking: dict[str, object], error: str) -> None:
    watch = Watch(access())

    assert watch.ask(**asking) == error
    assert watch.refused == [error]


def test_where_the_public_is_let_in_only_a_wrong_token_is_refused() -> None:
    watch = Watch(access(public=True))

    assert watch.ask() == ANYBODY
    assert watch.ask(authorization="Bearer sqt_wrong") == "bad_token"
    assert watch.ask(cookie=f"{COOKIE}={token(exp=1)}") == ANYBODY


def test_who_asks_for_nothing_answers_to_names_that_are_its_own() -> None:
    watch = Watch(Access(), "https://live.example")

    assert [watch.ask(host=host) for host in ("127.0.0.1:1", "localhost", "live.example", None)] == [
        LOCAL
    ] * 4
    assert watch.ask(host="evil.example:1") == "foreign_host"
    assert Watch(Access(trust_network=True)).ask(host="evil.example") == LOCAL
    assert Watch(Access(public=True)).ask(host="evil.example") == ANYBODY


def test_too_many_failures_of_an_address_are_refused_and_disturb_nobody_with_a_good_token() -> None:
    watch = Watch(access(rates=STRICT))

    answers = [watch.ask(authorization="Bearer sqt_wrong") for _ in range(4)]

    assert answers == ["bad_token", "bad_token", "too_many_failures", "too_many_failures"]
    assert isinstance(watch.ask(authorization=f"Bearer {ADMIN}"), Identity)


def test_a_wrong_token_is_logged_without_it(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = token("another secret of thirty-two bytes or so")
    Watch(access()).ask(authorization=f"Bearer {wrong}")

    said = capsys.readouterr().err
    assert "token_refused address=1.2.3.4 reason=bad_token" in said
    assert not any(part in said for part in wrong.split("."))


@pytest.mark.parametrize(
    ("origin", "via", "error"),
    [
        (None, Via.HEADER, None),
        ("https://evil.example", Via.HEADER, None),
        ("http://live.example", Via.COOKIE, None),
        ("https://other.example", Via.COOKIE, None),
        (None, Via.COOKIE, "foreign_origin"),
        ("https://evil.example", Via.COOKIE, "foreign_origin"),
        ("null", Via.COOKIE, "foreign_origin"),
        (None, Via.NOTHING, None),
        ("https://evil.example", Via.NOTHING, "foreign_origin"),
    ],
)
def test_a_change_must_not_come_from_somebody_elses_page(
    origin: str | None, via: Via, error: str | None
) -> None:
    watch = Watch(access(), "https://other.example", "*", "null")

    found = watch.guard.may_change(
        Asking(origin=origin, host="live.example"), Identity("ann", Role.ADMIN, via=via)
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
def test_each_role_may_what_the_table_says(role: Role, allowed: set[Action]) -> None:
    identity = Identity("ann", role)

    assert {action for action in Action if identity.may(action)} == allowed
    assert identity.is_redacted is (role is Role.PUBLIC)


def test_what_changes_what_is_traded_needs_an_admin() -> None:
    configuring = {name for name in CommandName if needed_for(name) is Action.CONFIGURE}

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
def test_a_token_in_an_address_is_seen(query: bytes, found: bool) -> None:
    assert has_token(query) is found
