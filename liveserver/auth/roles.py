"""Who somebody is to a live server, and who may do what: one table."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What somebody may, each more than the one before."""

    PUBLIC = "public"
    """Anybody, where the server is open to the public: a redacted view."""
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class Action(StrEnum):
    """What can be asked of a live server, the page and `/health` apart, which are everybody's."""

    WATCH = "watch the market and what is not redacted"
    WATCH_ALL = "see balances, sizes, profit, status and metrics"
    OPERATE = "give commands"
    CONFIGURE = "give commands that change what is traded"


MINIMUM: dict[Action, Role] = {
    Action.WATCH: Role.PUBLIC,
    Action.WATCH_ALL: Role.VIEWER,
    Action.OPERATE: Role.OPERATOR,
    Action.CONFIGURE: Role.ADMIN,
}
"""Who may do what."""

CONFIGURING = frozenset({"add", "remove", "set"})
"""The commands that change what is traded, or with how much: see `schemas.control.CommandName`."""

_RANK = {role: rank for rank, role in enumerate(Role)}


class Via(StrEnum):
    """How somebody said who it is."""

    HEADER = "header"
    SUBPROTOCOL = "subprotocol"
    COOKIE = "cookie"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who was let in."""

    name: str
    role: Role
    expires: float | None = None
    """Seconds since the epoch."""
    via: Via = Via.NOTHING

    def may(self, action: Action) -> bool:
        """Tell whether the role allows it."""
        return _RANK[self.role] >= _RANK[MINIMUM[action]]

    @property
    def is_redacted(self) -> bool:
        """Whether what is shown to it has no amounts of ours in it."""
        return not self.may(Action.WATCH_ALL)

    @property
    def is_named(self) -> bool:
        """Whether it proved who it is."""
        return self.via is not Via.NOTHING


LOCAL = Identity("local", Role.ADMIN)
"""Whoever reaches a server that asks for nothing."""
ANYBODY = Identity("anonymous", Role.PUBLIC)


def needed_for(command: str) -> Action:
    """Return what one has to be allowed to give a command."""
    return Action.CONFIGURE if command in CONFIGURING else Action.OPERATE
