"""The view of every market, folded from bus events without I/O or clock.

Replicas that have read the same messages have the same view; only the age of a ticker is by the clock of the replica.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from enum import IntEnum, auto
from typing import NamedTuple, cast

from msgspec.structs import replace

from bus.parts.view import Blocked
from bus.runtime import time_ns
from liveserver.protocol.cursors import DURABLE_STREAMS
from liveserver.protocol.server_messages import Message, MessageType, SymbolData
from liveserver.protocol.symbol_names import (
    Channel,
    Market,
    assign_names,
    balance_assets,
    base_and_quote,
    find_market,
)
from liveserver.view.event_log import EventLog, StoredEvent, channel_of, durable_message, is_durable
from liveserver.view.market_status import Listing, MarketStatus
from liveserver.view.market_view import MarketEvent, MarketUpdate, MarketView
from liveserver.view.rendering import LazyMessage
from schemas.codec import Event
from schemas.engine.control import CommandResult
from schemas.engine.events import (
    AlertRaised,
    Fill,
    PositionCorrected,
    QuotingChanged,
    Reconciled,
    RiskChanged,
)
from schemas.grid.view import GridView
from schemas.subjects import ALL
from schemas.units import Price, Symbol, TimeNs, VenueId
from schemas.venue.account import Balance, OpenOrders, Position
from schemas.venue.fees import assets_of
from schemas.venue.market import Candle, ClockRead, FeedChanged, Recording, Ticker
from schemas.venue.orders import OrderReport, Trade
from schemas.venue.worth import AccountWorth, account_worth

_DURABLE_STREAMS = frozenset(map(str, DURABLE_STREAMS))


class ProtocolFilter(IntEnum):
    """The protocols whose viewers receive a message: plain, `opensqt.v2`, or both."""

    ALL = auto()
    PLAIN = auto()
    V2 = auto()


class Outgoing(NamedTuple):
    """A message to publish on a channel, and the event that caused it."""

    channel: Channel
    payload: Message | LazyMessage
    seq: str = ""
    """`STREAM:sequence`"""
    protocols: ProtocolFilter = ProtocolFilter.ALL

    @property
    def message(self) -> Message:
        """The message; a lazy one is rendered on each access."""
        return self.payload.message() if isinstance(self.payload, LazyMessage) else self.payload


class Projection:
    """Folds the events of all markets into messages for viewers, and renders snapshots for new viewers."""

    def __init__(
        self, wall_ns: Callable[[], TimeNs] = time_ns, served: Collection[Symbol] = frozenset()
    ) -> None:
        self._wall_ns = wall_ns
        self.served = served
        """The symbols that are read from the bus; all if empty."""
        self._views: dict[Market, MarketView] = {}
        self._listings: dict[Market, Listing] = {}
        self._recordings: dict[VenueId, Recording | None] = {}
        self._balances: dict[tuple[VenueId, str], Balance] = {}
        self.log = EventLog()
        """Recent durable events, from which `opensqt.v2` viewers resume."""
        self.revision = 0
        """Grows when a market is added to or taken off the list: viewers' channels have to be resolved again."""

    def apply_stored(
        self, stream: str, sequence: int, time: TimeNs, event: Event, data: bytes
    ) -> list[Outgoing]:
        """Apply a message that a stream stored at `time`; return the messages for both protocols."""
        seq = f"{stream}:{sequence}"
        if isinstance(event, Ticker) and not event.received_time:  # of version 1
            event = replace(event, received_time=time)
        if stream not in _DURABLE_STREAMS:
            outgoing = self.apply(event, sequence, seq)
            return outgoing + self._listing_update(event, outgoing)
        channel = channel_of(event)
        if channel is None:
            self.log.skip(stream, sequence)
            return self.apply(event, sequence)
        self.log.append(StoredEvent(stream, sequence, time, event, data, channel))
        outgoing = self._apply_to_market(channel.market, cast(MarketEvent, event), sequence, "")
        message = durable_message(event, self._views[channel.market].label)
        return [Outgoing(channel, message, seq, ProtocolFilter.V2), *outgoing]

    def apply(self, event: Event, sequence: int, seq: str = "") -> list[Outgoing]:
        """Apply an event; `sequence` is its number in its stream. Return the messages that follow from it.

        Messages that `opensqt.v2` viewers receive from durable events are for plain viewers only.
        """
        match event:
            case Balance():
                return list(self._balance(event, seq))
            case ClockRead():
                return self._set_recording(event.venue, event.recording)
            case (
                Ticker()
                | Candle()
                | FeedChanged()
                | OrderReport()
                | Trade()
                | OpenOrders()
                | Position()
                | GridView()
                | Fill()
                | RiskChanged()
                | AlertRaised()
                | QuotingChanged()
                | Reconciled()
                | PositionCorrected()
                | CommandResult()
            ):
                if event.symbol == ALL:
                    return []
                return self._apply_to_market(Market(event.venue, event.symbol), event, sequence, seq)
            case _:
                return []

    def set_problem(self, market: Market, problem: str) -> list[Outgoing]:
        """Show why the grid of a market cannot be shown; return the messages that follow. A later grid clears it."""
        view = self._views.get(market) or self._add(market)
        return _outgoing(market, view.set_status(replace(view.status, problem=problem)))

    def set_blocked(self, blocked_by: Callable[[VenueId, Symbol], Blocked | None]) -> list[Outgoing]:
        """Set why each market cannot be quoted; return the messages that follow from changes."""
        changed = [
            (market, view, blocked)
            for market, view in self._views.items()
            if (blocked := blocked_by(*market)) != view.status.blocked
        ]
        return [
            each
            for market, view, why in changed
            for each in _outgoing(market, view.set_status(replace(view.status, blocked=why)))
        ]

    def set_listing(self, market: Market, listing: Listing) -> list[Outgoing]:
        """Set whether a market is traded, also before its first event; return the messages that follow."""
        if self._listings.get(market) is listing:
            return []
        self._listings[market] = listing
        view = self._views.get(market)
        if view is None:
            return []
        if Listing.GONE in {view.status.listing, listing}:
            self.revision += 1
        return _outgoing(market, view.set_status(replace(view.status, listing=listing)))

    @property
    def problems(self) -> dict[Market, str]:
        """By market: why its grid cannot be shown."""
        return {market: view.status.problem for market, view in self._views.items() if view.status.problem}

    def __len__(self) -> int:
        """Return the number of listed markets."""
        return sum(view.status.listing is not Listing.GONE for view in self._views.values())

    @property
    def names(self) -> dict[Market, str]:
        """The name of each listed market for browsers: traded ones first, then by name."""
        listed = (view for view in self._views.values() if view.status.listing is not Listing.GONE)
        views = sorted(listed, key=lambda view: (not view.is_traded, view.name))
        return {view.market: view.name for view in views}

    def name(self, market: Market) -> str:
        """Return the name of a market for browsers, even if the market is unknown to this replica."""
        view = self._views.get(market)
        return view.name if view else "".join(base_and_quote(market.symbol))

    def find(self, text: str, venue: str = "") -> Market | None:
        """Return the market with this name or ccxt symbol; the first one (of the venue) if `text` is empty."""
        if text:
            return find_market(text, self.names, venue)
        return next((market for market in self.names if venue in {"", market.venue}), None)

    def find_all(self, venue: str = "") -> list[Market]:
        """Return all markets, or those of one venue, in the order of `names`."""
        return [market for market in self.names if venue in {"", market.venue}]

    def interval(self, market: Market, wanted: str = "") -> str:
        """Return the wanted interval if the market has candles of it, else its shortest."""
        intervals = self._views[market].intervals
        return wanted if wanted in intervals else intervals[0]

    def snapshot(self, channel: Channel) -> list[Message]:
        """Return the snapshot for a new viewer of a market and interval, and the list of symbols."""
        return [*self.market_snapshot(channel), Message(MessageType.SYMBOLS, self.summary())]

    def state_messages(self, channel: Channel) -> list[Message]:
        """Return the state messages for a viewer that has received all durable events."""
        market = channel.market
        return self._views[market].state_messages(
            channel.interval, self._balances_of(market), self.worth(market)
        )

    def market_snapshot(self, channel: Channel) -> list[Message]:
        """Return the snapshot of one market and interval."""
        market = channel.market
        return self._views[market].snapshot(channel.interval, self._balances_of(market), self.worth(market))

    def view(self, market: Market) -> MarketView:
        """Return the view of one market."""
        return self._views[market]

    def worth(self, market: Market) -> AccountWorth:
        """Return the worth of a market's account in its settlement currency, at the newest prices."""
        currency = assets_of(market.symbol)[2]
        balances = (balance for (venue, _), balance in self._balances.items() if venue == market.venue)
        return account_worth(balances, currency, lambda asset: self._price_of(market.venue, asset, currency))

    def _price_of(self, venue: VenueId, asset: str, currency: str) -> Price | None:
        for symbol in (f"{asset}/{currency}", f"{asset}/{currency}:{currency}"):
            view = self._views.get(Market(venue, Symbol(symbol)))
            if view is not None and view.price is not None:
                return view.price
        return None

    def summary(self) -> list[SymbolData]:
        """Return the list of symbols, in the order of `names`."""
        return [self._views[market].summary() for market in self.names]

    def _listing_update(self, event: Event, outgoing: list[Outgoing]) -> list[Outgoing]:
        """Return all open orders for `opensqt.v2` after a listing changed some: no stored event carries the change."""
        if not isinstance(event, OpenOrders) or not outgoing:
            return []
        market = outgoing[0].channel.market
        message = Message(MessageType.ORDERS, self._views[market].orders())
        return [Outgoing(Channel(market), message, protocols=ProtocolFilter.V2)]

    def _apply_to_market(self, market: Market, event: MarketEvent, sequence: int, seq: str) -> list[Outgoing]:
        view = self._views.get(market) or self._add(market)
        return [
            Outgoing(
                Channel(market, update.interval),
                update.payload,
                seq,
                ProtocolFilter.PLAIN if is_durable(update.payload) else ProtocolFilter.ALL,
            )
            for update in view.apply(event, sequence)
        ]

    def _set_recording(self, venue: VenueId, recording: Recording | None) -> list[Outgoing]:
        if self._recordings.get(venue) == recording:
            return []
        self._recordings[venue] = recording
        views = [(market, view) for market, view in self._views.items() if market.venue == venue]
        return [
            each
            for market, view in views
            for each in _outgoing(market, view.set_status(replace(view.status, recording=recording)))
        ]

    def _add(self, market: Market) -> MarketView:
        view = self._views[market] = MarketView(market, "", self._wall_ns)
        view.status = MarketStatus(
            listing=self._listings.get(market, Listing.UNKNOWN), recording=self._recordings.get(market.venue)
        )
        self.revision += 1
        for named, name in assign_names(self._views).items():
            self._views[named].rename(name)
        return view

    def _balance(self, event: Balance, seq: str) -> Iterator[Outgoing]:
        self._balances[event.venue, event.asset] = event
        worth: dict[str, AccountWorth] = {}
        for market, view in self._views.items():
            if market.venue != event.venue:
                continue
            currency = assets_of(market.symbol)[2]
            changed = [event] if event.asset in balance_assets(market.symbol) else []
            settlement = self._balances.get((market.venue, currency))
            if settlement is not None and event.asset != currency:
                changed.append(settlement)  # the worth of the whole account has changed with this asset
            if changed and currency not in worth:
                worth[currency] = self.worth(market)
            for balance in changed:
                yield Outgoing(Channel(market), view.account(balance, worth[currency]), seq)

    def _balances_of(self, market: Market) -> Iterable[Balance]:
        keys = ((market.venue, asset) for asset in balance_assets(market.symbol))
        return [self._balances[key] for key in keys if key in self._balances]


def _outgoing(market: Market, updates: Iterable[MarketUpdate]) -> list[Outgoing]:
    return [Outgoing(Channel(market, update.interval), update.payload) for update in updates]
