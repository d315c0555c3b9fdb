"""Stores of versions that had no fill models, mark prices and conditional orders are continued."""

import sqlite3
from contextlib import closing
from decimal import Decimal as D  # noqa: N817 - many literals read better
from pathlib import Path

import pytest

from producers.simulated.parameters import BookSettings, FillModel, FillSettings, MarkSettings
from producers.simulated.server.factory import open_venue
from producers.simulated.server.store import Store
from producers.simulated.settings import SymbolSettings, VenueSettings
from schemas.units import SECOND_NS, ClientOrderId, Side
from tests.producers.simulated.examples import (
    PERP,
    SPOT,
    SPOT_INSTRUMENT,
    START_NS,
    new_settings,
    order,
    perpetual_settings,
)

DUMP = Path(__file__).with_name("store_before_models.sql")
"""An account with a position of 1, an open order of each symbol and five ticks; without the candles."""
NEW_MODELS = {
    "fills": FillSettings(model=FillModel.QUEUE),
    "book": BookSettings(levels=5, refill=SECOND_NS, spread_widening=1.0),
    "marks": MarkSettings(index_window=5 * SECOND_NS),
    "maintenance_margin": D("0.01"),
}


def earlier_store(directory: Path, **models: object) -> VenueSettings:
    symbols = (perpetual_settings(), SymbolSettings(instrument=SPOT_INSTRUMENT))
    balances = {"USDT": D(10_000), "ETH": D(5)}
    settings = new_settings(directory, balances=balances, symbols=symbols, **models)
    with closing(sqlite3.connect(settings.store)) as database:
        database.executescript(DUMP.read_text())
    return settings


@pytest.mark.parametrize("models", [{}, NEW_MODELS])
def test_the_account_of_an_earlier_store_is_continued(tmp_path: Path, models: dict[str, object]) -> None:
    settings = earlier_store(tmp_path, **models)
    with Store(Path(settings.store)) as store:
        venue = open_venue(settings, store, START_NS)
        account = venue.matching.account
        assert account.holdings[PERP].quantity == 1
        assert account.wallets["USDT"].total == D("9999.94995")
        assert [each.client_order_id for each in venue.matching.open_orders(PERP)] == ["open"]
        assert [each.client_order_id for each in venue.matching.open_orders(SPOT)] == ["spot"]
        assert venue.matching.account.quotes[PERP].last == D("100.0")
        for _ in range(10):
            venue.tick()
        venue.place(order(Side.SELL, "150", name="new"))
        venue.cancel(PERP, ClientOrderId("open"))
        assert venue.cursor.tick == 15


def test_what_the_new_models_store_is_read_back(tmp_path: Path) -> None:
    settings = earlier_store(tmp_path, **NEW_MODELS)
    with Store(Path(settings.store)) as store:
        venue = open_venue(settings, store, START_NS)
        for _ in range(10):
            venue.tick()
        venue.place(order(Side.BUY, "200", "0.5", name="taker"))
        quotes, taken = dict(venue.matching.account.quotes), dict(venue.matching.counters.taken)
        assert taken
    with Store(Path(settings.store)) as store:
        resumed = open_venue(settings, store, START_NS)
        assert resumed.matching.account.quotes == quotes
        assert resumed.matching.counters.taken == taken
