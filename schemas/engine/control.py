"""Operator commands and their results: `control.V.S.*`."""

from enum import StrEnum

import msgspec

from schemas.grid.settings import GridSettings
from schemas.units import DurationNs, SignedQuantity, Symbol, TimeNs, VenueId

DEFAULT_COMMAND_LIFETIME_NS: DurationNs = 30_000_000_000
"""Time from the creation of a command to its expiry."""


class CommandName(StrEnum):
    """The last token of a command's subject: `control.sim.BTC-USDT.pause`."""

    PAUSE = "pause"
    """Stop opening positions; closing orders continue."""
    RESUME = "resume"
    """Resume quoting after a pause or stop."""
    TRIP = "trip"
    """Open the circuit breaker."""
    RESET = "reset"
    """Close the circuit breaker; restart a quarantined symbol."""
    STOP = "stop"
    """Cancel all own orders and keep the position."""
    FLATTEN = "flatten"
    """Cancel all own orders, close the position, then stop."""
    RECONCILE = "reconcile"
    """Compare orders, trades and position with the venue now."""
    ADD = "add"
    """Start trading a symbol. Applied by the portfolio; every other command is applied by the symbol."""
    REMOVE = "remove"
    """Stop the symbol and no longer trade it."""
    SET = "set"
    """Change live settings of the grid."""


class Command(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A command from an operator. It is stored, applied at most once, and never after its expiry."""

    venue: VenueId
    symbol: Symbol
    command_id: str
    name: CommandName
    operator: str
    reason: str
    time: TimeNs
    expires_time: TimeNs
    settings: GridSettings | None = None
    """The settings of an `add`."""
    changes: dict[str, str] = {}
    """The changes of a `set`, in the notation of the configuration: `{"order_amount": "40 USDT"}`."""
    dry_run: bool = False
    """Whether a `reconcile` only reports what it would do."""
    keep_position: bool = False
    """Whether a `remove` keeps the position."""
    accept: SignedQuantity | None = None
    """Of a `reconcile`: the position at the venue that the operator has seen, to be taken over into the books.

    On spot, the quantity of the wallet that the grid holds from now on.
    """


class CommandOutcome(StrEnum):
    """The outcome of a command."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    EXPIRED = "expired"
    REFUSED = "refused"


class CommandResult(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The result of a command."""

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
