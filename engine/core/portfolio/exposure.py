"""The limit on what all symbols hold together: reached, nothing more is opened until enough was closed."""

from collections.abc import Iterable

from engine.core.guards.portfolio_limits import EXPOSURE_LIMIT
from engine.core.portfolio.step import PortfolioDraft
from schemas.engine.events import Severity
from schemas.engine.portfolio_journal import SymbolSeen
from schemas.units import ZERO, Money


def notional(seen: SymbolSeen) -> Money:
    """Return what a symbol adds to the exposure, long or short."""
    return abs(seen.position * seen.price)


def exposure(seen: Iterable[SymbolSeen]) -> Money:
    """Return the quote notional of all positions."""
    return sum((notional(each) for each in seen), ZERO)


def look(draft: PortfolioDraft) -> bool:
    """Judge the exposure, and tell whether opening stopped or goes on."""
    state, settings = draft.state, draft.state.settings
    total, limit = exposure(draft.seen.values()), settings.max_exposure
    if state.is_exposed:
        # Some way below, so that a price that trembles at the limit changes nothing.
        if limit and total >= limit * settings.resume_below:
            return False
        state.is_exposed = False
        draft.risk(Severity.LOW, EXPOSURE_LIMIT, f"{total:f} of {limit:f}: opening goes on", active=False)
        return True
    if not limit or total < limit:
        return False
    state.is_exposed = True
    draft.risk(Severity.HIGH, EXPOSURE_LIMIT, f"{total:f} of {limit:f}: nothing more is opened", active=True)
    return True
