"""Subjects that version 0.1 wrote. They are still read, and no longer written."""

from schemas.subjects import ALL, subject
from schemas.units import Symbol, VenueId


def venue_portfolio_step(venue: VenueId) -> str:
    """Return the subject of the portfolio of one venue, which is migrated."""
    return subject("journal", venue, Symbol(ALL), "step")


def venue_portfolio_steps() -> str:
    """Return the wildcard for the portfolio's steps, and those of the portfolios of version 0.1."""
    return f"journal.*.{ALL}.step"


def venue_limits(venue: VenueId) -> str:
    """Return the subject of the limits of one venue, which count until there are new ones."""
    return subject("journal", venue, Symbol(ALL), "limits")


def earlier_alert(venue: VenueId, symbol: Symbol) -> str:
    """Return the subject of alerts before there was the stream ALERTS."""
    return subject("engine", venue, symbol, "alert")
