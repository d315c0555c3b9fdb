"""Accounts and users of a secured bus, as data. Each user has an account of its own.

Within one account, a request to JetStream with a forged reply subject makes the server publish the answer there, and the
answer of a direct get is a message of the requester's choice. No publish permission prevents that. Between accounts, a
reply can only reach the account that sent the request. So the streams are in TRADE, and each part reaches them from an
account of its own, by imports: exactly the subjects that it may publish and receive.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

API = "$JS.API"
TRADE_API = "$JS.trade.API"
"""Prefix of the JetStream API of TRADE in the accounts that import it."""
READ_API = "$JS.read.API"
"""Prefix of the JetStream API of READ in TRADE, whose administrator creates the mirrors."""
TRADE, READ, SYSTEM = "TRADE", "READ", "SYS"
"""The account of the streams, that of their mirrors, and that of the server's own services."""


class Kind(StrEnum):
    """The kind of an import."""

    STREAM = "stream"
    """Messages that the other account publishes."""
    SERVICE = "service"
    """Messages to the other account, whose replies return to the sender alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """A subject of another account. The other account exports it to this one alone."""

    kind: Kind
    account: str
    subject: str
    to: str = ""
    """The subject in the importing account; the same if empty."""
    has_many_replies: bool = False

    @property
    def local(self) -> str:
        return self.to or self.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user with its permissions. None allows every subject."""

    name: str
    description: str
    publish: tuple[str, ...] | None = None
    subscribe: tuple[str, ...] | None = None
    denied: tuple[str, ...] = ()
    """Subjects that it may not publish although `publish` allows them."""
    may_respond: bool = False
    """Whether it may answer the requests that it receives, each once."""
    api_prefix: str = ""
    """Prefix of the JetStream API; empty for that of its own account."""

    @property
    def inbox_prefix(self) -> str:
        return f"_INBOX_{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account, its users, and what it may use of other accounts."""

    name: str
    users: tuple[User, ...]
    imports: tuple[Import, ...] = ()
    has_streams: bool = False


@dataclass(frozen=True, slots=True)
class Export:
    """A subject that an account offers to the listed accounts alone."""

    kind: Kind
    subject: str
    accounts: tuple[str, ...]
    has_many_replies: bool


def exports(accounts: Iterable[Account]) -> Mapping[str, tuple[Export, ...]]:
    """Return the exports of each account: what the others import from it."""
    importers: dict[tuple[str, Kind, str, bool], list[str]] = defaultdict(list)
    for account in accounts:
        for each in account.imports:
            importers[each.account, each.kind, each.subject, each.has_many_replies].append(account.name)
    found: dict[str, list[Export]] = defaultdict(list)
    for (name, kind, subject, has_many_replies), names in importers.items():
        found[name].append(Export(kind, subject, tuple(names), has_many_replies))
    return {name: tuple(each) for name, each in found.items()}
