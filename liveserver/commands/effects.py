"""The effect of each operator command, in a sentence that is shown before it is given."""

from schemas.engine.control import CommandName

EFFECTS: dict[CommandName, str] = {
    CommandName.PAUSE: "Places no opening orders; closing orders stay and continue.",
    CommandName.RESUME: "Quotes again, after a pause or a stop.",
    CommandName.TRIP: "Opens the circuit breaker: no opening orders until its cool-down ends or it is reset.",
    CommandName.RESET: "Closes the circuit breaker.",
    CommandName.STOP: "Cancels all own orders and keeps the position.",
    CommandName.FLATTEN: "Cancels all own orders, closes the position with limit orders at most flatten_slippage "
    "beyond the best price, then stays stopped.",
    CommandName.RECONCILE: "Compares orders and position with the venue now, and corrects small differences. With a "
    "position to accept, books the difference to it, if the venue's position is this one.",
    CommandName.ADD: "Starts trading a symbol.",
    CommandName.REMOVE: "Cancels all own orders and stops trading the symbol; refused while it holds a position.",
    CommandName.SET: "Changes settings while the grid runs.",
}
