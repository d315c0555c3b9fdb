"""Sweeps by time: what they find, what they claim, and that nothing is stored twice or lost with the stream."""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from bus import Bus, FreeRunning, open_service, provision
from producers.account.publisher import AccountPublisher
from producers.simulated.app import RunningVenue
from producers.simulated.client.client import SimulatedVenue
from schemas import subjects
from schemas.engine.journal import RiskSummary
from schemas.formats import TRADE_OVERLAP_NS
from schemas.subjects import Stream
from schemas.units import SECOND_NS, Side, Symbol, TimeNs
from schemas.venue.orders import ReportSource, Trade
from tests.builders import REPORT, SIM, STEP
from tests.conftest import NewServer
from tests.producers.account.conftest import LastSweep, NewPublisher, StoredTrades
from tests.producers.conftest import NewClient, Serve
from tests.producers.simulated.examples import PERP, START_NS, new_settings, order
from tests.producers.streams import first

TRADES = subjects.own_trade(SIM, PERP)
MINUTE_TICKS = 4
"""The recording has four ticks a minute."""


def take(served: RunningVenue, *names: str) -> None:
    """Make a trade for each name, out of sight of the publisher."""
    for name in names:
        served.venue.place(order(Side.BUY, "102", "0.01", name))


async def expire_message_ids_after(bus: Bus, window_ns: int) -> None:
    """Set for how long ORDERS drops repeated message ids, normally two minutes."""
    info = await bus.api(f"STREAM.INFO.{Stream.ORDERS}", None, dict)
    await bus.api(f"STREAM.UPDATE.{Stream.ORDERS}", {**info["config"], "duplicate_window": window_ns}, dict)


async def wait_until_ids_expired(bus: Bus) -> None:
    """Wait until ORDERS accepts message ids that it has now once more."""
    subject = subjects.order_report(SIM, Symbol("PROBE"))
    stored = await bus.store(subject, REPORT, message_id="probe")
    while await bus.store(subject, REPORT, message_id="probe") == stored:
        pass


async def commit_mark(bus: Bus, booked_through: int) -> None:
    risk = RiskSummary(
        generation=1, position=STEP.state.accounts.position, price=None, booked_through=booked_through
    )
    await bus.store(subjects.step(SIM, PERP), msgspec.structs.replace(STEP, risk=risk))


async def test_a_sweep_names_the_venues_time_before_it_and_the_trades_it_stored(
    bus: Bus, publisher: AccountPublisher, served: RunningVenue, last_sweep: LastSweep
) -> None:
    take(served, "a", "b")
    await publisher.sweep()
    sweep, trade = await last_sweep(), await bus.last(Stream.ORDERS, TRADES)
    assert trade is not None
    assert (sweep.complete_through, sweep.includes) == (START_NS, 0)
    assert sweep.trades_sequence == trade.sequence
    assert (sweep.trades_since, sweep.answers) == (None, ())


async def test_a_trade_found_by_a_sweep_says_so(
    publisher: AccountPublisher, served: RunningVenue, stored_trades: StoredTrades
) -> None:
    take(served, "a")
    await publisher.sweep()
    assert [trade.source for trade in await stored_trades()] == [ReportSource.SWEEP]


async def test_trades_older_than_the_mark_less_the_overlap_are_not_fetched(
    bus: Bus, publisher: AccountPublisher, served: RunningVenue, stored_trades: StoredTrades
) -> None:
    take(served, "old")
    for _ in range(2 * MINUTE_TICKS):
        served.venue.tick()
    take(served, "new")
    await commit_mark(bus, START_NS + TRADE_OVERLAP_NS + 1)
    await publisher.sweep()
    assert [trade.client_order_id for trade in await stored_trades()] == ["new"]


class LateVenue(SimulatedVenue):
    """A venue that does not list its trades yet."""

    is_late = True

    async def trades_since(self, symbol: Symbol, since: TimeNs) -> list[Trade]:
        return [] if self.is_late else await super().trades_since(symbol, since)


async def test_a_full_sweep_finds_a_trade_that_was_listed_late_and_a_periodic_one_does_not(
    bus: Bus, new_publisher: NewPublisher, served: RunningVenue, stored_trades: StoredTrades
) -> None:
    take(served, "a")
    await commit_mark(bus, START_NS)
    for _ in range(2 * MINUTE_TICKS):
        served.venue.tick()
    async with LateVenue(served.url, venue=SIM) as venue:
        publisher = new_publisher(venue)
        await publisher.sweep()
        venue.is_late = False
        await publisher.sweep(is_full=False)
        assert await stored_trades() == []
        await publisher.sweep()
    assert [trade.client_order_id for trade in await stored_trades()] == ["a"]


async def test_after_the_servers_deduplication_a_restarted_publisher_stores_nothing_twice(
    bus: Bus, new_publisher: NewPublisher, served: RunningVenue, stored_trades: StoredTrades
) -> None:
    await expire_message_ids_after(bus, 100_000_000)
    take(served, "a")
    await new_publisher().sweep()
    await wait_until_ids_expired(bus)
    restarted = new_publisher()
    await restarted.sweep()
    await restarted.sweep()
    assert [trade.client_order_id for trade in await stored_trades()] == ["a"]


