"""The catalog of the bus: the messages that each subject and each bucket carries.

    order_report    order.{venue}.{symbol}.report    OrderReport, CancelRejected

Addresses are built by the functions of `schemas.subjects`; a token in braces is one of their parameters. The stream of an
address is the one whose subjects match it: see `bus.streams.topology`.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import msgspec

from schemas import earlier_subjects, subjects
from schemas.engine.control import Command, CommandResult
from schemas.engine.events import (
    AlertRaised,
    DecisionMade,
    EngineHeartbeat,
    Fill,
    PositionCorrected,
    QuotingChanged,
    Reconciled,
    RiskChanged,
)
from schemas.engine.journal import Step, SymbolEntry
from schemas.engine.portfolio import OrderLatency, PortfolioEntry, PortfolioLimits
from schemas.engine.portfolio_journal import PortfolioStep
from schemas.grid.view import GridView
from schemas.parts import PartHeartbeat
from schemas.units import VenueId
from schemas.venue.account import Balance, OpenOrders, Position, SweepRequest
from schemas.venue.instruments import Instrument
from schemas.venue.market import Candle, ClockRead, FeedChanged, PublicTrade, Ticker
from schemas.venue.orders import CancelRejected, Funding, OrderIntent, OrderReport, Trade
from schemas.venue.requests import OrderRequest


class Delivery(StrEnum):
    """How a message is published. It decides the headers."""

    CORE = "core"
    """Without headers and acknowledgement. In a lock-step replay it is stored as `stored`."""
    STORED = "stored"
    """Acknowledged by its stream; a retry may store it twice."""
    ONCE = "once"
    """Stored with `Nats-Msg-Id`: the stream drops a repetition."""
    FENCED = "fenced"
    """Stored with the expected last sequence: the stream rejects all writers but one."""


@dataclass(frozen=True)
class Channel:
    """A pattern of subjects and the messages published on them. A channel without messages carries empty bodies."""

    build: Callable[..., str]
    """Returns a subject, or the key in `bucket`; its parameters are those of the address."""
    messages: Mapping[type[msgspec.Struct], Delivery]
    bucket: str = ""
    """The key-value bucket; empty for a subject."""

    @property
    def name(self) -> str:
        """The unique name: `order_report`, or `kv_symbols` of a bucket."""
        return f"kv_{self.bucket}" if self.bucket else self.build.__name__

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters of the address, in order."""
        return tuple(inspect.signature(self.build).parameters)

    @cached_property
    def address(self) -> str:
        """The pattern of the subjects: `order.{venue}.{symbol}.report`."""
        placeholders = {name.upper(): f"{{{name}}}" for name in self.parameters}
        tokens = self.build(*placeholders).split(".")
        prefix = f"$KV.{self.bucket}." if self.bucket else ""
        return prefix + ".".join(placeholders.get(token, token) for token in tokens)

    def matches(self, subject: str) -> bool:
        """Return whether a subject, such as `order.sim.BTC-USDT.report`, is one of the pattern's."""
        pattern, tokens = self.address.split("."), subject.split(".")
        return len(pattern) == len(tokens) and all(
            one.startswith("{") or one == other for one, other in zip(pattern, tokens, strict=True)
        )


def channel_of(subject: str) -> Channel | None:
    """Return the channel of a subject, None if there is none.

    Of several, the one with the fewest parameters: `control.sim.BTC-USDT.result` is a result, not a command.
    """
    found = [channel for channel in CHANNELS if channel.matches(subject)]
    return min(found, key=lambda channel: len(channel.parameters), default=None)


def _portfolio_key(venue: VenueId) -> str:
    return venue


CHANNELS = (
    # MARKET
    Channel(subjects.ticker, {Ticker: Delivery.CORE}),
    Channel(subjects.public_trade, {PublicTrade: Delivery.CORE}),
    Channel(subjects.live_candle, {Candle: Delivery.CORE}),
    Channel(subjects.feed, {FeedChanged: Delivery.STORED}),
    Channel(subjects.clock, {ClockRead: Delivery.STORED}),
    # CANDLES
    Channel(subjects.closed_candle, {Candle: Delivery.ONCE}),
    # ORDERS
    Channel(subjects.order_intent, {OrderIntent: Delivery.FENCED}),
    Channel(subjects.order_report, {OrderReport: Delivery.ONCE, CancelRejected: Delivery.STORED}),
    Channel(subjects.order_request, {OrderRequest: Delivery.ONCE}),
    Channel(subjects.own_trade, {Trade: Delivery.ONCE}),
    Channel(subjects.funding, {Funding: Delivery.ONCE}),
    # ACCOUNT
    Channel(subjects.balance, {Balance: Delivery.STORED}),
    Channel(subjects.position, {Position: Delivery.STORED}),
    Channel(subjects.open_orders, {OpenOrders: Delivery.STORED}),
    Channel(subjects.account_feed, {FeedChanged: Delivery.STORED}),
    Channel(subjects.order_latency, {OrderLatency: Delivery.STORED}),
    # JOURNAL
    Channel(subjects.step, {Step: Delivery.FENCED}),
    Channel(subjects.portfolio_step, {PortfolioStep: Delivery.FENCED}),
    Channel(earlier_subjects.venue_portfolio_step, {PortfolioStep: Delivery.FENCED}),
    Channel(subjects.grid, {GridView: Delivery.FENCED}),
    Channel(subjects.limits, {PortfolioLimits: Delivery.FENCED}),
    Channel(earlier_subjects.venue_limits, {PortfolioLimits: Delivery.FENCED}),
    # ENGINE
    Channel(subjects.decision, {DecisionMade: Delivery.ONCE}),
    Channel(subjects.fill, {Fill: Delivery.ONCE}),
    Channel(subjects.risk, {RiskChanged: Delivery.ONCE}),
    Channel(subjects.reconciliation, {Reconciled: Delivery.ONCE}),
    Channel(subjects.correction, {PositionCorrected: Delivery.ONCE}),
    Channel(subjects.quoting, {QuotingChanged: Delivery.ONCE}),
    Channel(earlier_subjects.earlier_alert, {AlertRaised: Delivery.ONCE}),
    # ALERTS
    Channel(subjects.alert, {AlertRaised: Delivery.ONCE}),
    # CONTROL
    Channel(subjects.command, {Command: Delivery.ONCE}),
    Channel(subjects.command_result, {CommandResult: Delivery.ONCE}),
    # PARTS
    Channel(subjects.part, {PartHeartbeat: Delivery.CORE}),
    # Core subjects, stored in no stream
    Channel(subjects.sweep, {SweepRequest: Delivery.CORE}),
    Channel(subjects.heartbeat, {EngineHeartbeat: Delivery.CORE}),
    # Buckets; the messages of `lease` are those of `bus.coordination.membership`
    Channel(subjects.registry_key, {Instrument: Delivery.FENCED}, bucket="instruments"),
    Channel(subjects.registry_key, {SymbolEntry: Delivery.FENCED}, bucket="symbols"),
    Channel(_portfolio_key, {PortfolioEntry: Delivery.FENCED}, bucket="portfolios"),
)
"""Every channel of the bus."""
