"""Commands that were accepted and are not complete."""

import msgspec

from schemas.units import ClientOrderId, SignedQuantity, TimeNs


class PendingReconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """A `reconcile` command, answered when the next sweep arrives."""

    command_id: str
    operator: str
    reason: str
    dry_run: bool
    time: TimeNs
    """When the command was read, by the wall clock."""
    accept: SignedQuantity | None = None
    """The venue's position to take over into the books."""
    asked_time: TimeNs = 0
    """The market time when the command was read: an older position does not answer an `accept`."""
    expires_time: TimeNs = 0
    """The market time after which an `accept` is not applied."""
    passes: int = 0
    """Sweeps since then whose position was too old for an `accept`, or unknown."""
    times_out_at: TimeNs = 0
    """The market time at which it is answered as incomplete; 0 until a later time than `asked_time` is known."""


class PendingCommand(msgspec.Struct, kw_only=True):
    """An accepted command that cancels orders: some of them are open, or the position is being closed."""

    command_id: str
    name: str
    """A `CommandName`."""
    operator: str
    reason: str
    time: TimeNs
    """When the command was read, by the wall clock."""
    text: str = ""
    """What it changed beside the orders; part of its results."""
    orders: list[ClientOrderId] = []
    """The orders that it cancels and that have not ended."""
    canceled: int = 0
    """Orders that ended since then, filled ones excluded."""
    filled: int = 0
    """Orders that were filled before their cancel reached the venue."""
    asked_time: TimeNs = 0
    """The market time when the command was applied."""
    times_out_at: TimeNs = 0
    """The market time at which it is answered as incomplete; 0 until a later time than `asked_time` is known."""