async def test_a_trade_of_the_private_stream_is_not_stored_again_by_a_sweep(
    bus: Bus, publisher: AccountPublisher, served: RunningVenue, stored_trades: StoredTrades
) -> None:
    await expire_message_ids_after(bus, 100_000_000)
    following = asyncio.create_task(publisher.follow())
    await first(bus, Stream.ACCOUNT, subjects.account_feed(SIM), 2)
    take(served, "a")
    await first(bus, Stream.ORDERS, TRADES)
    await wait_until_ids_expired(bus)
    await publisher.sweep()
    assert [trade.source for trade in await stored_trades()] == [ReportSource.STREAM]
    following.cancel()


async def purge(bus: Bus) -> None:
    await bus.api(f"STREAM.PURGE.{Stream.ORDERS}", {}, dict)


async def purge_trades(bus: Bus) -> None:
    await bus.store(subjects.order_report(SIM, PERP), REPORT)
    await bus.api(f"STREAM.PURGE.{Stream.ORDERS}", {"filter": TRADES}, dict)


async def delete_second_trade(bus: Bus) -> None:
    await bus.api(f"STREAM.MSG.DELETE.{Stream.ORDERS}", {"seq": 2}, dict)


async def delete_stream(bus: Bus) -> None:
    await bus.api(f"STREAM.DELETE.{Stream.ORDERS}", None, dict)


async def replace_stream(bus: Bus) -> None:
    """Replace the stream by one that ends beyond the old one."""
    await delete_stream(bus)
    await provision(bus)
    for _ in range(9):
        await bus.store(subjects.order_report(SIM, PERP), REPORT)


@pytest.mark.parametrize("lose", [purge, purge_trades, delete_second_trade, delete_stream, replace_stream])
async def test_trades_lost_with_the_stream_are_stored_again(
    bus: Bus,
    publisher: AccountPublisher,
    served: RunningVenue,
    stored_trades: StoredTrades,
    lose: Callable[[Bus], Awaitable[None]],
) -> None:
    take(served, "a", "b", "c")
    await publisher.sweep()
    await lose(bus)
    await publisher.sweep(is_full=False)
    assert {trade.client_order_id for trade in await stored_trades()} == {"a", "b", "c"}


async def test_a_publisher_that_starts_after_a_purge_stores_the_trades_again(
    bus: Bus, new_publisher: NewPublisher, served: RunningVenue, stored_trades: StoredTrades
) -> None:
    take(served, "a", "b")
    await new_publisher().sweep()
    await purge(bus)
    await new_publisher().sweep()
    assert [trade.client_order_id for trade in await stored_trades()] == ["a", "b"]


async def test_a_stream_that_only_grows_is_not_read_again(
    bus: Bus, publisher: AccountPublisher, served: RunningVenue, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "abc":
        take(served, name)
        await publisher.sweep()
        await bus.store(subjects.order_report(SIM, PERP), REPORT)
    assert "orders_stream_changed" not in capsys.readouterr().err


async def test_trades_stored_long_before_their_own_time_are_known(
    bus: Bus, serve: Serve, new_client: NewClient, new_publisher: NewPublisher, tmp_path: Path
) -> None:
    ahead = new_settings(tmp_path / "ahead", start_time=time.time_ns() + 5 * 3600 * SECOND_NS)
    served = await serve(ahead)
    await expire_message_ids_after(bus, 100_000_000)
    client = await new_client(served.url)
    served.venue.place(order(Side.BUY, "70000", "0.01", "a"))
    await new_publisher(client).sweep()
    await commit_mark(bus, served.venue.now())
    await wait_until_ids_expired(bus)
    await new_publisher(client).sweep()
    assert len(await first(bus, Stream.ORDERS, TRADES)) == 1
    assert (await bus.stream_state(Stream.ORDERS)).last == 3  # the trade, and two probes


async def test_trades_missing_in_a_restored_backup_are_stored_again(
    new_server: NewServer, served: RunningVenue, client: SimulatedVenue, tmp_path: Path
) -> None:
    server = await new_server()
    async with open_service("test", bus=server.url, http_port=None) as service:
        publisher = AccountPublisher(service, client, SIM, FreeRunning())
        publisher.watch([PERP])
        take(served, "a")
        await publisher.sweep()
        await server.stop()
        shutil.copytree(server.data_dir, tmp_path / "backup")
        await server.start()
        take(served, "b")
        await publisher.sweep()
        await server.stop()
        shutil.rmtree(server.data_dir)
        shutil.copytree(tmp_path / "backup", server.data_dir)
        await server.start()
        await publisher.sweep(is_full=False)
        trades = await first(service.bus, Stream.ORDERS, TRADES, 2)
    assert [each.client_order_id for each in trades if isinstance(each, Trade)] == ["a", "b"]
