"""The guards, by the `reason` of `RiskChanged`: what it means while the guard is active."""

from schemas.reasons.explanation import Explanation

_STOPPED = "It is stopped afterwards. Change the limit first, then: ./opensqt control resume VENUE SYMBOL"

GUARDS: dict[str, Explanation] = {
    "circuit_breaker": Explanation(
        "The circuit breaker stops opening orders; closing orders continue.",
        "After breaker_cool_down it tries one level a side. Close it now with: ./opensqt control reset VENUE SYMBOL",
    ),
    "global_breaker": Explanation(
        "The circuit breaker over all symbols stops opening orders; closing orders continue.",
        "After its cool-down one level a side is tried. Close it now with: ./opensqt control reset _all _all",
    ),
    "exposure_limit": Explanation(
        "The exposure of all symbols of a quote currency is at its limit; opening orders are canceled.",
        "It ends when positions are closed, or with a higher max_exposure of the portfolio in the configuration.",
    ),
    "market_risk": Explanation(
        "The monitored symbols fell on high volume; opening orders are canceled.",
        "It ends when none of them falls any more and enough of them close above their average.",
    ),
    "feed_lost": Explanation(
        "The market feed is stale or down; opening orders are canceled.",
        "It ends with the next tick. If none comes, see whether the market publisher runs with: ./opensqt status",
    ),
    "market_status": Explanation(
        "The venue has changed whether it trades the symbol.",
        "Quoting follows the venue. If it is delisted: ./opensqt control remove VENUE SYMBOL --keep-position",
    ),
    "preflight": Explanation(
        "Nothing is placed before each check before the first order has passed.",
        "Change the setting that is named with: ./opensqt control set VENUE SYMBOL --set NAME=VALUE",
    ),
    "trigger_price": Explanation("Nothing is placed before the price has reached trigger_price."),
    "margin_locked": Explanation(
        "The venue rejected an opening order for lack of balance: its side adds none, and those that stand stay.",
        "It is retried when the free balance has grown; free some margin, or: "
        "./opensqt control set VENUE SYMBOL --set order_amount=AMOUNT",
    ),
    "flatten": Explanation(
        "The position is being closed, by orders near the market price.",
        "To abort it and keep what is left: ./opensqt control stop VENUE SYMBOL",
    ),
    "stop_loss": Explanation("The total loss reached stop_loss: the position is closed.", _STOPPED),
    "take_profit": Explanation("The total profit reached take_profit: the position is closed.", _STOPPED),
    "stop_below_price": Explanation("The price fell to stop_below_price: the position is closed.", _STOPPED),
    "stop_above_price": Explanation("The price rose to stop_above_price: the position is closed.", _STOPPED),
}
