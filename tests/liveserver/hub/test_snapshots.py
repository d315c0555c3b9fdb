"""Snapshots: made once for all who want the same, and never older than what was published."""

import pytest

from liveserver.hub.group import Viewer
from liveserver.hub.snapshots import MAX_AGE_S, Snapshots
from liveserver.protocol.cursors import SnapshotReason
from liveserver.protocol.encoding import Encoding
from liveserver.protocol.pseudonyms import UNKEYED_PSEUDONYM
from liveserver.protocol.symbol_names import Channel, Market
from liveserver.view.projection import Projection
from schemas.units import Symbol
from tests.builders import BTC, SIM
from tests.liveserver import events
from tests.liveserver.events import ETH
from tests.liveserver.hub.fixture import HubFixture, last_prices

CHANNEL = Channel(Market(SIM, BTC), "1m")


class Clock:
    """A clock that is set by hand."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class CountingProjection(Projection):
    """Counts the snapshots that are rendered."""

    rendered = 0

    def market_snapshot(self, channel: Channel):  # type: ignore[no-untyped-def]
        self.rendered += 1
        return super().market_snapshot(channel)


def projection() -> CountingProjection:
    found = CountingProjection()
    for event in (events.candle(1), events.ticker("100"), events.ticker("7", symbol=ETH)):
        found.apply(event, 1)
    return found


def render(snapshots: Snapshots, found: Projection, encoding: Encoding = Encoding.PLAIN) -> bytes:
    return snapshots.frames(found, [CHANNEL], encoding, SnapshotReason.FIRST)[0].data


def test_a_snapshot_is_rendered_once_for_each_encoding() -> None:
    snapshots, found = Snapshots(UNKEYED_PSEUDONYM), projection()

    for encoding in (Encoding.PLAIN, Encoding.PUBLIC_PLAIN) * 50:
        render(snapshots, found, encoding)

    assert found.rendered == 2


@pytest.mark.parametrize(("symbol", "rendered"), [(BTC, 2), (ETH, 1)])
def test_a_published_message_discards_the_snapshot_of_its_market(symbol: Symbol, rendered: int) -> None:
    snapshots, found = Snapshots(UNKEYED_PSEUDONYM), projection()
    render(snapshots, found)

    snapshots.discard(found.apply(events.ticker("101", symbol=symbol), 2))
    data = render(snapshots, found)

    assert found.rendered == rendered
    assert (b'"last":"101"' in data) is (symbol == BTC)


def test_a_snapshot_without_news_is_at_most_a_second_old() -> None:
    clock = Clock()
    snapshots, found = Snapshots(UNKEYED_PSEUDONYM, clock), projection()
    render(snapshots, found)

    clock.now_s = MAX_AGE_S
    render(snapshots, found)

    assert found.rendered == 2


def test_a_viewer_that_joins_between_messages_misses_none() -> None:
    fixture = HubFixture(events.candle(1), events.ticker("100"))
    viewers: list[Viewer] = []
    for price in ("101", "102", "103"):
        first, second = fixture.join(), fixture.join()
        fixture.publish(events.ticker(price))
        viewers += [first, second]
        assert last_prices(first) == last_prices(second)
        assert last_prices(first)[-1][1] == price

    assert [len(last_prices(each)) for each in viewers] == [4, 4, 3, 3, 2, 2]  # type: ignore[arg-type]
