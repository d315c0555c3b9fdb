"""Store: committed state is restored, for one process and one market."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from unittest.mock import Mock

import pytest

from producers.simulated.server.factory import open_venue
from producers.simulated.server.store import STORE_FORMAT, Store, StoreUnusable
from producers.simulated.server.venue import Venue
from producers.simulated.settings import SymbolSettings, VenueSettings
from schemas.units import ClientOrderId, Side
from tests.producers.simulated.examples import (
    PERP,
    SPOT,
    SPOT_INSTRUMENT,
    START_NS,
    new_settings,
    order,
    perpetual_settings,
    recording_settings,
)


@pytest.fixture
def settings(tmp_path: Path) -> VenueSettings:
    return new_settings(tmp_path)


@pytest.fixture
def store(settings: VenueSettings) -> Iterator[Store]:
    with Store(Path(settings.store)) as store:
        yield store


def everything(venue: Venue) -> tuple[object, ...]:
    account = venue.matching.account
    return (
        *venue.history(),
        account.wallets,
        account.holdings,
        account.quotes,
        account.open_orders,
        venue.cursor.tick,
    )


def trade(venue: Venue) -> None:
    """Place, fill and cancel orders over some ticks."""
    venue.place(order(Side.BUY, "101.0", name="filled"))
    venue.place(order(Side.BUY, "90.0", name="open"))
    venue.place(order(Side.BUY, "91.0", name="canceled"))
    for _ in range(5):
        venue.tick()
    venue.cancel(PERP, ClientOrderId("canceled"))


def test_venue_resumes_from_its_store(settings: VenueSettings, store: Store) -> None:
    venue = open_venue(settings, store, START_NS)
    trade(venue)
    resumed = open_venue(settings, store, START_NS)

    assert everything(resumed) == everything(venue)
    assert resumed.matching.counters == venue.matching.counters
    assert resumed.cursor.starts == 2


def test_market_resumes_with_the_next_tick(settings: VenueSettings, store: Store) -> None:
    venue = open_venue(settings, store, START_NS)
    trade(venue)

    assert open_venue(settings, store, START_NS).tick() == venue.tick()


def test_newest_order_of_an_id_is_found(settings: VenueSettings, store: Store) -> None:
    venue = open_venue(settings, store, START_NS)
    for price in ("90.0", "91.0"):
        venue.place(order(Side.BUY, price))
        venue.cancel(PERP, ClientOrderId("a"))

    assert venue.order(PERP, ClientOrderId("a")).price == Decimal("91.0")


def test_trades_are_selected_by_symbol_time_and_number(settings: VenueSettings, store: Store) -> None:
    venue = open_venue(settings, store, START_NS)
    for name in "abc":
        venue.place(order(Side.BUY, "101.0", "0.1", name))

    assert [t.trade_id for t in store.trades(PERP, START_NS, after=1, limit=10)] == ["2", "3"]
    assert [t.trade_id for t in store.trades(PERP, 0, after=9, limit=2)] == ["1", "2"]
    assert store.trades(PERP, START_NS + 1, after=0, limit=2) == []
    assert store.trades(SPOT, 0, after=0, limit=10) == []


def test_second_process_on_a_store_is_rejected(settings: VenueSettings, store: Store) -> None:
    with pytest.raises(StoreUnusable, match="in use by a venue with process id"):
        Store(Path(settings.store))


def test_file_that_is_not_a_store_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_text("a text file that is longer than the header of a database")

    with pytest.raises(StoreUnusable, match="is not a store of the simulated venue"):
        Store(path)


def user_version(path: Path, new: int | None = None) -> int:
    with closing(sqlite3.connect(path)) as database:
        if new is not None:
            database.execute(f"PRAGMA user_version = {new}")
        (found,) = database.execute("PRAGMA user_version").fetchone()
        return int(found)


def test_the_format_of_a_store_without_one_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "venue.sqlite"
    Store(path).close()
    user_version(path, 0)

    Store(path).close()

    assert user_version(path) == STORE_FORMAT


def test_a_store_of_a_newer_version_is_rejected_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "venue.sqlite"
    Store(path).close()
    user_version(path, STORE_FORMAT + 1)

    with pytest.raises(StoreUnusable, match="written by a newer version"):
        Store(path)

    assert user_version(path) == STORE_FORMAT + 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"seed": 2}, "created with seed 1, not 2"),
        ({"balances": {"USDT": Decimal(1)}}, "created with balances"),
    ],
)
def test_store_rejects_other_settings(
    settings: VenueSettings, store: Store, tmp_path: Path, changes: dict[str, object], why: str
) -> None:
    open_venue(settings, store, START_NS)

    with pytest.raises(StoreUnusable, match=why):
        open_venue(new_settings(tmp_path, **changes), store, START_NS)


def test_store_of_a_model_rejects_a_recording(settings: VenueSettings, store: Store, tmp_path: Path) -> None:
    open_venue(settings, store, START_NS)

    with pytest.raises(StoreUnusable, match="created with recording None"):
        open_venue(recording_settings(tmp_path, ["100 101 99 100"] * 2), store, START_NS)


def test_symbol_can_be_added_but_not_removed(settings: VenueSettings, store: Store, tmp_path: Path) -> None:
    open_venue(settings, store, START_NS).tick()
    both = new_settings(tmp_path, symbols=(perpetual_settings(), SymbolSettings(instrument=SPOT_INSTRUMENT)))
    assert len(open_venue(both, store, START_NS).tick().events) == 4

    with pytest.raises(StoreUnusable, match="has traded ETH/USDT"):
        open_venue(settings, store, START_NS)


def test_closed_candles_are_stored(settings: VenueSettings, store: Store) -> None:
    venue = open_venue(settings, store, START_NS)
    for _ in range(300):
        venue.tick()
    before = venue.candles(PERP, "1m", 1500)

    assert open_venue(settings, store, START_NS).candles(PERP, "1m", 1500) == before


def test_store_failure_is_reported_and_stops_the_venue(
    settings: VenueSettings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[BaseException] = []
    venue = open_venue(settings, store, START_NS, failures.append)
    monkeypatch.setattr(store, "commit", Mock(side_effect=sqlite3.OperationalError("disk is full")))

    with pytest.raises(sqlite3.OperationalError, match="disk is full"):
        venue.place(order(Side.BUY, "90.0"))
    with pytest.raises(RuntimeError, match="is shutting down"):
        venue.tick()
    assert len(failures) == 1
