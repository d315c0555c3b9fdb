"""What a benchmark prints: figures, baselines and the ratios between them."""

import os
import platform
from collections.abc import Sequence

import msgspec


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One benchmark's result; units are in the names."""

    name: str
    machine: str
    figures: dict[str, float]
    baselines: dict[str, float]
    ratios: dict[str, float]

    def text(self) -> str:
        """Return the result for people."""
        lines = [f"{self.name} on {self.machine}"]
        for title, values in (("", self.figures), ("baseline ", self.baselines), ("ratio ", self.ratios)):
            lines += [f"  {title + key:<44} {_short(value):>14}" for key, value in values.items()]
        return "\n".join(lines)

    def json(self) -> str:
        """Return the result as one JSON object."""
        return msgspec.json.encode(self).decode()


def machine() -> str:
    """Return what kind of machine this is, in a few words."""
    cores = os.cpu_count() or 0
    return f"{platform.machine()}, {cores} cores, Python {platform.python_version()}"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the values lie, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.3f}"
