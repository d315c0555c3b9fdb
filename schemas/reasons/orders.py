"""What happened to orders: rejections, decisions of the engine, and findings of a reconciliation."""

from schemas.engine.events import ReconciliationFinding
from schemas.reasons.explanation import Explanation
from schemas.venue.decision_reasons import DecisionReason
from schemas.venue.orders import RejectReason

_AMOUNT = "./opensqt control set VENUE SYMBOL --set order_amount=AMOUNT"
_LATER = "The engine decides again by itself."

REJECTIONS: dict[str, Explanation] = {
    RejectReason.POST_ONLY_WOULD_CROSS: Explanation(
        "The order would have traded at once, and was to be a maker.",
        "The level is retried with the next move of the price.",
    ),
    RejectReason.INSUFFICIENT_MARGIN: Explanation(
        "The account has too little free margin or balance for the order.",
        f"An opening order is retried when the free balance has grown. Free some margin, or: {_AMOUNT}",
    ),
    RejectReason.REDUCE_ONLY: Explanation(
        "The order was to reduce a position that is not there.",
        "It may have raced with a fill. If it repeats, compare: ./opensqt control reconcile VENUE SYMBOL --dry-run",
    ),
    RejectReason.MINIMUM_NOTIONAL: Explanation(
        "The order is below the venue's minimum.", f"Set a larger amount with: {_AMOUNT}"
    ),
    RejectReason.PRECISION: Explanation(
        "The price or quantity is not a multiple of the venue's tick or lot.",
        "The market publisher reads the venue's rules again by itself; if it repeats, report it.",
    ),
    RejectReason.DUPLICATE_ID: Explanation(
        "The venue has an order with this id already.", "The engine queries that order by itself."
    ),
    RejectReason.UNKNOWN_SYMBOL: Explanation(
        "The venue does not know the symbol.", "Check its name at the venue and in the configuration."
    ),
    RejectReason.RATE_LIMITED: Explanation(
        "The order was not sent, or was refused by the venue, because of too many requests.", _LATER
    ),
    RejectReason.TOO_LATE: Explanation(
        "Nothing was placed, because the decision was too old when it was to be sent or processed.",
        "The engine decides again by itself. If it repeats, check the machine's load and the clocks.",
    ),
    RejectReason.NOT_FOUND: Explanation(
        "Nothing was placed, because the venue does not know the order.", _LATER
    ),
    RejectReason.OTHER: Explanation(
        "The venue rejected the order.", "The detail has the venue's own words; the level is retried later."
    ),
    RejectReason.EXPOSURE_LIMIT: Explanation(
        "Not sent, because the exposure of all symbols could exceed its limit with it.",
        "The level is retried; it is sent when positions are closed or max_exposure is raised.",
    ),
    RejectReason.MAX_POSITION: Explanation(
        "Not sent, because the grid could hold more than its max_position with it.",
        "The level is retried; it is sent when what is held was closed, or with a higher max_position.",
    ),
    RejectReason.ENGINE_SILENT: Explanation(
        "Not sent, because the gateway has received no heartbeat from the engine for too long.",
        "Continue or restart the engine, or start another: ./opensqt engine --config FILE",
    ),
    RejectReason.RECORDS_LOST: Explanation(
        "Not sent, because stored steps were changed or lost and the engine has not resynchronized yet.",
        _LATER,
    ),
    RejectReason.ABOVE_MAXIMUM: Explanation(
        "The order is above the venue's maximum for one order.", f"Set a smaller amount with: {_AMOUNT}"
    ),
    RejectReason.PRICE_BAND: Explanation(
        "The price is outside the venue's price band.", "The level is retried when the price is nearer."
    ),
    RejectReason.NOT_TRADING: Explanation(
        "The venue has halted or delisted the symbol.", "Quoting resumes when the venue does."
    ),
    RejectReason.POSITION_LIMIT: Explanation(
        "The position would be larger than the venue allows at the account's leverage.",
        f"Lower the leverage at the venue, or: {_AMOUNT}",
    ),
}

