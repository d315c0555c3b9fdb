"""The view of every market, folded from bus events; pure, so that every replica has the same."""

from collections.abc import Iterable, Iterator
from enum import IntEnum, auto
from typing import NamedTuple, cast

from liveserver.protocol.cursors import DURABLE
from liveserver.protocol.server_messages import Message, MessageType, SymbolData
from liveserver.protocol.symbol_names import Market, assets, find, names, pair
from liveserver.view.durable import about, is_told_from_the_log, to_be_worded
from liveserver.view.event_log import Entry, EventLog
from liveserver.view.later import Later
from liveserver.view.market_view import MarketEvent, MarketView
from schemas.codec import Event
from schemas.engine.control import CommandResult
from schemas.engine.events import AlertRaised, Fill, Reconciled, RiskChanged
from schemas.grid.view import GridView
from schemas.subjects import ALL
from schemas.units import Money, TimeNs, VenueId
from schemas.venue.account import Balance, OpenOrders, Position
from schemas.venue.market import Candle, FeedChanged, Ticker
from schemas.venue.orders import OrderReport, Trade

_DURABLE = frozenset(map(str, DURABLE))


class Channel(NamedTuple):
    """Whom a message is for: the viewers of a market, or of one interval of it."""

    market: Market
    interval: str = ""


class Reach(IntEnum):
    """Which dialects are told."""

    BOTH = auto()
    PLAIN = auto()
    V2 = auto()


class Outgoing(NamedTuple):
    """What is to be said, its channel, and the event that it follows from."""

    channel: Channel
    said: Message | Later
    seq: str = ""
    """`STREAM:number`"""
    reach: Reach = Reach.BOTH

    @property
    def message(self) -> Message:
        """The message; made anew each time where it was not in words yet."""
        return self.said.message() if isinstance(self.said, Later) else self.said


class Projection:
    """Folds events of all markets; tells what viewers have to hear, and all of it to a new one."""

    def __init__(self) -> None:
        self._views: dict[Market, MarketView] = {}
        self._balances: dict[tuple[VenueId, str], Balance] = {}
        self.log = EventLog()
        """What `opensqt.v2` is told of durable streams, and where its viewers go on."""

    def hear(self, stream: str, sequence: int, time: TimeNs, event: Event, data: bytes) -> list[Outgoing]:
        """Take a message, `data`, that a stream stored at `time`; return what follows from it for each dialect."""
        seq = f"{stream}:{sequence}"
        if stream not in _DURABLE:
            told = self.apply(event, sequence, seq)
            return told + self._open_orders(event, told)
        found = about(event)
        if found is None:
            self.log.passed(stream, sequence)
            return self.apply(event, sequence)
        self.log.append(Entry(stream, sequence, time, event, data, found))
        market, interval = found
        told = self._of_market(market, cast(MarketEvent, event), sequence, "")
        said = to_be_worded(event, self._views[market].who)
        return [Outgoing(Channel(market, interval), said, seq, Reach.V2), *told]

    def apply(self, event: Event, sequence: int, seq: str = "") -> list[Outgoing]:
        """Take an event; `sequence` is its number in its stream. Return the messages that follow from it.

        What a durable stream tells `opensqt.v2` by itself is for the others alone.
        """
        match event:
            case Balance():
                return list(self._balance(event, seq))
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
                | Reconciled()
                | CommandResult()
            ):
                if event.symbol == ALL:
                    return []
                return self._of_market(Market(event.venue, event.symbol), event, sequence, seq)
            case _:
                return []

    def __len__(self) -> int:
        """Return how many markets are known."""
        return len(self._views)

    @property
    def names(self) -> dict[Market, str]:
        """Return what browsers call each market: traded ones first, then by name."""
        views = sorted(self._views.values(), key=lambda view: (not view.is_traded, view.name))
        return {view.market: view.name for view in views}

    def name(self, market: Market) -> str:
        """Return what browsers call a market, also one that is not known here."""
        view = self._views.get(market)
        return view.name if view else "".join(pair(market.symbol))

    def find(self, text: str, venue: str = "") -> Market | None:
        """Return the market that a browser asks for, by name or ccxt symbol; the first for an empty text."""
        if text:
            return find(text, self.names, venue)
        return next((market for market in self.names if venue in {"", market.venue}), None)

    def find_all(self, venue: str = "") -> list[Market]:
        """Return every market, of one venue if it is named, in the order of `names`."""
        return [market for market in self.names if venue in {"", market.venue}]

    def interval(self, market: Market, wanted: str = "") -> str:
        """Return the interval to show of a market: the one wanted, or its shortest."""
        intervals = self._views[market].intervals
        return wanted if wanted in intervals else intervals[0]

    def snapshot(self, channel: Channel) -> list[Message]:
        """Return all that a new viewer of a market and interval has to be told."""
        return [*self.of_market(channel), Message(MessageType.SYMBOLS, self.summary())]

    def levels(self, channel: Channel) -> list[Message]:
        """Return what only the newest counts of, for a viewer that knows all events."""
        return self._views[channel.market].levels(channel.interval, self._balances_of(channel.market))

    def of_market(self, channel: Channel) -> list[Message]:
        """Return all that is to be told of one market and interval."""
        view = self._views[channel.market]
        return view.snapshot(channel.interval, self._balances_of(channel.market))

    def view(self, market: Market) -> MarketView:
        """Return all that is known of one market."""
        return self._views[market]

    def equity(self, market: Market) -> Money | None:
        """Return the equity in what a market settles in, None when it is not known."""
        settle = market.symbol.partition(":")[2] or market.symbol.partition("/")[2]
        balance = self._balances.get((market.venue, settle))
        return None if balance is None else balance.margin_balance

    def summary(self) -> list[SymbolData]:
        """Return the list of symbols, in the order of `names`."""
        return [self._views[market].summary() for market in self.names]

    def _open_orders(self, event: Event, told: list[Outgoing]) -> list[Outgoing]:
        """Return what a sweep changed, as the whole that it leaves: no stored message says it alone."""
        if not isinstance(event, OpenOrders) or not told:
            return []
        market = told[0].channel.market
        message = Message(MessageType.ORDERS, self._views[market].orders())
        return [Outgoing(Channel(market), message, reach=Reach.V2)]

    def _of_market(self, market: Market, event: MarketEvent, sequence: int, seq: str) -> list[Outgoing]:
        view = self._views.get(market) or self._add(market)
        return [
            Outgoing(
                Channel(market, told.interval),
                told.said,
                seq,
                Reach.PLAIN if is_told_from_the_log(told.said) else Reach.BOTH,
            )
            for told in view.apply(event, sequence)
        ]

    def _add(self, market: Market) -> MarketView:
        self._views[market] = MarketView(market, "")
        for named, name in names(self._views).items():
            self._views[named].call(name)
        return self._views[market]

    def _balance(self, event: Balance, seq: str) -> Iterator[Outgoing]:
        self._balances[event.venue, event.asset] = event
        for market, view in self._views.items():
            if market.venue == event.venue and event.asset in assets(market.symbol):
                yield from (Outgoing(Channel(market), message, seq) for message in view.account([event]))

    def _balances_of(self, market: Market) -> Iterable[Balance]:
        keys = ((market.venue, asset) for asset in assets(market.symbol))
        return [self._balances[key] for key in keys if key in self._balances]
