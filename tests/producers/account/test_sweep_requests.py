"""SweepRequests: all trades of one symbol are stored again, once for each request."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from bus import Bus, FreeRunning, Service
from producers.account.publisher import AccountPublisher
from producers.simulated.app import RunningVenue
from producers.simulated.settings import FundingSettings, SymbolSettings
from schemas import subjects
from schemas.codec import encode
from schemas.subjects import Stream
from schemas.units import SECOND_NS, Side, Symbol
from schemas.venue.account import OpenOrders, SweepRequest
from tests.builders import SIM
from tests.producers.account.conftest import LastSweep, StoredTrades
from tests.producers.conftest import NewClient, Serve
from tests.producers.simulated.examples import (
    PERP,
    SPOT,
    SPOT_INSTRUMENT,
    START_NS,
    new_settings,
    order,
    perpetual_settings,
)
from tests.producers.streams import first, until

REQUEST = SweepRequest(venue=SIM, symbol=PERP, request_id="resync-1", trades_since=START_NS)
OTHER_REQUEST = msgspec.structs.replace(REQUEST, request_id="resync-2", trades_since=START_NS + 1)


@pytest.fixture
async def sweeping(publisher: AccountPublisher, served: RunningVenue) -> AsyncIterator[AccountPublisher]:
    """A publisher that has swept a trade, and now sweeps on request."""
    served.venue.place(order(Side.BUY, "102", "0.01", "a"))
    await publisher.sweep()
    task = asyncio.create_task(publisher.run_sweeps(3600))
    yield publisher
    task.cancel()


async def answer(bus: Bus, *request_ids: str, count: int = 1) -> None:
    """Wait for sweeps that answer requests."""

    def is_answered(events: list[msgspec.Struct]) -> bool:
        sweeps = [each for each in events if isinstance(each, OpenOrders)]
        return sum(set(request_ids) <= set(each.answers) for each in sweeps) == count

    await until(bus, Stream.ACCOUNT, subjects.open_orders(SIM, PERP), is_answered)


async def test_an_answer_stores_the_trades_again_without_a_message_id(
    bus: Bus, sweeping: AccountPublisher, stored_trades: StoredTrades, last_sweep: LastSweep
) -> None:
    sweeping.on_sweep_message(encode(REQUEST))
    await answer(bus, REQUEST.request_id)
    last, sweep = await bus.last(Stream.ORDERS, subjects.own_trade(SIM, PERP)), await last_sweep()
    assert last is not None
    assert "Nats-Msg-Id" not in last.headers
    assert [each.trade_id for each in await stored_trades()] == ["1", "1"]
    assert (sweep.trades_since, sweep.trades_sequence) == (START_NS, last.sequence)


async def test_a_repeated_request_is_answered_again_without_storing_the_trades_once_more(
    bus: Bus, sweeping: AccountPublisher, stored_trades: StoredTrades, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.account.symbol_sweeper.MIN_ANSWER_INTERVAL_S", 0)
    sweeping.on_sweep_message(encode(REQUEST))
    await answer(bus, REQUEST.request_id)
    await first(bus, Stream.ACCOUNT, subjects.position(SIM, PERP), 2)
    sweeping.on_sweep_message(encode(REQUEST))
    await answer(bus, REQUEST.request_id, count=2)
    assert len(await stored_trades()) == 2


async def test_a_request_repeated_within_a_second_is_not_answered(
    bus: Bus, sweeping: AccountPublisher
) -> None:
    sweeping.on_sweep_message(encode(REQUEST))
    await answer(bus, REQUEST.request_id)
    sweeping.on_sweep_message(encode(REQUEST))
    sweeping.on_sweep_message(encode(OTHER_REQUEST))
    sweeps = await first(bus, Stream.ACCOUNT, subjects.open_orders(SIM, PERP), 3)
    assert [each.answers for each in sweeps if isinstance(each, OpenOrders)] == [
        (),
        ("resync-1",),
        ("resync-1", "resync-2"),
    ]


async def test_requests_that_wait_together_are_answered_by_one_sweep(
    bus: Bus, sweeping: AccountPublisher, last_sweep: LastSweep, stored_trades: StoredTrades
) -> None:
    sweeping.on_sweep_message(encode(OTHER_REQUEST))
    sweeping.on_sweep_message(encode(REQUEST))
    await answer(bus, "resync-1", "resync-2")
    assert (await last_sweep()).trades_since == START_NS
    assert len(await stored_trades()) == 2


async def test_trades_before_the_requested_time_are_not_stored_again(
    bus: Bus, sweeping: AccountPublisher, stored_trades: StoredTrades
) -> None:
    sweeping.on_sweep_message(encode(OTHER_REQUEST))
    await answer(bus, OTHER_REQUEST.request_id)
    assert len(await stored_trades()) == 1


async def test_a_request_after_the_answered_trades_were_purged_stores_them_once_more(
    bus: Bus, sweeping: AccountPublisher, stored_trades: StoredTrades, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.account.symbol_sweeper.MIN_ANSWER_INTERVAL_S", 0)
    sweeping.on_sweep_message(encode(REQUEST))
    await answer(bus, REQUEST.request_id)
    await first(bus, Stream.ACCOUNT, subjects.position(SIM, PERP), 2)
    await bus.api(f"STREAM.PURGE.{Stream.ORDERS}", {}, dict)
    sweeping.on_sweep_message(encode(REQUEST))
    await answer(bus, REQUEST.request_id, count=2)
    assert [each.trade_id for each in await stored_trades()] == ["1"]


@pytest.mark.parametrize(
    ("change", "event"),
    [
        ({"symbol": Symbol("DOGE/USDT")}, "sweep_request_ignored"),
        ({"venue": "other"}, "sweep_request_ignored"),
    ],
)
async def test_a_request_that_is_for_others_is_ignored_and_logged_once(
    publisher: AccountPublisher, change: dict[str, str], event: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        publisher.on_sweep_message(encode(msgspec.structs.replace(REQUEST, **change)))
    assert capsys.readouterr().err.count(event) == 1


async def test_an_undecodable_request_is_logged(
    publisher: AccountPublisher, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher.on_sweep_message(b"{")
    assert "undecodable" in capsys.readouterr().err


async def test_other_symbols_are_not_swept_for_a_request(
    bus: Bus, service: Service, serve: Serve, new_client: NewClient, tmp_path: Path
) -> None:
    symbols = (perpetual_settings(), SymbolSettings(instrument=SPOT_INSTRUMENT))
    served = await serve(new_settings(tmp_path, symbols=symbols))
    publisher = AccountPublisher(service, await new_client(served.url), SIM, FreeRunning())
    publisher.watch([PERP, SPOT])
    publisher.on_sweep_message(encode(REQUEST))
    task = asyncio.create_task(publisher.run_sweeps(3600))
    await answer(bus, REQUEST.request_id)
    assert await bus.last(Stream.ACCOUNT, subjects.open_orders(SIM, SPOT)) is None
    task.cancel()


async def test_funding_is_stored_again_too(
    bus: Bus, service: Service, serve: Serve, new_client: NewClient, tmp_path: Path
) -> None:
    funding = FundingSettings(rate=Decimal("0.0001"), interval=SECOND_NS)
    served = await serve(new_settings(tmp_path, funding=funding))
    publisher = AccountPublisher(service, await new_client(served.url), SIM, FreeRunning())
    publisher.watch([PERP])
    served.venue.place(order(Side.BUY, "70000"))
    for _ in range(12):
        served.venue.tick()
    payments = served.venue.all_fundings()
    await publisher.sweep()
    publisher.on_sweep_message(encode(REQUEST))
    await publisher.sweep()
    stored = await first(bus, Stream.ORDERS, subjects.funding(SIM, PERP), 2 * len(payments))
    assert stored == payments * 2
