"""What `opensqt.v2` is told of one stored message: a function of that message alone, so that every replica says the same."""

from typing import Any, NamedTuple, cast

from liveserver.protocol.server_messages import CandleData, Message, MessageType
from liveserver.protocol.symbol_names import Market
from liveserver.view import rendering
from liveserver.view.later import Later
from liveserver.view.own_trades import OwnTrade
from liveserver.view.rendering import Who
from schemas.codec import Event
from schemas.engine.control import CommandResult
from schemas.engine.events import AlertRaised, Fill, Reconciled, RiskChanged
from schemas.grid.view import GridView
from schemas.subjects import ALL
from schemas.venue.market import Candle
from schemas.venue.orders import OrderReport, Trade

DurableEvent = (
    Candle | OrderReport | Trade | Fill | RiskChanged | AlertRaised | Reconciled | CommandResult | GridView
)

_KINDS: dict[type, MessageType] = {
    Candle: MessageType.KLINE,
    OrderReport: MessageType.ORDERS,
    Trade: MessageType.TRADE_EVENT,
    Fill: MessageType.FILL,
    RiskChanged: MessageType.RISK_ALERT,
    AlertRaised: MessageType.RISK_ALERT,
    Reconciled: MessageType.RECONCILIATION,
    CommandResult: MessageType.CONTROL,
    GridView: MessageType.GRID_STATE,
}

_WORDS: dict[type, Any] = {
    Candle: lambda who, event: rendering.candle(event),
    OrderReport: rendering.report,
    Trade: lambda who, event: rendering.trade(who, OwnTrade(event)),
    Fill: lambda who, event: rendering.trade(who, OwnTrade(event, event)),
    RiskChanged: rendering.alert,
    AlertRaised: rendering.alert,
    Reconciled: rendering.reconciliation,
    CommandResult: rendering.control,
    GridView: rendering.grid,
}

TOLD_FROM_THE_LOG = frozenset(_KINDS.values()) - {MessageType.KLINE}


class About(NamedTuple):
    """Whose viewers an event is for."""

    market: Market
    interval: str = ""


def about(event: Event) -> About | None:
    """Return whom a message of a durable stream is for, None when nobody is told of it."""
    if type(event) not in _KINDS:
        return None
    event = cast(DurableEvent, event)
    if event.symbol == ALL:
        return None
    interval = event.interval if type(event) is Candle else ""
    return About(Market(event.venue, event.symbol), interval)


def kind_of(event: Event) -> MessageType:
    """Return the type of the message that tells of an event which `about` has a market of."""
    return _KINDS[type(event)]


def worded(event: Event, name: str) -> Message:
    """Return the message that tells of an event which `about` has a market of; `name` is what browsers call that."""
    event = cast(DurableEvent, event)
    return to_be_worded(event, Who(name, event.venue, event.symbol)).message()


def to_be_worded(event: Event, who: Who) -> Later:
    """Return the same, for when somebody hears it."""
    kind = _KINDS[type(event)]
    return Later(kind, _WORDS[type(event)], (who, event))


def is_told_from_the_log(message: Message | Later) -> bool:
    """Tell whether `opensqt.v2` hears this from a durable stream alone, whatever the view makes of it."""
    if message.type is MessageType.KLINE:
        assert isinstance(message, Message), "a row is at hand"
        assert isinstance(message.data, CandleData)
        return not message.data.forming
    return message.type in TOLD_FROM_THE_LOG
