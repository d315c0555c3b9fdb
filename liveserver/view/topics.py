"""Resolve the topics of a viewer to channels of the projection."""

from collections.abc import Sequence
from typing import NamedTuple

from liveserver.protocol.client_messages import RequestedTopic
from liveserver.protocol.symbol_names import Channel
from liveserver.view.projection import Projection

ALL_SYMBOLS = "*"


class UnknownTopic(NamedTuple):
    """A topic whose symbol is unknown."""

    topic: RequestedTopic


def resolve(
    projection: Projection, topics: Sequence[RequestedTopic]
) -> tuple[list[Channel], list[RequestedTopic]] | UnknownTopic:
    """Return the channels of the topics, each once, and the topics with exact symbols and intervals."""
    channels: list[Channel] = []
    resolved: list[RequestedTopic] = []
    for topic in topics:
        if topic.symbol == ALL_SYMBOLS:
            markets = projection.find_all(topic.venue)
            channels += [Channel(market, projection.interval(market, topic.interval)) for market in markets]
            resolved.append(topic)
            continue
        market = projection.find(topic.symbol, topic.venue)
        if market is not None:
            channel = Channel(market, projection.interval(market, topic.interval))
            channels.append(channel)
            resolved.append(
                RequestedTopic(market.symbol, market.venue, channel.interval, may_be_missing=True)
            )
        elif topic.may_be_missing:
            resolved.append(topic)
        else:
            return UnknownTopic(topic)
    return list(dict.fromkeys(channels)), resolved


def describe_unknown_symbol(projection: Projection, symbol: str, venue: str) -> str:
    """Return the error text: `there is no symbol DOGEUSDT on sim; known symbols: BTCUSDT, ETHUSDT`.

    A server of some symbols does not know the others: `ETHUSDT is not served here; this server has BTCUSDT`.
    """
    known = projection.names.values()
    where = f" on {venue}" if venue else ""
    if projection.served and symbol:
        return f"{symbol}{where} is not served here; this server has {', '.join(known) or 'nothing yet'}"
    return f"there is no symbol {symbol or '(any)'}{where}; known symbols: {', '.join(known)}"
