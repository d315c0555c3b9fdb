"""The live server shows the streams of version 0.1, while an engine of that version still runs."""

from bus import Bus
from tests.golden.recorded import old_data, store_json, store_old
from tests.liveserver.watching import serving, watching

GRID = "journal.sim.XRP-USDT_USDT.grid"


async def test_grid_and_alerts_of_an_old_engine_are_shown(bus: Bus) -> None:
    await store_old(bus, "ENGINE")
    await store_json(bus, GRID, old_data("JOURNAL", GRID)[-1])

    async with serving(bus.url) as replica, watching(replica, "?symbol=XRPUSDT") as watcher:
        grid = await watcher.until("grid_state")
        alert = await watcher.until("risk_alert", lambda data: data["reason"] == "removed")
        assert replica.health()["status"] == "ok"

    assert grid["not_quoting"] == "removed"
    assert (alert["active"], alert["incident"]) == (True, "")
