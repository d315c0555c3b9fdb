"""The alerts, by their `code`."""

from schemas.reasons.explanation import Explanation

SELF_EXPLANATORY = frozenset(
    {
        "part_silent",
        "part_missing",
        "venue_unreachable",
        "format_too_new",
        "bus_store_almost_full",
        "stream_without_leader",
        "clock_wrong",
    }
)
"""Alerts whose detail says in whole sentences what is wrong."""
_RECONCILE = "./opensqt control reconcile VENUE SYMBOL --dry-run"

ALERTS: dict[str, Explanation] = {
    "part_silent": Explanation(
        "A part of the stack sends no heartbeat: it is stopped, hung, or its host is gone.",
        "Continue or restart it. Its process and state: ./opensqt status",
    ),
    "part_missing": Explanation(
        "A part that the traded symbols need does not run.",
        "Start it; for the command line: ./opensqt status",
    ),
    "venue_unreachable": Explanation(
        "The venue does not answer; orders there stay open meanwhile.",
        "Check the network and the venue's status page.",
    ),
    "bus_store_almost_full": Explanation(
        "The streams use 90 % of the bus's store: when it is full, nothing is decided any more.",
        "Raise bus.store in the configuration and restart.",
    ),
    "stream_without_leader": Explanation(
        "The servers of the bus elected no leader for a stream in memory; it was deleted and created again.",
        "Nothing if servers were restarted or down. If it repeats, read the logs of nats-server.",
    ),
    "clock_wrong": Explanation(
        "The clock of a host is apart from the venue's or the bus's: the part there left its work to others.",
        "Set the clock, and keep it right with a time service such as chrony. The part works again by itself.",
    ),
    "engine_silent": Explanation(
        "The gateway receives no heartbeat from the symbol's engine: it canceled the opening orders.",
        "Continue or restart the engine, or start another: ./opensqt engine --config FILE",
    ),
    "engine_heard": Explanation("The symbol's engine sends heartbeats again."),
    "chain_broken": Explanation(
        "A stored step or intent does not follow the record before it; nothing is opened before a resynchronization.",
        "Quoting resumes by itself. Find out who changed stream JOURNAL or ORDERS on the bus.",
    ),
    "quarantined": Explanation(
        "The core failed repeatedly on one message: the symbol is stopped and its opening orders are canceled.",
        "Update the engine, or continue without that message: ./opensqt control reset VENUE SYMBOL",
    ),
    "format_too_new": Explanation(
        "A newer version wrote the symbol's steps; this part does not run the symbol.", "Update this part."
    ),
    "unknown_kind": Explanation(
        "A newer version wrote a fill or a command, which the limits over all symbols do not take into account.",
        "Update the engines.",
    ),
    "symbol_entry_lost": Explanation(
        "The symbol's entry in the bucket `symbols` vanished or was set back without a command; it was put back.",
        "Find out who purged, deleted or restored the bucket.",
    ),
    "instrument_changed": Explanation(
        "The venue changed the rules of the symbol; they are in force.",
        "If an order is too small or too large now: ./opensqt control set VENUE SYMBOL --set order_amount=AMOUNT",
    ),
    "instrument_not_applied": Explanation(
        "The venue lists another instrument under this symbol; the grid keeps the rules that it knew.",
        "Close the position at the venue, then remove the symbol with: "
        "./opensqt control remove VENUE SYMBOL --keep-position",
    ),
    "position_not_adopted": Explanation(
        "A position from before the start is not taken over by the grid, and never touched.",
        "To have the grid manage it, set adopt_position before the symbol is added.",
    ),
    "position_corrected": Explanation(
        "A small difference from the venue's position was booked as a correction."
    ),
    "position_differs": Explanation(
        "The venue's position is not the booked one, and the circuit breaker is open.",
        f"Find the cause. What a comparison finds: {_RECONCILE}",
    ),
    "account_short": Explanation(
        "The account has less of the base currency than the grid holds: coins were withdrawn or sold by hand.",
        "Return them, or book the difference: ./opensqt control reconcile VENUE SYMBOL --accept QUANTITY --reason '...'",
    ),
    "account_restored": Explanation("The account has what the grid holds again."),
    "not_flat": Explanation(
        "A flattening ended with a position left, at the venue or in the books only.",
        f"Close it at the venue. What a comparison finds: {_RECONCILE}",
    ),
    "newer_generation": Explanation(
        "The venue has an open order of this symbol and instance from a newer grid: another installation may trade it.",
        "Give each installation that shares the account an instance of its own.",
    ),
    "late_funding": Explanation(
        "A funding payment older than those known was not booked.",
        "Compare the funding at the venue with the profit shown; the difference is the payment.",
    ),
    "late_trade_unknown_order": Explanation(
        "A trade of a forgotten order was not booked: the books have it already, or it is not of this grid.",
        f"Nothing on perpetuals: sweeps compare the position. On spot compare with: {_RECONCILE}",
    ),
    "late_trade_booked": Explanation(
        "A trade was booked whose order was not known here, at the level that the order id names."
    ),
    "fee_not_counted": Explanation(
        "Fees in an asset without a price here are shown apart, not subtracted from profit."
    ),
    "fills_lost": Explanation(
        "Stream ENGINE lost fills whose steps JOURNAL no longer has; position and profit include them.",
        "Find out who purged, deleted or restored it. To get them back, restore a backup.",
    ),
    "order_refused": Explanation(
        "The venue rejected an order; its level is retried after rejection_cool_down.",
        "If it repeats, change the setting behind the reason: ./opensqt control set VENUE SYMBOL --set NAME=VALUE",
    ),
    "resync_started": Explanation(
        "Records on the bus were lost or restored: nothing is placed until orders and trades were read from the venue.",
        "If it lasts for more than a minute, see whether the account publisher runs with: ./opensqt status",
    ),
    "resync_ended": Explanation("Orders and trades were read from the venue, and quoting resumes."),
    "not_removed": Explanation(
        "A fill during the removal left a position: the symbol was not removed.",
        "Close the position, which may be followed by a removal at once: ./opensqt control flatten VENUE SYMBOL",
    ),
    "removed": Explanation("The symbol was removed."),
}
