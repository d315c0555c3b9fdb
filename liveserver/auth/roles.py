"""Identities and roles, and the table of actions that each role allows."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Roles in ascending order: each includes the ones before."""

    PUBLIC = "public"
    """Unauthenticated clients of a public server: a redacted view."""
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class Action(StrEnum):
    """Actions that require a role; the page and the short `/health` require none."""

    WATCH = "watch the market and what is not redacted"
    WATCH_ALL = "see balances, sizes, profit, status and metrics"
    OPERATE = "give commands"
    CONFIGURE = "give commands that change what is traded"


MIN_ROLE: dict[Action, Role] = {
    Action.WATCH: Role.PUBLIC,
    Action.WATCH_ALL: Role.VIEWER,
    Action.OPERATE: Role.OPERATOR,
    Action.CONFIGURE: Role.ADMIN,
}
"""The lowest role that allows an action."""

CONFIGURE_COMMANDS = frozenset({"add", "remove", "set"})
"""Commands that change what is traded or with how much: see `schemas.engine.control.CommandName`."""

_RANK = {role: rank for rank, role in enumerate(Role)}


class CredentialSource(StrEnum):
    """Where a request carried its credentials."""

    HEADER = "header"
    SUBPROTOCOL = "subprotocol"
    COOKIE = "cookie"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Identity:
    """An admitted client."""

    name: str
    role: Role
    expires: float | None = None
    """Expiry of the token, in seconds since the epoch."""
    source: CredentialSource = CredentialSource.NOTHING

    def is_allowed(self, action: Action) -> bool:
        """Return whether the role allows an action."""
        return _RANK[self.role] >= _RANK[MIN_ROLE[action]]

    @property
    def is_redacted(self) -> bool:
        """Whether the account's amounts are hidden from it."""
        return not self.is_allowed(Action.WATCH_ALL)

    @property
    def is_authenticated(self) -> bool:
        """Whether it presented valid credentials."""
        return self.source is not CredentialSource.NOTHING


LOCAL = Identity("local", Role.ADMIN)
"""Identity of clients when authentication is disabled."""
ANONYMOUS = Identity("anonymous", Role.PUBLIC)


def required_action(command: str) -> Action:
    """Return the action that an identity must be allowed to give a command."""
    return Action.CONFIGURE if command in CONFIGURE_COMMANDS else Action.OPERATE
