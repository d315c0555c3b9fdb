"""The reasons why a symbol is not quoting."""

from schemas.grid.view import NotQuoting
from schemas.reasons.explanation import Explanation

QUOTING: dict[str, Explanation] = {
    NotQuoting.NO_PRICE: Explanation(
        "No price has been received yet.",
        "If none comes, see whether the market publisher runs with: ./opensqt status",
    ),
    NotQuoting.QUARANTINED: Explanation(
        "The symbol is quarantined because its core failed repeatedly.",
        "Check the alert and the engine's log, then restart the symbol with: ./opensqt control reset VENUE SYMBOL",
    ),
    NotQuoting.WAITING_FOR_LEASE: Explanation(
        "No engine runs this symbol at the moment.",
        "An engine takes it over within seconds. If none runs, start one: ./opensqt engine --config FILE",
    ),
    NotQuoting.PAUSED: Explanation(
        "The symbol was paused by an operator; closing orders continue.",
        "Resume with: ./opensqt control resume VENUE SYMBOL",
    ),
    NotQuoting.STOPPED: Explanation(
        "The symbol was stopped and has no open orders.",
        "After a stop-loss, change its limit first. Resume with: ./opensqt control resume VENUE SYMBOL",
    ),
    NotQuoting.FLATTENING: Explanation(
        "The position is being closed.", "The symbol is stopped when the position is closed."
    ),
    NotQuoting.REMOVED: Explanation(
        "The symbol was removed.", "Trade it again with: ./opensqt control add VENUE SYMBOL --settings FILE"
    ),
    NotQuoting.EXITING: Explanation(
        "The engine was shut down and canceled its orders.",
        "Quoting resumes with the first price after the engine's next start.",
    ),
    NotQuoting.RESYNCING: Explanation(
        "Records on the bus were lost or restored, so orders and trades are being read from the venue.",
        "Quoting resumes when the account publisher has answered. See whether it runs with: ./opensqt status",
    ),
    NotQuoting.MARGIN_LOCKED: Explanation(
        "The venue rejected an order for insufficient margin.",
        "Orders that stand stay. It is retried when the free balance has grown; free some margin or reduce order_amount.",
    ),
    NotQuoting.MAX_POSITION: Explanation(
        "The grid holds as much as max_position allows; closing orders continue.",
        "Quoting resumes when what is held is closed. Change it with: "
        "./opensqt control set VENUE SYMBOL --set max_position=LIMIT",
    ),
    NotQuoting.BREAKER_OPEN: Explanation(
        "The circuit breaker is open.",
        "It becomes half-open after breaker_cool_down; close it now with: ./opensqt control reset VENUE SYMBOL",
    ),
    NotQuoting.BREAKER_HALF_OPEN: Explanation(
        "The circuit breaker is half-open and its trial levels are filled.",
        "A round trip without a loss closes it; close it now with: ./opensqt control reset VENUE SYMBOL",
    ),
    NotQuoting.GLOBAL_BREAKER: Explanation(
        "The circuit breaker over all symbols is open.", "Close it with: ./opensqt control reset _all _all"
    ),
    NotQuoting.EXPOSURE_LIMIT: Explanation(
        "The total exposure of all symbols of the quote currency is at its limit.",
        "Quoting resumes when positions are closed, or with a higher max_exposure of the portfolio in the configuration.",
    ),
    NotQuoting.MARKET_RISK: Explanation(
        "The monitored symbols fell on high volume.",
        "Quoting resumes when none of them falls any more and enough of them close above their average.",
    ),
    NotQuoting.FEED_LOST: Explanation(
        "The market feed is stale or down.",
        "Quoting resumes with the next tick. If none comes, see whether the market publisher runs with: ./opensqt status",
    ),
    NotQuoting.BELOW_MINIMUM: Explanation(
        "An order of order_amount is below the venue's minimum.",
        "Set a larger amount with: ./opensqt control set VENUE SYMBOL --set order_amount=AMOUNT",
    ),
    NotQuoting.QUOTA: Explanation(
        "The number of open orders is at its limit, order_cleanup_threshold.",
        "Quoting resumes when orders are filled or canceled.",
    ),
    NotQuoting.COOL_DOWN: Explanation(
        "The venue rejected the latest orders.",
        "They are retried after a cool-down. For the venue's reason: ./opensqt tap --since 1h 'order.VENUE.*.report'",
    ),
    NotQuoting.WINDOW_FULL: Explanation(
        "Every level of the window holds a position that must be closed first.",
        "Quoting resumes when the price returns.",
    ),
    NotQuoting.AWAITING_VENUE: Explanation(
        "The venue has not confirmed pending orders or cancels yet.", "Quoting resumes by itself."
    ),
    NotQuoting.OUT_OF_BOUNDS: Explanation(
        "The price is beyond lower_price or upper_price.",
        "Wait for the price to return, or set other bounds with: ./opensqt control set VENUE SYMBOL --set upper_price=PRICE",
    ),
    NotQuoting.WOULD_CROSS: Explanation(
        "Every free level would cross the market.", "Quoting resumes with the next move of the price."
    ),
    NotQuoting.PREFLIGHT: Explanation(
        "The preflight check rejected the symbol.",
        "Change the setting that is named with: ./opensqt control set VENUE SYMBOL --set NAME=VALUE",
    ),
    NotQuoting.AWAITING_TRIGGER: Explanation(
        "The price has not reached trigger_price yet.", "Quoting starts when it does."
    ),
    NotQuoting.MARKET_HALTED: Explanation(
        "The venue has halted trading in the symbol.", "Quoting resumes when the venue does."
    ),
    NotQuoting.DELISTED: Explanation(
        "The venue has delisted the symbol.",
        "Close what is left at the venue, then remove the symbol with: "
        "./opensqt control remove VENUE SYMBOL --keep-position",
    ),
    NotQuoting.ABOVE_MAXIMUM: Explanation(
        "An order of order_amount is above the venue's maximum for one order.",
        "Set a smaller amount with: ./opensqt control set VENUE SYMBOL --set order_amount=AMOUNT",
    ),
    NotQuoting.OUTSIDE_PRICE_BAND: Explanation(
        "Every free level is outside the prices that the venue accepts for orders.",
        "Quoting resumes when the price comes nearer; a smaller price_interval or window keeps levels inside.",
    ),
    NotQuoting.ENGINE_SILENT: Explanation(
        "The engine sends no heartbeat: nothing is decided.",
        "Continue or restart it, or start another: ./opensqt engine --config FILE",
    ),
    NotQuoting.GATEWAY_SILENT: Explanation(
        "The gateway sends no heartbeat: no order can be sent or canceled.",
        "Until then cancel orders at the venue itself. Continue or restart it, or start another: "
        "./opensqt gateway --config FILE --venue VENUE",
    ),
    NotQuoting.ACCOUNT_SILENT: Explanation(
        "The account publisher sends no heartbeat: fills may arrive late.",
        "Continue or restart it, or start another: ./opensqt account --config FILE --venue VENUE",
    ),
    NotQuoting.MARKET_SILENT: Explanation(
        "The market publisher sends no heartbeat: prices stand still.",
        "Continue or restart it, or start another: ./opensqt market --config FILE --venue VENUE",
    ),
    NotQuoting.VENUE_UNREACHABLE: Explanation(
        "The venue does not answer.",
        "Quoting resumes when it answers; check the network and the venue's status.",
    ),
    NotQuoting.BUS_SILENT: Explanation(
        "The bus does not answer: nothing can be stored, decided or commanded.",
        "Continue or restart the nats-server; orders at the venues stay there meanwhile.",
    ),
}
