"""The store: what is committed comes back, one process at a time, for one market."""

import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from unittest.mock import Mock

import pytest

from producers.simulated.server.factory import open_venue
from producers.simulated.server.store import Store, StoreUnusable
from producers.simulated.server.venue import Venue
from producers.simulated.settings import SymbolSettings, VenueSettings
from schemas.units import ClientOrderId, Side
from tests.producers.simulated.examples import (
    CASH,
    PERP,
    SPOT,
    START_NS,
    new_settings,
    order,
    perpetual_settings,
    recorded,
)


@pytest.fixture
def settings(tmp_path: Path) -> VenueSettings:
    return new_settings(tmp_path)


@pytest.fixture
def store(settings: VenueSettings) -> Iterator[Store]:
    with Store(Path(settings.store)) as store:
        yield store


def everything(venue: Venue) -> tuple[object, ...]:
    account = venue.books.account
    return (
        *venue.history(),
        account.wallets,
        account.holdings,
        account.quotes,
        account.open_orders,
        venue.cursor.tick,
    )


def trade(venue: Venue) -> None:
    """Place, fill and cancel, with the market moving on."""
    venue.place(order(Side.BUY, "101.0", name="filled"))
    venue.place(order(Side.BUY, "90.0", name="open"))
    venue.place(order(Side.BUY, "91.0", name="canceled"))
    for _ in range(5):
        venue.tick()
    venue.cancel(PERP, ClientOrderId("canceled"))


def test_a_venue_goes_on_with_what_it_had(settings: VenueSettings, store: Store) -> None:
    venue = open_venue(settings, store, START_NS)
    trade(venue)
    again = open_venue(settings, store, START_NS)

    assert everything(again) == everything(venue)
    assert again.books.counters == venue.books.counters
    assert again.cursor.starts == 2


def test_the_market_goes_on_with_the_next_tick(settings: VenueSettings, store: Store) -> None:
    venue = open_venue(settings, store, START_NS)
    trade(venue)

    assert open_venue(settings, store, START_NS).tick() == venue.tick()


def test_the_newest_of_several_orders_with_an_id_is_the_one_found(
    settings: VenueSettings, store: Store
) -> None:
    venue = open_venue(settings, store, START_NS)
    for price in ("90.0", "91.0"):
        venue.place(order(Side.BUY, price))
        venue.cancel(PERP, ClientOrderId("a"))

    assert venue.order(PERP, ClientOrderId("a")).price == Decimal("91.0")


def test_trades_are_found_by_symbol_and_number(settings: VenueSettings, store: Store) -> None:
    venue = open_venue(settings, store, START_NS)
    for name in "abc":
        venue.place(order(Side.BUY, "101.0", "0.1", name))

    assert [t.trade_id for t in store.trades(PERP, after=1, limit=10)] == ["2", "3"]
    assert [t.trade_id for t in store.trades(PERP, after=0, limit=2)] == ["1", "2"]
    assert store.trades(SPOT, after=0, limit=10) == []


def test_a_second_venue_on_a_store_is_refused(settings: VenueSettings, store: Store) -> None:
    with pytest.raises(StoreUnusable, match="in use by the venue with process id"):
        Store(Path(settings.store))


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_text("something else that is long enough to be looked at")

    with pytest.raises(StoreUnusable, match="is not a venue's store"):
        Store(path)


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"seed": 2}, "made with seed 1, not 2"), ({"balances": {"USDT": Decimal(1)}}, "made with balances")],
)
def test_a_store_is_for_one_market(
    settings: VenueSettings, store: Store, tmp_path: Path, changes: dict[str, object], why: str
) -> None:
    open_venue(settings, store, START_NS)

    with pytest.raises(StoreUnusable, match=why):
        open_venue(new_settings(tmp_path, **changes), store, START_NS)


def test_a_model_s_store_does_not_serve_a_recording(
    settings: VenueSettings, store: Store, tmp_path: Path
) -> None:
    open_venue(settings, store, START_NS)

    with pytest.raises(StoreUnusable, match="made with recording None"):
        open_venue(recorded(tmp_path, ["100 101 99 100"] * 2), store, START_NS)


def test_a_symbol_may_come_later_and_not_go(settings: VenueSettings, store: Store, tmp_path: Path) -> None:
    open_venue(settings, store, START_NS).tick()
    both = new_settings(tmp_path, symbols=(perpetual_settings(), SymbolSettings(instrument=CASH)))
    assert len(open_venue(both, store, START_NS).tick().events) == 4

    with pytest.raises(StoreUnusable, match="trades ETH/USDT, which the settings do not name"):
        open_venue(settings, store, START_NS)


def test_candles_that_closed_are_kept(settings: VenueSettings, store: Store) -> None:
    venue = open_venue(settings, store, START_NS)
    for _ in range(300):
        venue.tick()
    before = venue.candles(PERP, "1m", 1500)

    assert open_venue(settings, store, START_NS).candles(PERP, "1m", 1500) == before


def test_a_venue_whose_store_fails_says_so_and_does_nothing_more(
    settings: VenueSettings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue = open_venue(settings, store, START_NS)
    failures: list[BaseException] = []
    venue.on_failure = failures.append
    monkeypatch.setattr(store, "commit", Mock(side_effect=sqlite3.OperationalError("disk is full")))

    with pytest.raises(sqlite3.OperationalError, match="disk is full"):
        venue.place(order(Side.BUY, "90.0"))
    with pytest.raises(RuntimeError, match="is ending"):
        venue.tick()
    assert len(failures) == 1
