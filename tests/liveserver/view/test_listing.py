"""Beyond the folds: removed symbols, blocked ones, recordings, and the age and time of prices."""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from bus import Blocked
from liveserver.protocol.symbol_names import Channel, Market
from liveserver.view.market_status import Listing
from liveserver.view.projection import Outgoing, Projection
from schemas.grid.view import NotQuoting
from schemas.units import Symbol, VenueId
from schemas.venue.market import ClockRead, Recording
from tests.builders import BTC, SIM
from tests.liveserver import events
from tests.liveserver.events import ETH, SPOT
from tests.liveserver.viewer_model import ViewerModel

MARKET = Market(SIM, BTC)
NOW = events.at(9)
SILENT = Blocked(NotQuoting.GATEWAY_SILENT, "The gateway is silent.", "Start it.")
CLOCK = ClockRead(venue=SIM, time=events.at(0), received_time=events.at(0))


def _projection() -> Projection:
    projection = Projection(wall_ns=lambda: NOW)
    projection.apply(events.ticker("100"), 1)
    projection.apply(events.grid(), 1)
    return projection


def _data(outgoing: list[Outgoing]) -> Any:
    [sent] = outgoing
    return sent.message.data


def _snapshot(projection: Projection) -> ViewerModel:
    return ViewerModel().take(projection.snapshot(Channel(MARKET, "1m")))


def test_a_removed_symbol_is_marked_and_then_leaves_the_list() -> None:
    projection = _projection()
    status = _data(projection.set_listing(MARKET, Listing.REMOVED))
    [entry] = projection.summary()
    revision = projection.revision
    projection.set_listing(MARKET, Listing.GONE)

    assert (status.feed, entry.feed, entry.is_traded) == ("down", "down", False)
    assert (projection.summary(), projection.find("BTCUSDT")) == ([], None)
    assert projection.revision > revision


def test_a_symbol_that_is_added_again_is_listed_as_before() -> None:
    projection = _projection()
    [before] = projection.summary()
    projection.set_listing(MARKET, Listing.GONE)
    projection.set_listing(MARKET, Listing.TRADED)

    assert projection.summary() == [before]


def test_the_listing_of_a_market_precedes_its_first_event() -> None:
    projection = Projection()
    projection.set_listing(MARKET, Listing.WATCHED)
    projection.apply(events.grid(), 1)

    [entry] = projection.summary()
    assert not entry.is_traded


def test_a_blocked_market_says_so_once_whatever_its_grid_says() -> None:
    projection = _projection()
    projection.apply(events.ticker(symbol=ETH), 1)

    def blocked_by(venue: VenueId, symbol: Symbol) -> Blocked | None:
        return SILENT if symbol == BTC else None

    status = _data(projection.set_blocked(blocked_by))
    btc, eth = projection.summary()

    assert (status.symbol, status.blocked) == ("BTCUSDT", "gateway_silent")
    assert (status.blocked_text, status.blocked_remedy) == ("The gateway is silent.", "Start it.")
    assert (btc.not_quoting, eth.not_quoting) == ("gateway_silent", None)
    assert projection.set_blocked(blocked_by) == []
    assert _data(projection.set_blocked(lambda *market: None)).blocked is None


def test_a_recording_is_named_once_on_the_markets_of_its_venue() -> None:
    projection = _projection()
    recorded = replace(CLOCK, recording=Recording(name="btc.csv", speed=600))
    status = _data(projection.apply(recorded, 1))
    projection.apply(events.ticker(symbol=SPOT), 1)

    assert (status.recording, status.recording_speed) == ("btc.csv", 600)
    assert projection.apply(recorded, 2) == []
    later = projection.market_snapshot(Channel(Market(SIM, SPOT), "1m"))
    assert [m.data.recording for m in later if m.type == "status"] == ["btc.csv"]  # type: ignore[union-attr]


def test_the_age_of_a_price_counts_from_its_receipt_by_the_publisher() -> None:
    projection = _projection()
    received = replace(events.ticker("101"), received_time=events.at(8.5))
    stored = events.ticker("102")

    assert _data(projection.apply_stored("MARKET", 2, events.at(8.9), received, b"")).age_ms == 500
    assert _data(projection.apply_stored("MARKET", 3, events.at(8.9), stored, b"")).age_ms == 100
    assert _snapshot(projection).state["ticker"]["age_ms"] == 100


def test_a_clock_behind_that_of_the_publisher_gives_no_negative_age() -> None:
    ahead = replace(events.ticker("101"), received_time=NOW + 5)

    assert _data(_projection().apply(ahead, 2)).age_ms == 0


def test_a_symbol_has_its_price_with_its_time_and_profit_at_that_price() -> None:
    projection = _projection()
    projection.apply(events.ticker("103", second=4), 2)
    [entry] = projection.summary()

    assert (entry.price, entry.price_time_ms, entry.quote) == ("103", events.at(4) // 1_000_000, "USDT")
    assert Decimal(entry.total_profit or "") == Decimal("4.9")


def test_a_grid_says_why_it_does_not_quote_who_stopped_it_and_what_to_do() -> None:
    paused = replace(
        events.grid(not_quoting=NotQuoting.PAUSED), opens_halted_by="ann: lunch", entry_price=Decimal("98.5")
    )
    [sent] = Projection().apply(paused, 1)
    data: Any = sent.message.data

    assert data.not_quoting_text.startswith("The symbol was paused by an operator")
    assert data.not_quoting_remedy == f"Resume with: ./opensqt control resume sim {BTC}"
    assert (data.halted_by, data.entry_price) == ("ann: lunch", "98.5")
