"""What people ask of the engine, and what it answered."""

from enum import StrEnum

import msgspec

from schemas.units import DurationNs, Symbol, TimeNs, VenueId


class CommandName(StrEnum):
    """The last token of a `control.V.S.<command>` subject."""

    PAUSE = "pause"
    RESUME = "resume"
    TRIP = "trip"
    """Open the circuit breaker."""
    RESET = "reset"
    """Close it."""


class Command(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An order from a person: durable, applied once, never after its expiry."""

    venue: VenueId
    symbol: Symbol
    command_id: str
    name: CommandName
    operator: str
    reason: str
    time: TimeNs
    expires_time: TimeNs


class CommandOutcome(StrEnum):
    """What became of a command."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    EXPIRED = "expired"
    REFUSED = "refused"


class CommandResult(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The answer to a command."""

    venue: VenueId
    symbol: Symbol
    command_id: str
    name: CommandName
    outcome: CommandOutcome
    detail: str
    operator: str
    reason: str
    step: int
    time: TimeNs


DEFAULT_COMMAND_LIFETIME_NS: DurationNs = 30_000_000_000
