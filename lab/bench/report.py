"""The report of a benchmark: figures, baselines and the ratios between them."""

import os
import platform
from collections.abc import Sequence

import msgspec


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a benchmark. The keys of figures end with their unit, for example `_ms`."""

    name: str
    machine: str
    figures: dict[str, float]
    baselines: dict[str, float]
    ratios: dict[str, float]

    def text(self) -> str:
        """Return the report as a table."""
        lines = [f"{self.name} on {self.machine}"]
        for title, values in (("", self.figures), ("baseline ", self.baselines), ("ratio ", self.ratios)):
            lines += [f"  {title + key:<44} {_format(value):>14}" for key, value in values.items()]
        return "\n".join(lines)

    def json(self) -> str:
        """Return the report as one JSON object."""
        return msgspec.json.encode(self).decode()


def machine() -> str:
    """Return the machine's architecture, cores and Python version: `x86_64, 2 cores, Python 3.11.9`."""
    cores = os.cpu_count() or 0
    return f"{platform.machine()}, {cores} cores, Python {platform.python_version()}"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the values lie, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def percentiles_ms(name: str, seconds: Sequence[float]) -> dict[str, float]:
    """Return the figures `NAME_p50_ms` and `NAME_p99_ms` of durations in seconds."""
    return {f"{name}_p{number}_ms": percentile(seconds, number / 100) * 1e3 for number in (50, 99)}


def _format(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.3f}"
