"""Metrics of the engine: trading figures, decide and commit latency, reasons not to quote."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from bus.metrics import (
    Collector,
    CollectorRegistry,
    Counter,
    Gauge,
    GaugeMetricFamily,
    Histogram,
)
from schemas.engine.journal import Step
from schemas.grid.view import NotQuoting
from schemas.units import Symbol, VenueId

_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)


class EngineMetrics:
    """The metrics of one engine process, over all its symbols."""

    def __init__(self, registry: CollectorRegistry) -> None:
        by_symbol = ["venue", "symbol"]
        self.inputs = Counter("engine_inputs", "Inputs the core processed", registry=registry)
        self.undecodable = Counter("engine_undecodable", "Messages that did not decode", registry=registry)
        self.restarts = Counter("engine_actor_restarts", "Actors restarted", by_symbol, registry=registry)
        self.quarantined = Gauge(
            "engine_quarantined",
            "1 while a symbol is quarantined in this process",
            by_symbol,
            registry=registry,
        )
        self._steps = Counter("engine_steps", "Steps committed", by_symbol, registry=registry)
        self._decide = Histogram(
            "engine_decide_seconds", "Core time of a step", registry=registry, buckets=_BUCKETS_S
        )
        self._commit = Histogram(
            "engine_commit_seconds", "From commit to acknowledgement", registry=registry, buckets=_BUCKETS_S
        )
        self._filled = Counter(
            "market_maker_orders_filled", "Own trades booked", [*by_symbol, "side"], registry=registry
        )
        self._volume = Counter("market_maker_volume", "Quote traded", by_symbol, registry=registry)
        self._realized = Gauge(
            "market_maker_pnl_realized_total",
            "Grid profit of matched pairs, net of fees",
            by_symbol,
            registry=registry,
        )
        self._unrealized = Gauge(
            "market_maker_pnl_unrealized", "Mark to market of the position", by_symbol, registry=registry
        )
        self._position = Gauge(
            "market_maker_position_size", "Base currency held", by_symbol, registry=registry
        )
        self._active = Gauge(
            "market_maker_orders_active", "Live orders of the grid", by_symbol, registry=registry
        )

    def observe_step(self, step: Step, decide_s: float, commit_s: float) -> None:
        """Count a committed step."""
        key = (step.venue, step.symbol)
        accounts = step.state.accounts
        self._steps.labels(*key).inc()
        self._decide.observe(decide_s)
        self._commit.observe(commit_s)
        for fill in step.fills:
            self._filled.labels(*key, fill.side).inc()
            self._volume.labels(*key).inc(float(fill.price * fill.quantity))
        self._realized.labels(*key).set(float(accounts.grid_profit))
        cost = sum(float(slot.cost) for slot in step.state.slots.values())
        self._unrealized.labels(*key).set(float(accounts.position * (step.state.price or 0)) - cost)
        self._position.labels(*key).set(float(accounts.position))
        self._active.labels(*key).set(sum(slot.order is not None for slot in step.state.slots.values()))


class NotQuotingReason(NamedTuple):
    """The reason why a symbol is not quoting; None when it is."""

    venue: VenueId
    symbol: Symbol
    reason: NotQuoting | None


class NotQuotingCollector(Collector):
    """1 for the present reason of each symbol of this engine, 0 for the others; read on collection."""

    def __init__(self, reasons: Callable[[], Iterable[NotQuotingReason]]) -> None:
        self._reasons = reasons

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return the present reasons of all symbols."""
        family = GaugeMetricFamily(
            "market_maker_not_quoting",
            "1 for the reason why a symbol is not quoting",
            labels=["venue", "symbol", "reason"],
        )
        for found in self._reasons():
            for reason in NotQuoting:
                family.add_metric([found.venue, found.symbol, reason], float(reason is found.reason))
        yield family
