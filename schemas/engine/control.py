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
    confirmed: bool = False
    """Whether the operator confirmed what a `set` does at once, such as flattening at a stop that is reached already."""
    accept: SignedQuantity | None = None
    """Of a `reconcile`: the position at the venue that the operator has seen, to be taken over into the books.

    On spot, the quantity of the wallet that the grid holds from now on.
    """


class CommandOutcome(StrEnum):
    """The outcome of a command."""

    ACCEPTED = "accepted"
    """Taken by the engine, not complete yet: orders are being canceled, or the venue is asked. Another result follows."""
    APPLIED = "applied"
    """Complete: what it cancels, the venue has confirmed as ended."""
    INCOMPLETE = "incomplete"
    """Not complete within its time, or superseded by another command. What is left continues: cancels are repeated, a
    flattening goes on. The detail gives what is confirmed and what is left."""
    UNCHANGED = "unchanged"
    EXPIRED = "expired"
    REFUSED = "refused"


class CommandResult(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A result of a command: the only one, or `accepted` followed by a final one.

    A command to all symbols is answered by the portfolio, under its own id, with the symbols that it was forwarded to. Each
    symbol answers under its own name and a derived id: `c1.BTC/USDT:USDT` for `c1` to `sim _all`, `c1.sim.BTC/USDT:USDT` for
    `c1` to `_all _all`. `trip` and `reset` to `_all _all` are not forwarded: the portfolio applies and completes them.
    """

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
    orders_canceled: int | None = None
    """How many orders the command has canceled so far, as confirmed by the venue; None where it cancels none."""
    orders_out: int | None = None
    """How many orders that the command cancels are still open, or unknown; None like `orders_canceled`."""
    position: SignedQuantity | None = None
    """The position that is left, in base currency; None in version 1, and where there is no grid."""

    @property
    def is_final(self) -> bool:
        """Whether no other result follows."""
        return self.outcome is not CommandOutcome.ACCEPTED