FINDINGS: dict[str, Explanation] = {
    ReconciliationFinding.MISSING_THERE: Explanation(
        "The venue does not list an order that should be open there.",
        "The engine queries it by itself, and books what it traded.",
    ),
    ReconciliationFinding.UNKNOWN_HERE: Explanation(
        "The venue has an open order of this grid that the grid does not know.",
        "The engine cancels it by itself.",
    ),
    ReconciliationFinding.TRADES_MISSING: Explanation(
        "An order filled more than the trades received for it.", "The engine queries its trades by itself."
    ),
    ReconciliationFinding.POSITION_DIFFERS: Explanation(
        "The venue's position is not the booked one.",
        "Find the cause, a liquidation or a trade by hand. Then book the difference: "
        "./opensqt control reconcile VENUE SYMBOL --accept QUANTITY --reason '...'",
    ),
    ReconciliationFinding.POSITION_ADOPTED: Explanation(
        "The account's position at the first start was taken over by the grid."
    ),
}

DECISIONS: dict[str, Explanation] = {
    DecisionReason.OPEN_LEVEL: Explanation("A free level of the window gets an opening order."),
    DecisionReason.OPEN_TRIAL_LEVEL: Explanation(
        "The one level on a side that a half-open circuit breaker allows gets an order."
    ),
    DecisionReason.TOP_UP_LEVEL: Explanation(
        "The level holds less than the venue's minimum order: it is increased, so that it can be closed."
    ),
    DecisionReason.CLOSE_LEVEL: Explanation("A level that holds a position gets its closing order."),
    DecisionReason.FLATTEN: Explanation("The position is being closed."),
    DecisionReason.OUTSIDE_WINDOW: Explanation(
        "The price moved: the order's level is outside the window, the levels around the price that have orders."
    ),
    DecisionReason.OUT_OF_BOUNDS: Explanation("The level is below lower_price or above upper_price."),
    DecisionReason.BETWEEN_LEVELS: Explanation(
        "Higher volatility widened the distance of the levels in use, and this one is between them."
    ),
    DecisionReason.NOTHING_LEFT_TO_CLOSE: Explanation(
        "The level of the closing order holds nothing any more."
    ),
    DecisionReason.MORE_THAN_IS_LEFT: Explanation("The closing order is larger than what its level holds."),
    DecisionReason.CLOSE_PRICE_REACHED: Explanation(
        "The rest of an opening order gives way to the closing order, whose price is reached."
    ),
    DecisionReason.CLOSES_HERE: Explanation(
        "An opening order gives way to the closing order of another level at the same price."
    ),
    DecisionReason.ROOM_FOR_NEARER: Explanation(
        "The number of open orders is at its limit, order_cleanup_threshold, and nearer orders wait."
    ),
    DecisionReason.MAX_POSITION: Explanation(
        "With what is held, the order could exceed max_position, or a nearer one takes its place."
    ),
    DecisionReason.PRICE_MOVED_AWAY: Explanation(
        "An order that closes the position would not trade any more; it is placed again nearer."
    ),
    DecisionReason.STILL_OPEN: Explanation("An earlier cancel had no effect; it is repeated."),
    DecisionReason.UNKNOWN_HERE: FINDINGS[ReconciliationFinding.UNKNOWN_HERE],
    DecisionReason.OLDER_GENERATION: Explanation(
        "The order is from before the symbol was added again, or before a backup was restored."
    ),
    DecisionReason.DUPLICATE_ID: REJECTIONS[RejectReason.DUPLICATE_ID],
    DecisionReason.MISSING_THERE: FINDINGS[ReconciliationFinding.MISSING_THERE],
    DecisionReason.TRADES_MISSING: FINDINGS[ReconciliationFinding.TRADES_MISSING],
    DecisionReason.CANCEL_REJECTED: Explanation(
        "The venue rejected the cancel of the order, which may have ended: it is queried."
    ),
}
"""Where opening orders are forbidden as a whole, the code and its explanation are those of not quoting."""
