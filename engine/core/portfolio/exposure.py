"""Exposure limit: from `max_exposure` over all symbols on, nothing is opened until it is below `resume_below` of that."""

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
    """Return the quote notional of all positions together."""
    return sum((notional(each) for each in seen), ZERO)


def evaluate(draft: PortfolioDraft) -> None:
    """Activate or clear the exposure limit for the positions and prices of this step."""
    state, settings = draft.state, draft.state.settings
    total, limit = exposure(draft.seen.values()), settings.max_exposure
    if state.is_exposed:
        # Hysteresis: a price that fluctuates around the limit changes nothing.
        if limit and total >= limit * settings.resume_below:
            return
        state.is_exposed = False
        draft.risk(
            Severity.LOW,
            EXPOSURE_LIMIT,
            f"{total:f} of {limit:f}: opening orders are allowed again",
            figures(exposure=total, limit=limit),
            active=False,
        )
        return
    if not limit or total < limit:
        return
    state.is_exposed = True
    draft.risk(
        Severity.HIGH,
        EXPOSURE_LIMIT,
        f"{total:f} of {limit:f}: nothing is opened",
        figures(exposure=total, limit=limit),
        active=True,
    )
