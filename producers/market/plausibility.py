"""Check market events before they are published: one wrong message must not move an order or stop a clock.

Dropped are figures that are not numbers, crossed quotes, prices of 0, and times that are ahead of our clock and of the
venue's. Each drop is counted; each kind of it is logged once for a symbol.
"""

from bus import Logger
from bus.metrics import CollectorRegistry, Counter
from bus.runtime import time_ns
from producers.ports import MarketEvent
from schemas.units import DurationNs, TimeNs
from schemas.venue.market import (
    MAX_AHEAD_NS,
    Candle,
    ClockRead,
    FeedChanged,
    MarketFault,
    PublicTrade,
    Ticker,
    candle_fault,
    ticker_fault,
    trade_fault,
)


class Plausibility:
    """Checks the market events of one venue."""

    def __init__(self, registry: CollectorRegistry, log: Logger, *, checks_time: bool) -> None:
        """Check times only with `checks_time`: those of a recording, or of lock-step, are not of our clock."""
        self._log = log
        self._checks_time = checks_time
        self._ahead: tuple[DurationNs, DurationNs] = (0, 0)
        """By how much the venue's clock was ahead of ours at the two newest reads."""
        self._told: set[tuple[str, MarketFault]] = set()
        self._dropped = Counter(
            "market_events_dropped_total",
            "Market events dropped, because they cannot be right",
            ["symbol", "reason"],
            registry=registry,
        )

    def accepts(self, event: MarketEvent) -> bool:
        """Return whether an event can be right; else count it."""
        if isinstance(event, ClockRead):
            self._note(event)
        fault = self.fault(event)
        if fault is not None:
            symbol = "" if isinstance(event, ClockRead) else event.symbol
            self.drop(symbol, type(event).__name__, fault)
        return fault is None

    def drop(self, symbol: str, kind: str, fault: MarketFault) -> None:
        """Count a dropped event, and log the first one of its kind."""
        self._dropped.labels(symbol, fault.value).inc()
        if (symbol, fault) not in self._told:
            self._told.add((symbol, fault))
            self._log.error("market_event_dropped", symbol=symbol, kind=kind, reason=fault.value)

    def fault(self, event: MarketEvent) -> MarketFault | None:
        """Return what is wrong with an event, None if it can be used."""
        match event:
            case Ticker():
                return ticker_fault(event) or self._time_fault(event.time)
            case Candle():
                return candle_fault(event) or self._time_fault(event.open_time)
            case PublicTrade():
                return trade_fault(event) or self._time_fault(event.time)
            case FeedChanged() | ClockRead():
                return self._time_fault(event.time)

    def _time_fault(self, time: TimeNs) -> MarketFault | None:
        if not self._checks_time or time <= self._latest():
            return None
        return MarketFault.TIME_AHEAD

    def _latest(self) -> TimeNs:
        return time_ns() + max(0, min(self._ahead)) + MAX_AHEAD_NS

    def _note(self, read: ClockRead) -> None:
        # One wrong answer of the venue is not its clock: two in a row are.
        if read.recording is not None:
            self._checks_time = False
        self._ahead = (self._ahead[1], read.time - read.received_time)
