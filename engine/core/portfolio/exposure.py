"""Exposure limit of each quote currency: nothing is opened from `max_exposure` on, until below `resume_below` of that."""

from collections.abc import Iterable

from engine.core.decisions import figures
from engine.core.guards.portfolio_limits import EXPOSURE_LIMIT
from engine.core.portfolio.step import PortfolioDraft
from schemas.engine.events import Severity
from schemas.engine.portfolio_journal import SymbolSeen
from schemas.units import ZERO, Money


def notional(seen: SymbolSeen) -> Money:
    """Return the quote notional of a symbol's position, long or short."""
    return abs(seen.position * seen.price)


def exposure(seen: Iterable[SymbolSeen]) -> Money:
    """Return the quote notional of all positions together. All have to be of one quote currency."""
    return sum((notional(each) for each in seen), ZERO)


def evaluate(draft: PortfolioDraft) -> None:
    """Activate or clear the exposure limit of each currency for the positions and prices of this step."""
    for currency in draft.currencies():
        _evaluate(draft, currency)


def _evaluate(draft: PortfolioDraft, currency: str) -> None:
    settings, bucket = draft.state.settings.of(currency), draft.bucket(currency)
    total, limit = exposure(draft.seen_in(currency)), settings.max_exposure
    because = figures(exposure=total, limit=limit)
    if bucket.is_exposed:
        # Hysteresis: a price that fluctuates around the limit changes nothing.
        if limit and total >= limit * settings.resume_below:
            return
        bucket.is_exposed = False
        draft.risk(
            Severity.LOW,
            EXPOSURE_LIMIT,
            f"{total:f} of {limit:f} {currency}: opening orders are allowed again",
            because,
            active=False,
        )
        return
    if not limit or total < limit:
        return
    bucket.is_exposed = True
    draft.risk(
        Severity.HIGH,
        EXPOSURE_LIMIT,
        f"{total:f} of {limit:f} {currency}: nothing is opened",
        because,
        active=True,
    )
