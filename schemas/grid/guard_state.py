"""The part of the durable state that belongs to guards: circuit breaker, monitored symbols, volatility."""

from enum import StrEnum

import msgspec

from schemas.units import ZERO, DurationNs, Money, Price, Quantity, TimeNs


class MonitoredSymbol(msgspec.Struct, kw_only=True):
    """A symbol monitored by the market risk guard: its latest closed candles and their assessment."""

    closes: list[Price] = []
    volumes: list[Quantity] = []
    open_time: TimeNs = -1
    """The open time of the newest closed candle."""
    is_abnormal: bool = False
    """Whether the newest candle, closed or not, is below the average close on high volume."""
    is_calm: bool = False
    """Whether the newest closed candle is above the average close with normal volume."""


class Volatility(msgspec.Struct, kw_only=True):
    """The true ranges of the symbol's closed candles."""

    ranges: list[Price] = []
    """The newest true ranges, oldest first."""
    close: Price = ZERO
    """The close of the newest closed candle."""
    open_time: TimeNs = -1
    """The open time of the newest closed candle."""


class MarginLock(msgspec.Struct, kw_only=True):
    """Opening orders of a side after the venue refused one for lack of balance: what stands stays, nothing is added."""

    asset: str
    """What was missing."""
    since: TimeNs
    until: TimeNs
    """The earliest time at which another order is sent."""
    times: int = 1
    """Refusals in a row, counted once for each lock; the pause doubles with each."""
    is_active: bool = True
    """False once orders are sent again; the entry is dropped when the venue accepts one."""
    free: Money | None = None
    """The least free balance since the refusal; None while none was received."""


class BreakerState(StrEnum):
    """The state of a circuit breaker: `closed` allows opening orders, `open` does not, `half_open` one level a side."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Peak(msgspec.Struct, frozen=True, kw_only=True):
    """The total profit at a time."""

    time: TimeNs
    profit: Money


class Breaker(msgspec.Struct, kw_only=True):
    """The circuit breaker of a grid."""

    state: BreakerState = BreakerState.CLOSED
    reason: str = ""
    """Why it opened."""
    opened_by: str = ""
    """The operator who opened it and the reason given: `alice: maintenance`; empty for a guard."""
    opened_time: TimeNs = 0
    losses: int = 0
    """Consecutive losing round trips."""
    peaks: list[Peak] = []
    """The profit peaks in the drawdown window, in descending order."""
    tried: list[int] = []
    """The levels opened while it is half-open."""
    latencies: list[DurationNs] = []
    """Latencies of the newest orders, from decision to acceptance."""
    slow_since: TimeNs = 0
    """When ticks began to arrive too late; 0 while they arrive in time."""
