"""Format market events as text."""

from typing import assert_never

from schemas.venue.market import Candle, ClockRead, FeedChanged, PublicTrade, Ticker


def market_text(event: Ticker | PublicTrade | Candle | FeedChanged | ClockRead) -> str:
    """Return the main fields of a market event."""
    match event:
        case Ticker():
            return f"{event.bid:f} / {event.ask:f}  last {event.last:f}"
        case PublicTrade():
            return f"{event.side} {event.quantity:f} at {event.price:f}"
        case Candle():
            closed = "closed" if event.closed else "forming"
            prices = f"{event.open:f} {event.high:f} {event.low:f} {event.close:f}"
            return f"{event.interval} {closed} {prices}  volume {event.volume:f}"
        case FeedChanged():
            return f"feed {event.state}{because(event.reason)}"
        case ClockRead():
            return f"local clock {(event.received_time - event.time) / 1e6:+.1f} ms against the venue's"
        case _:
            assert_never(event)


def because(text: str) -> str:
    """Return `: TEXT`, or nothing without a text."""
    return f": {text}" if text else ""
