"""What a viewer wants to see, and the channels that this comes to."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from liveserver.view.projection import Channel, Projection

EVERY = "*"


class Wanted(NamedTuple):
    """One topic: an empty `symbol` or `interval` means the first, `*` every symbol (of the venue, if one is named)."""

    symbol: str = ""
    venue: str = ""
    interval: str = ""
    is_patient: bool = False
    """It was shown this symbol before, and waits for it to come back."""


class Unknown(NamedTuple):
    """A topic that there is not."""

    wanted: Wanted


def resolve(projection: Projection, topics: Sequence[Wanted]) -> tuple[list[Channel], list[Wanted]] | Unknown:
    """Return the channels of the topics, and the topics as they are to be understood from now on."""
    channels: list[Channel] = []
    understood: list[Wanted] = []
    for wanted in topics:
        if wanted.symbol == EVERY:
            markets = projection.find_all(wanted.venue)
            channels += [Channel(market, projection.interval(market, wanted.interval)) for market in markets]
            understood.append(wanted)
            continue
        market = projection.find(wanted.symbol, wanted.venue)
        if market is not None:
            channel = Channel(market, projection.interval(market, wanted.interval))
            channels.append(channel)
            understood.append(Wanted(market.symbol, market.venue, channel.interval, is_patient=True))
        elif wanted.is_patient:
            understood.append(wanted)
        else:
            return Unknown(wanted)
    return list(dict.fromkeys(channels)), understood


def unknown_symbol(symbol: str, venue: str, known: Iterable[str]) -> str:
    """Return one sentence that says what is not there and what is."""
    where = f" on {venue}" if venue else ""
    return f"there is no symbol {symbol or '(any)'}{where}; there is {', '.join(known)}"
