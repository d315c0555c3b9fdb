"""The state of all parts of the stack, as a watcher sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from schemas.grid.view import NotQuoting
from schemas.subjects import registry_key
from schemas.units import DurationNs, Symbol, VenueId


class PartState(StrEnum):
    """The state of a part or a venue."""

    OK = "ok"
    DEGRADED = "degraded"
    """It sends heartbeats, and reports problems."""
    SILENT = "silent"
    """It sends no heartbeats any more: stopped, hung, or its host is gone."""
    MISSING = "missing"
    """It is needed for the traded symbols, and does not run."""
    UNREACHABLE = "unreachable"
    """A venue that neither sends nor answers."""


class PartView(msgspec.Struct, frozen=True, kw_only=True):
    """A part, a venue (kind `venue`) or the bus (kind `bus`)."""

    kind: str
    name: str
    state: PartState
    age_ns: DurationNs | None = None
    """Time since its last heartbeat, or since the venue's last message; None if there was none."""
    venues: tuple[VenueId, ...] = ()
    symbols: tuple[str, ...] = ()
    """Registry keys of the symbols that an engine or gateway runs, or ran at its last heartbeat."""
    detail: str = ""
    """What is wrong, a sentence; empty when nothing is."""
    remedy: str = ""
    """What to do, a sentence with commands to paste; empty when nothing is wrong."""
    incident: str = ""
    """The incident of the alert: `part_silent.gateway.gateway.1700000000000000000`; empty when nothing is wrong."""
    is_replaced: bool = False
    """Whether another process has taken over the work of this silent one: it blocks nothing, but its redundancy is lost."""

    @property
    def is_wrong(self) -> bool:
        """Whether an operator has to act."""
        return self.state is not PartState.OK


class Blocked(msgspec.Struct, frozen=True):
    """Why a symbol cannot be quoted, whatever its engine has said last."""

    reason: NotQuoting
    detail: str
    """A sentence that can stand alone."""
    remedy: str
    """What to do, a sentence with commands to paste."""


@dataclass(frozen=True, slots=True)
class PartsView:
    """The state of all parts. Cheap to read; a new one replaces it when something changes."""

    parts: tuple[PartView, ...] = ()
    """The wrong ones first; only the bus while it does not answer."""
    problems: tuple[str, ...] = ()
    """One line for each wrong part: what is wrong, and what to do."""
    blocked_symbols: Mapping[str, Blocked] = field(default_factory=dict)
    """By registry key; the traded symbols that cannot be quoted."""
    blocked_all: Blocked | None = None
    """Set while the bus does not answer."""

    def blocked(self, venue: VenueId, symbol: Symbol) -> Blocked | None:
        """Return why a symbol cannot be quoted; None when all parts that it needs send heartbeats."""
        return self.blocked_all or self.blocked_symbols.get(registry_key(venue, symbol))
