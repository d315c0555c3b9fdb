"""Why a symbol is not quoting, in words for people, and what they can do about it."""

from typing import NamedTuple

from schemas.grid.view import NotQuoting


class Words(NamedTuple):
    """A reason for people."""

    says: str
    """A sentence."""
    to_do: str
    """What brings it to an end, or helps."""


def words(reason: NotQuoting, detail: str = "") -> Words:
    """Return what a reason says to people, with what its guard says of it."""
    found = WORDS[reason]
    return found._replace(says=f"{found.says.rstrip('.')}: {detail}") if detail else found


WORDS: dict[str, Words] = {
    "no_price": Words("There was no price yet.", "See whether the market publisher runs and has the symbol."),
    "quarantined": Words(
        "The symbol was set aside because its core failed again and again.",
        "Look at the alert and the engine's log; control reset goes on.",
    ),
    "waiting_for_lease": Words("No engine has the symbol at the moment.", "One takes it within seconds."),
    "paused": Words("Somebody paused it; what closes goes on.", "control resume"),
    "stopped": Words(
        "It was stopped, and no order of ours is out.",
        "control resume; after a stop-loss, set another limit first",
    ),
    "flattening": Words("Its position is being closed.", "It is stopped when that is done."),
    "removed": Words("It was removed and is traded no more.", "control add trades it again."),
    "exiting": Words(
        "The engine was ended and canceled what was out.",
        "The first price after its next start brings it back.",
    ),
    "margin_locked": Words(
        "The venue refused an order for lack of margin.",
        "It tries again after margin_lock_duration; free margin, or set a smaller order_amount.",
    ),
    "breaker_open": Words(
        "The circuit breaker is open.",
        "It is half-open after breaker_cool_down; control reset closes it now.",
    ),
    "breaker_half_open": Words(
        "The circuit breaker is half-open, and the levels that it tries are filled.",
        "A clean round trip closes it; so does control reset.",
    ),
    "global_breaker": Words(
        "The circuit breaker over all symbols is open.", "control reset VENUE _all closes it now."
    ),
    "exposure_limit": Words(
        "All symbols together hold as much as they may.",
        "It goes on when positions are closed, or with a higher limit.",
    ),
    "market_risk": Words(
        "The monitored symbols fell on much volume.", "It goes on when enough of them close above their mean."
    ),
    "feed_lost": Words(
        "There are no fresh prices.", "The next tick ends it; see the market publisher if none comes."
    ),
    "below_minimum": Words(
        "An order of order_amount is below the venue's minimum.", "control set a larger order_amount."
    ),
    "quota": Words(
        "As many orders are out as may be.", "Some have to be filled; order_cleanup_threshold limits them."
    ),
    "cool_down": Words(
        "The venue refused orders lately.", "It tries again soon; the alerts say why it refused."
    ),
    "window_full": Words(
        "Every level holds something that has to be closed first.", "It goes on when the price comes back."
    ),
    "awaiting_venue": Words("It waits for the venue to confirm orders.", "It goes on by itself."),
    "out_of_bounds": Words(
        "The price is beyond lower_price or upper_price.", "control set other bounds, or wait for the price."
    ),
    "would_cross": Words("Every free level is at the market.", "It goes on with the next move of the price."),
    "preflight": Words("The check before the first order refused it.", "It names the setting that would do."),
    "awaiting_trigger": Words("The price has not come to trigger_price yet.", "It begins there."),
}
