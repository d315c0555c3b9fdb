"""Watches what the bus stores, as it is stored: also what a fault takes away later."""

from collections import Counter

from lab.chaos.loss_observer import SymbolHistory
from lab.simulation.bus_model.server import BusModel
from lab.simulation.bus_model.streams.store import Stored
from lab.simulation.bus_model.streams.stream import Stream
from schemas.codec import try_decode
from schemas.engine.events import AlertRaised
from schemas.engine.journal import Step
from schemas.formats import record_hash
from schemas.units import ClientOrderId, Symbol
from schemas.venue.orders import OrderIntent, PlaceOrder

CHAINED = ("JOURNAL", "ORDERS")
MAX_PROBLEMS = 5


class RecordWatch:
    """Follows the steps, intents and alerts of all symbols."""

    def __init__(self, model: BusModel) -> None:
        self.histories: dict[Symbol, SymbolHistory] = {}
        """The committed steps that the present state of each symbol results from."""
        self.opens: dict[ClientOrderId, bool] = {}
        """Whether each order that was decided is an opening one."""
        self.alerts: Counter[tuple[str, Symbol]] = Counter()
        self.problems: list[str] = []
        """Records that do not follow the one before them in the stream, as it was when they were stored."""
        model.on_stored.append(self._on_stored)

    def _on_stored(self, stream: Stream, stored: Stored) -> None:
        if stream.name in CHAINED:
            self._on_record(stream, stored)
        elif stream.name in {"ENGINE", "ALERTS"} and (alert := try_decode(stored.data, AlertRaised)):
            self.alerts[alert.code, alert.symbol] += 1

    def _on_record(self, stream: Stream, stored: Stored) -> None:
        if stored.subject.endswith(".step"):
            record: Step | OrderIntent | None = try_decode(stored.data, Step)
        elif stored.subject.endswith(".intent"):
            record = try_decode(stored.data, OrderIntent)
        else:
            return
        if record is None:
            return
        self._check_link(stream, stored, record)
        if isinstance(record, Step):
            self.histories.setdefault(record.symbol, SymbolHistory()).add(record)
            for decision in record.decisions if record.causes else ():
                if isinstance(decision, PlaceOrder):
                    self.opens[decision.client_order_id] = decision.opens

    def _check_link(self, stream: Stream, stored: Stored, record: Step | OrderIntent) -> None:
        before = stream.store.subjects[stored.subject].at_or_before(stored.sequence - 1)
        if not before or not record.previous_hash or len(self.problems) >= MAX_PROBLEMS:
            return
        if record.previous_hash != record_hash(stream.store.messages[before].data):
            self.problems.append(
                f"{stored.subject} at {stored.sequence} does not follow the record at {before}"
            )
