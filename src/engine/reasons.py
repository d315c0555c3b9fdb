"""The metric that says why each symbol is not quoting: asked when it is read, so that it never waits for a step."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from bus.metrics import Collector, GaugeMetricFamily
from schemas.grid_view import NotQuoting
from schemas.units import Symbol, VenueId


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
