"""What a symbol does and why it is not quoting: asked when it is read, so that it never waits for a step."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from bus.metrics import Collector, GaugeMetricFamily
from engine.core.blocking import detail_of
from engine.core.grid import Grid
from schemas.grid.view import NotQuoting
from schemas.units import SECOND_NS, Symbol, TimeNs, VenueId


class Reason(NamedTuple):
    """Why a symbol is not quoting; None when it is."""

    venue: VenueId
    symbol: Symbol
    reason: NotQuoting | None


class NotQuotingCollector(Collector):
    """1 for the present reason of each symbol that this engine has, 0 for the others."""

    def __init__(self, reasons: Callable[[], Iterable[Reason]]) -> None:
        self._reasons = reasons

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Ask every symbol."""
        family = GaugeMetricFamily(
            "market_maker_not_quoting",
            "1 for the reason why a symbol is not quoting",
            labels=["venue", "symbol", "reason"],
        )
        for found in self._reasons():
            for reason in NotQuoting:
                family.add_metric([found.venue, found.symbol, reason], float(reason is found.reason))
        yield family


def told_of(grid: Grid, epoch: int, price_time: TimeNs) -> dict[str, object]:
    """Return what /status says of a symbol that runs here."""
    reason, state = grid.why_not_quoting(), grid.state
    age_s = (time.time_ns() - price_time) / SECOND_NS if price_time else None
    return {
        "step": grid.step,
        "epoch": epoch,
        "not_quoting": reason.value if reason else None,
        "detail": "" if state is None else detail_of(state, reason),
        "price_age_s": age_s and round(age_s, 3),
    }
