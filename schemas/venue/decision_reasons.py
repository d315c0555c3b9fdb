"""Why an order is placed, canceled or queried: a code in each decision, and its words."""

from enum import StrEnum


class DecisionReason(StrEnum):
    """The reason of a decision. Where opening orders are forbidden as a whole, it equals the `NotQuoting` value."""

    # Places
    OPEN_LEVEL = "open_level"
    """A free level of the window gets an opening order."""
    OPEN_TRIAL_LEVEL = "open_trial_level"
    """The one level on a side that a half-open circuit breaker allows."""
    TOP_UP_LEVEL = "top_up_level"
    """A level holds less than the venue's minimum order: it is increased, so that it can be closed."""
    CLOSE_LEVEL = "close_level"
    """A level that holds a position gets its closing order."""
    FLATTEN = "flatten"
    """The position is being closed."""
    # Cancels of an order whose level changed
    OUTSIDE_WINDOW = "outside_window"
    OUT_OF_BOUNDS = "out_of_bounds"
    """The level is below `lower_price` or above `upper_price`."""
    BETWEEN_LEVELS = "between_levels"
    """Higher volatility widened the distance of the levels in use."""
    NOTHING_LEFT_TO_CLOSE = "nothing_left_to_close"
    MORE_THAN_IS_LEFT = "more_than_is_left"
    """The order is larger than what is left to close."""
    CLOSE_PRICE_REACHED = "close_price_reached"
    """The rest of an opening order gives way to the closing order, whose price is reached."""
    CLOSES_HERE = "closes_here"
    """An opening order gives way to the closing order of another level at the same price."""
    ROOM_FOR_NEARER = "room_for_nearer"
    """The number of open orders is at its limit, and nearer orders wait."""
    MAX_POSITION = "max_position"
    """With what is held, the order could exceed `max_position`, or a nearer one takes its place."""
    PRICE_MOVED_AWAY = "price_moved_away"
    """An order that closes the position is not marketable any more."""
    # Cancels because opening orders are forbidden: values of `NotQuoting`
    PAUSED = "paused"
    STOPPED = "stopped"
    FLATTENING = "flattening"
    REMOVED = "removed"
    EXITING = "exiting"
    RESYNCING = "resyncing"
    FEED_LOST = "feed_lost"
    BREAKER_OPEN = "breaker_open"
    MARKET_RISK = "market_risk"
    MARGIN_LOCKED = "margin_locked"
    GLOBAL_BREAKER = "global_breaker"
    EXPOSURE_LIMIT = "exposure_limit"
    PREFLIGHT = "preflight"
    AWAITING_TRIGGER = "awaiting_trigger"
    MARKET_HALTED = "market_halted"
    DELISTED = "delisted"
    # Cancels by a reconciliation with the venue's open orders
    STILL_OPEN = "still_open"
    """An earlier cancel had no effect."""
    UNKNOWN_HERE = "unknown_here"
    """The venue has an order of this grid that the grid does not know."""
    OLDER_GENERATION = "older_generation"
    """An order from before the symbol was added again, or before a restore."""
    # Queries
    DUPLICATE_ID = "duplicate_id"
    MISSING_THERE = "missing_there"
    """The venue does not list an order that should be open."""
    TRADES_MISSING = "trades_missing"
    CANCEL_REJECTED = "cancel_rejected"


WORDS: dict[DecisionReason, str] = {
    DecisionReason.OPEN_LEVEL: "free level of the window",
    DecisionReason.OPEN_TRIAL_LEVEL: "trial level of the half-open circuit breaker",
    DecisionReason.TOP_UP_LEVEL: "the level holds less than the minimum order",
    DecisionReason.CLOSE_LEVEL: "closes what the level holds",
    DecisionReason.FLATTEN: "closes the position",
    DecisionReason.OUTSIDE_WINDOW: "outside the window",
    DecisionReason.OUT_OF_BOUNDS: "beyond the price bounds",
    DecisionReason.BETWEEN_LEVELS: "between the levels in use",
    DecisionReason.MORE_THAN_IS_LEFT: "more than is left to close",
    DecisionReason.CLOSE_PRICE_REACHED: "the price to close at is reached",
    DecisionReason.CLOSES_HERE: "another level closes here",
    DecisionReason.ROOM_FOR_NEARER: "room for nearer orders",
    DecisionReason.MAX_POSITION: "beyond the position limit",
    DecisionReason.PRICE_MOVED_AWAY: "the price moved away",
}
"""Where the words differ from the code."""


def words(reason: DecisionReason) -> str:
    """Return a reason in words: `outside the window`."""
    return WORDS.get(reason) or reason.value.replace("_", " ")
