"""The proofs at the end of a run: all those of `verify`, or those of `verify --losses` after a loss of stored records."""

from collections import Counter
from collections.abc import Sequence, Set

from cli.inspect.audit import differences
from lab.chaos.history import History, VenueHistory
from lab.chaos.invariants import violations
from lab.chaos.loss_runner import BOOKS, IDS_ONCE
from lab.simulation.faults.fault import Effect
from lab.simulation.oracles.records import RecordWatch
from lab.simulation.oracles.venue import VenueWatch
from lab.simulation.world.world import World
from schemas.units import Symbol

STOPPING_ALERTS = frozenset({"quarantined"})
"""Alerts that say that a symbol has stopped for good, as it may after stored records were changed."""


class Verdicts:
    """Judges a run by what its faults may do to stored records."""

    def __init__(self, world: World, records: RecordWatch, venue: VenueWatch, effects: Set[Effect]) -> None:
        self.records = records
        self.venue = venue
        self._entries = world.settings.configuration.symbols
        self._effects = effects

    @property
    def keeps_records(self) -> bool:
        """Whether no fault of the run loses or changes stored records."""
        return not self._effects - {Effect.RECORDS_ARE_KEPT}

    def stopped(self) -> set[Symbol]:
        """Return the symbols that may have stopped because of a changed record."""
        if Effect.RECORDS_ARE_CHANGED not in self._effects:
            return set()
        return {symbol for code, symbol in self.records.alerts if code in STOPPING_ALERTS}

    def instant(self) -> dict[str, list[str]]:
        """Return what was violated at some instant."""
        found = {
            "the exposure stays below its limit": self.venue.exposure_problems,
            "what a grid may hold stays below max_position": self.venue.position_problems,
        }
        if self.keeps_records:
            found["each level has one open order"] = self.venue.level_problems
        if Effect.RECORDS_ARE_CHANGED not in self._effects:
            found["each record follows the one before it"] = self.records.problems
        return found

    def final(self, histories: Sequence[History], venue: VenueHistory) -> dict[str, list[str]]:
        """Return the violations of each proof."""
        if self.keeps_records:
            return violations(histories, venue)
        arrived = Counter(each.client_order_id for each in venue.arrivals)
        return {
            IDS_ONCE: [f"{name} arrived {count} times" for name, count in arrived.items() if count > 1],
            BOOKS: [text for symbol in self._traded() for text in self._differences(symbol, venue)],
        }

    def _traded(self) -> list[Symbol]:
        stopped = self.stopped()
        return [entry.symbol for entry in self._entries if entry.symbol not in stopped]

    def _differences(self, symbol: Symbol, venue: VenueHistory) -> list[str]:
        history = self.records.histories.get(symbol)
        if history is None or history.state is None:
            return [f"{symbol}: no step was committed"]
        return differences(history.state, history.fills, venue.accounts)
