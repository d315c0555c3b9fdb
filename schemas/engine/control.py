"""What people ask of the engine, and what it answered."""

from enum import StrEnum

import msgspec

from schemas.grid.settings import GridSettings
from schemas.units import DurationNs, Symbol, TimeNs, VenueId


class CommandName(StrEnum):
    """The last token of a `control.V.S.<command>` subject."""

    PAUSE = "pause"
    """Open nothing; what closes goes on."""
    RESUME = "resume"
    """Quote again, after a pause or a stop."""
    TRIP = "trip"
    """Open the circuit breaker."""
    RESET = "reset"
    """Close it."""
    STOP = "stop"
    """Cancel all orders of ours and keep the position."""
    FLATTEN = "flatten"
    """Cancel all orders of ours, close the position, then stay stopped."""
    RECONCILE = "reconcile"
    """Compare with the venue now."""
    ADD = "add"
    """Trade a symbol from now on: the one that no symbol's core hears."""
    REMOVE = "remove"
    """Stop, and trade it no more."""
    SET = "set"
    """Change settings that may change while a grid runs."""


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
    settings: GridSettings | None = None
    """What an `add` trades with."""
    changes: dict[str, str] = {}
    """What a `set` changes: names and values as a configuration has them, `order_amount` to `40 USDT`."""
    dry_run: bool = False
    """A `reconcile` that only tells what it would do."""
    keep_position: bool = False
    """A `remove` that leaves what is held to its owner."""


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
