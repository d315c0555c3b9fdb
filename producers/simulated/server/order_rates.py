"""Order-rate windows: how many orders may be placed within a time, over all symbols."""

from collections.abc import Sequence
from dataclasses import dataclass

from producers.simulated.parameters import OrderRateWindow
from schemas.units import SECOND_NS, TimeNs


@dataclass(slots=True)
class _Count:
    window: OrderRateWindow
    started: TimeNs = 0
    orders: int = 0


class OrderRates:
    """Counts orders in windows that start at multiples of their interval, as on most venues."""

    def __init__(self, windows: Sequence[OrderRateWindow]) -> None:
        self._counts = [_Count(window) for window in windows]

    def count_or_wait(self, time: TimeNs) -> float | None:
        """Count an order and return None; if a window is full, return the seconds until it ends instead."""
        for each in self._counts:
            started = time - time % each.window.interval
            if started != each.started:
                each.started, each.orders = started, 0
        full = [each for each in self._counts if each.orders >= each.window.orders]
        if full:
            return max(each.started + each.window.interval - time for each in full) / SECOND_NS
        for each in self._counts:
            each.orders += 1
        return None
