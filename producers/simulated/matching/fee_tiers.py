"""Fee tiers: the fees of the account by what it has traded in the 30 days before today (UTC)."""

from typing import NamedTuple

from producers.simulated.listing import Listing
from producers.simulated.matching.changes import Counters
from producers.simulated.parameters import DAY_NS, TIER_DAYS
from schemas.units import ZERO, Money, Ratio, TimeNs


class Fees(NamedTuple):
    """Fee rates; negative for a rebate."""

    maker: Ratio
    taker: Ratio


def fees_at(listing: Listing, counters: Counters, time: TimeNs) -> Fees:
    """Return the fees of a symbol at a time: those of the highest tier that is reached, else of the instrument."""
    fees = Fees(listing.rules.maker_fee, listing.rules.taker_fee)
    if not listing.fee_tiers:
        return fees
    today = time // DAY_NS
    days = counters.traded.get(listing.rules.quote, {})
    volume = sum((each for day, each in days.items() if today - TIER_DAYS <= day < today), ZERO)
    for tier in listing.fee_tiers:
        if volume >= tier.volume:
            fees = Fees(tier.maker_fee, tier.taker_fee)
    return fees


def add_traded(counters: Counters, quote: str, notional: Money, time: TimeNs) -> None:
    """Add a trade's notional to that of its day, and forget the days that no longer count."""
    today = time // DAY_NS
    days = counters.traded.setdefault(quote, {})
    days[today] = days.get(today, ZERO) + notional
    for day in [day for day in days if day < today - TIER_DAYS]:
        del days[day]
