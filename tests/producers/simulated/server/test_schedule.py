"""Schedule: maintenances, tick size changes and delistings at their market times."""

from decimal import Decimal as D  # noqa: N817 - many literals read better
from pathlib import Path

import aiohttp
import msgspec
import pytest

from producers.ports import Overloaded
from producers.simulated.parameters import Maintenance, RuleChange
from producers.simulated.server.factory import open_venue
from producers.simulated.server.store import Store
from producers.simulated.server.venue import Venue
from producers.simulated.settings import SettingsError, VenueSettings, check
from schemas.units import MILLISECOND_NS, SECOND_NS, Side
from schemas.venue.instruments import InstrumentStatus
from tests.producers.conftest import NewClient, Serve
from tests.producers.simulated.examples import (
    PERP,
    START_NS,
    decision,
    new_settings,
    order,
    perpetual_settings,
)

CHANGES = (
    RuleChange(after=SECOND_NS, symbol=PERP, changes={"tick_size": "0.5"}),
    RuleChange(after=2 * SECOND_NS, symbol=PERP, changes={"status": "delisted"}),
)
CALM = msgspec.structs.replace(perpetual_settings(), volatility=0.0, jumps=0.0)


def run(venue: Venue, seconds: int) -> None:
    for _ in range(4 * seconds):
        venue.tick()


def rules(venue: Venue) -> tuple[D, InstrumentStatus]:
    (instrument,) = venue.instruments()
    return instrument.tick_size, instrument.status


def test_rules_change_at_their_time_and_orders_stay(tmp_path: Path) -> None:
    settings = new_settings(tmp_path, rule_changes=CHANGES, symbols=(CALM,))
    with Store(Path(settings.store)) as store:
        venue = open_venue(settings, store, START_NS)
        venue.place(order(Side.BUY, "90.1"))
        assert rules(venue) == (D("0.1"), InstrumentStatus.TRADING)
        run(venue, 1)
        assert rules(venue) == (D("0.5"), InstrumentStatus.TRADING)
        assert venue.matching.open_orders(PERP)[0].price == D("90.1")


def test_changes_are_in_force_after_a_restart(tmp_path: Path) -> None:
    settings = new_settings(tmp_path, rule_changes=CHANGES, symbols=(CALM,))
    with Store(Path(settings.store)) as store:
        run(open_venue(settings, store, START_NS), 1)
    with Store(Path(settings.store)) as store:
        assert rules(open_venue(settings, store, START_NS))[0] == D("0.5")


def test_a_delisting_cancels_orders_and_settles_the_position_at_the_mark_price(tmp_path: Path) -> None:
    settings = new_settings(tmp_path, rule_changes=CHANGES, symbols=(CALM,))
    with Store(Path(settings.store)) as store:
        venue = open_venue(settings, store, START_NS)
        venue.place(order(Side.BUY, "100.1", name="position"))
        venue.place(order(Side.BUY, "90", name="open"))
        run(venue, 2)
        assert venue.matching.open_orders(PERP) == []
        assert venue.matching.account.holdings[PERP].quantity == 0
        *_, last = venue.history()[1]
        assert (last.venue_order_id, last.price, last.fee, str(last.client_order_id)) == (
            "settlement",
            D(100),
            D(0),
            "",
        )


@pytest.mark.parametrize(
    "changes", [{"symbol_name": "X"}, {"venue": "other"}, {"tick_size": "none"}, {"status": "closed"}]
)
def test_an_invalid_change_is_rejected_at_the_start(tmp_path: Path, changes: dict[str, object]) -> None:
    change = RuleChange(after=0, symbol=PERP, changes=changes)
    settings = new_settings(tmp_path, rule_changes=(change,))
    with Store(Path(settings.store)) as store, pytest.raises(SettingsError, match="rule_changes"):
        open_venue(settings, store, START_NS)


def clocked(directory: Path, *maintenances: Maintenance) -> VenueSettings:
    return new_settings(directory, speed=1.0, start_time=None, maintenances=maintenances, symbols=(CALM,))


async def test_requests_are_not_answered_during_a_maintenance(
    serve: Serve, new_client: NewClient, tmp_path: Path
) -> None:
    served = await serve(clocked(tmp_path, Maintenance(after=0, duration=3600 * SECOND_NS)))
    client = await new_client(served.url)
    with pytest.raises(Overloaded) as caught:
        await client.place(PERP, decision(Side.BUY, "90"))
    assert 3500 < caught.value.retry_after_s <= 3600
    with pytest.raises(Overloaded):
        await client.candles(PERP, "1m", 5)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{served.url}/ws/account") as account,
        session.get(f"{served.url}/ws/market?symbols={PERP}") as market,
    ):
        assert (account.status, market.status) == (503, 503)


async def test_nothing_is_filled_during_a_maintenance(serve: Serve, tmp_path: Path) -> None:
    maintenance = Maintenance(after=100 * MILLISECOND_NS, duration=10**18)
    served = await serve(clocked(tmp_path, maintenance))
    served.venue.place(order(Side.BUY, "99"))
    while served.venue.maintenance_left_s() is None:
        served.venue.tick()
    (settings,) = served.venue.settings.symbols
    assert settings.volatility == 0
    served.venue.matching.account.quotes[PERP] = msgspec.structs.replace(
        served.venue.matching.account.quotes[PERP], bid=D(90), ask=D("90.1"), last=D(90)
    )
    served.venue.tick()
    assert len(served.venue.matching.open_orders(PERP)) == 1


def test_a_maintenance_needs_a_clock(tmp_path: Path) -> None:
    maintenance = Maintenance(after=0, duration=SECOND_NS)
    with pytest.raises(SettingsError, match="maintenances: in lock-step"):
        check(new_settings(tmp_path, maintenances=(maintenance,)))
