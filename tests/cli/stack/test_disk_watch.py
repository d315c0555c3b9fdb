"""The warning that the store of the bus is almost full."""

from bus import Bus
from cli.stack.disk_watch import STORE_ALMOST_FULL, StoreWatch
from schemas.codec import decode_as
from schemas.engine.events import AlertRaised
from schemas.subjects import Stream
from tests.bus.events import store_many


async def test_a_store_that_is_almost_full_is_an_alert_until_there_is_space(bus: Bus) -> None:
    await store_many(bus, "order.sim.A.report", 50)
    used = (await bus.api("INFO", None, dict))["storage"]
    printed: list[str] = []
    watch = StoreWatch(bus, used, printed.append)
    await watch.check()
    await watch.check()
    alert = await last_alert(bus)
    assert (alert.code, alert.ended, printed) == (STORE_ALMOST_FULL, False, [watch.problem])

    await bus.api(f"STREAM.PURGE.{Stream.ORDERS}", None, dict)
    await watch.check()
    assert (await last_alert(bus)).ended
    assert watch.problem == ""


async def test_a_restarted_stack_with_a_larger_store_ends_the_alert_of_the_earlier_one(bus: Bus) -> None:
    await store_many(bus, "order.sim.A.report", 50)
    used = (await bus.api("INFO", None, dict))["storage"]
    await StoreWatch(bus, used, print).check()
    raised = await last_alert(bus)
    await StoreWatch(bus, 10 * used, print).check()

    ended = await last_alert(bus)
    assert (ended.incident, ended.ended) == (raised.incident, True)


async def last_alert(bus: Bus) -> AlertRaised:
    found = await bus.last(Stream.ALERTS, "alert._all._all")
    assert found is not None
    return decode_as(found.data, AlertRaised)
