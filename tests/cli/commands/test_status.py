"""`status`: collecting and printing."""

import re
import time
from contextlib import AsyncExitStack
from decimal import Decimal
from functools import partial

import msgspec
import pytest

from bus import Bus, Registry, open_service
from cli.commands.status import collect
from cli.inspect.assignments import SymbolAssignment, engine_label
from cli.inspect.status_report import (
    DiskSpace,
    MarketPrice,
    PartStatus,
    Status,
    SymbolBlocked,
    duration_text,
    money,
    position_line,
    report,
)
from cli.program import program
from engine.core.view import view
from schemas import earlier_subjects, subjects
from schemas.engine.events import AlertRaised
from schemas.engine.portfolio import BucketLimits, PortfolioLimits
from schemas.grid.guard_state import BreakerState
from schemas.grid.view import GridView, NotQuoting
from schemas.subjects import ALL_VENUES, Stream
from schemas.units import Symbol, VenueId
from tests.builders import BTC, LIMITS, SIM
from tests.cli.events import ENTRY, SYMBOL, VENUE, grid_state
from tests.schemas.examples import EXAMPLES


async def heard(bus: Bus, name: str) -> None:
    while await bus.last(Stream.PARTS, subjects.part("engine", name)) is None:
        pass


def grid(**changes: object) -> GridView:
    return msgspec.structs.replace(view(grid_state(), 1, Decimal(100)), **changes)


async def test_a_running_part_is_found_with_address_and_health(bus: Bus) -> None:
    async with open_service("engine", bus=bus.url, http_port=0, labels={}) as service:
        await heard(bus, "engine")
        _, found = (await collect(bus)).parts

    assert (found.name, found.address, found.health) == ("engine", service.http_address, "ok")
    assert found.up_s is not None
    assert found.up_s < 60


async def test_problems_of_a_part_are_reported(bus: Bus) -> None:
    async with open_service("engine", bus=bus.url, http_port=0, labels={}) as service:
        await heard(bus, "engine")
        service.report("actors", lambda: {"problem": "stuck"})
        while not (await collect(bus)).parts[0].problems:
            pass
        found = await collect(bus)

    assert found.is_wrong
    assert "The engine reports: actors: stuck." in report(found).splitlines()


async def test_the_last_grid_of_each_symbol_is_found(bus: Bus) -> None:
    for number in (1, 2):
        await bus.store(subjects.grid(VENUE, SYMBOL), grid(step=number))

    assert [each.step for each in (await collect(bus)).grids] == [2]


def test_a_symbol_that_is_not_quoting_has_a_reason() -> None:
    found = Status(bus="nats://x", parts=(), grids=(grid(not_quoting=NotQuoting.MARGIN_LOCKED),))

    table, _, why = report(found).splitlines()[-3:]
    assert "no: margin locked" in table
    assert why.startswith(
        f"{VENUE} {SYMBOL}: The venue rejected an order for insufficient margin. Orders that stand stay."
    )


def test_the_detail_of_a_guard_is_included() -> None:
    stopped = grid(not_quoting=NotQuoting.STOPPED, not_quoting_detail="by ann: lunch")
    found = Status(bus="nats://x", parts=(), grids=(stopped,))

    text = report(found, "./opensqt control --data-dir here")
    assert "has no open orders: by ann: lunch. After a stop-loss, change its limit first. " in text
    assert text.endswith("Resume with: ./opensqt control --data-dir here resume sim BTC/USDT:USDT")


def test_a_pause_says_who_paused_and_why() -> None:
    paused = grid(not_quoting=NotQuoting.PAUSED, opens_halted_by="ann: lunch")

    assert "paused by an operator; closing orders continue. By ann: lunch." in report(
        Status(bus="nats://x", parts=(), grids=(paused,))
    )


def test_a_blocked_symbol_is_never_shown_as_quoting() -> None:
    blocked = SymbolBlocked(venue=VENUE, symbol=SYMBOL, reason=NotQuoting.GATEWAY_SILENT, detail="")
    found = Status(bus="nats://x", parts=(), grids=(grid(not_quoting=None),), blocked=(blocked,))

    assert found.is_wrong
    assert "no: gateway silent" in report(found).splitlines()[-1]


def test_figures_of_a_silent_engine_are_said_to_be_old() -> None:
    blocked = SymbolBlocked(venue=VENUE, symbol=SYMBOL, reason=NotQuoting.ENGINE_SILENT, detail="")
    found = Status(bus="nats://x", parts=(), grids=(grid(not_quoting=None),), blocked=(blocked,))

    assert f"{VENUE} {SYMBOL}: its figures are those of the engine's last step" in report(found)


def test_what_a_silent_engine_said_last_is_marked() -> None:
    blocked = SymbolBlocked(venue=VENUE, symbol=SYMBOL, reason=NotQuoting.ENGINE_SILENT, detail="")
    lost = grid(not_quoting=NotQuoting.FEED_LOST)
    lines = report(Status(bus="nats://x", parts=(), grids=(lost,), blocked=(blocked,))).splitlines()
    current = report(Status(bus="nats://x", parts=(), grids=(lost,))).splitlines()

    assert lines[-1] == f"before the silence: {current[-1]}"


def test_price_and_amounts_are_those_of_the_market() -> None:
    price = MarketPrice(venue=VENUE, symbol=SYMBOL, price=Decimal(110), age_s=0.25)
    held = grid(not_quoting=None, position=Decimal(2), total_profit=Decimal(-5), unpaired_profit=Decimal(-4))
    head, row = report(Status(bus="nats://x", parts=(), grids=(held,), prices=(price,))).splitlines()[-2:]

    cells = dict(zip(re.split("  +", head), re.split("  +", row), strict=True))
    assert (cells["PRICE USDT"], cells["AGE"], cells["POSITION"]) == ("110", "0.2 s", "2 BTC")
    assert (cells["UNPAIRED USDT"], cells["TOTAL USDT"]) == ("16.00", "15.00")


def test_amounts_of_different_currencies_have_their_unit() -> None:
    two = (grid(not_quoting=None), grid(not_quoting=None, symbol=Symbol("ETH/BTC")))
    lines = report(Status(bus="nats://x", parts=(), grids=two)).splitlines()

    assert "TOTAL USDT" not in lines[-3]
    assert [re.split("  +", line)[-3] for line in lines[-2:]] == ["0.00 USDT", "0.00 BTC"]


@pytest.mark.parametrize(("value", "text"), [("-0.001", "0.00"), ("-0.005", "0.00"), ("-0.01", "-0.01")])
def test_an_amount_that_rounds_to_zero_has_no_sign(value: str, text: str) -> None:
    assert money(Decimal(value)) == text


@pytest.mark.parametrize(("free", "is_wrong"), [(2**40, False), (2**20, True)])
def test_an_almost_full_disk_is_a_problem(free: int, is_wrong: bool) -> None:
    part = PartStatus(name="engine", up_s=1.0, address="", health="ok")
    disk = DiskSpace(path="/data", free=free, stored=5 * 2**20)
    found = Status(bus="nats://x", parts=(part,), grids=(), disk=disk)

    assert found.is_wrong is is_wrong
    assert "free in /data; the bus stores 5 MiB" in report(found)
    assert ("almost full" in report(found)) is is_wrong


async def test_a_part_that_is_missing_is_named_with_the_line_that_starts_it(bus: Bus) -> None:
    await Registry(bus, "symbols").create(subjects.registry_key(VENUE, SYMBOL), ENTRY)
    await bus.store(subjects.grid(VENUE, SYMBOL), grid(not_quoting=None))

    found = await collect(bus)

    text = report(found)
    assert found.is_wrong
    assert f"Start it: ./opensqt engine --bus-url {bus.url}" in text
    assert "no: engine silent" in text


def test_a_refused_preflight_is_reported_in_full() -> None:
    waiting = grid(not_quoting=NotQuoting.PREFLIGHT, not_quoting_detail="balance refused: 0 USDT")
    found = Status(bus="nats://x", parts=(), grids=(waiting,))

    line = report(found).splitlines()[-1]
    assert line.startswith(
        f"{VENUE} {waiting.symbol}: The preflight check rejected the symbol: balance refused: 0 USDT."
    )


def test_a_position_that_differs_is_reported_with_the_command_that_accepts_it() -> None:
    text = report(
        Status(
            bus="nats://here", parts=(), grids=(grid(position=Decimal("0.0016"), venue_position=Decimal(0)),)
        )
    )

    assert "the venue has 0, the books hold 0.0016. To book the difference" in text
    assert "./opensqt control reconcile sim BTC/USDT:USDT --accept 0 --reason '...'" in text


def test_a_foreign_position_is_reported_beside_the_books() -> None:
    text = position_line(
        grid(position=Decimal("0.0016"), venue_position=Decimal(2), foreign_position=Decimal(5))
    )

    assert "the venue has 2, the books hold 0.0016 and 5 foreign." in text


def test_an_empty_stack_is_reported() -> None:
    found = Status(bus="nats://x", parts=(), grids=())
    assert found.is_wrong
    assert report(found).splitlines()[2:] == [
        f"no part is running: start the stack with: {program()} up",
        "",
        "no symbol has a grid yet",
    ]


def test_parts_are_printed_as_a_table() -> None:
    one = PartStatus(name="engine", up_s=61.0, address="http://a", health="ok", age_s=0.34)

    assert "engine  ok         0.3 s  1 min 1 s  http://a" in report(
        Status(bus="nats://x", parts=(one,), grids=())
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0.4, "0 s"), (61, "1 min 1 s"), (3600, "1 h 0 s"), (90061, "1 d 1 h")]
)
def test_a_duration_has_two_units(seconds: float | None, text: str) -> None:
    assert duration_text(seconds) == text


async def test_the_engine_of_a_symbol_is_printed_with_several_engines(bus: Bus) -> None:
    key = subjects.registry_key(VENUE, SYMBOL)
    standings = {"one": "held by two", "two": "running here"}
    await bus.store(subjects.grid(VENUE, SYMBOL), grid(not_quoting=None))
    async with AsyncExitStack() as stack:
        for name, standing in standings.items():
            component = {"name": name, "symbols": {key: {"standing": standing}}}
            engine = open_service("engine", bus=bus.url, http_port=0, labels={"name": name})
            service = await stack.enter_async_context(engine)
            service.report("engine", partial(dict, component))
            await heard(bus, name)
        found = await collect(bus)

    assert sorted(each.standing for each in found.standings) == ["held by two", "running here"]
    assert re.split("  +", report(found).splitlines()[-1])[-3:-1] == ["two", "yes"]
    assert "engine two" in report(found)


def test_a_quarantined_symbol_has_the_name_of_its_engine() -> None:
    quarantined = SymbolAssignment(
        part="engine", name="one", symbol="sim.X", standing="quarantined", problem="poisoned"
    )
    waiting = SymbolAssignment(part="engine", name="two", symbol="sim.X", standing="held by one")
    assert engine_label("sim.X", [waiting, quarantined]) == "one, quarantined"
    assert (engine_label("sim.X", [waiting]), engine_label("sim.Y", [waiting])) == ("waiting", "-")


async def test_the_exposure_over_all_symbols_is_printed_by_currency(bus: Bus) -> None:
    limits = PortfolioLimits(
        venue=ALL_VENUES,
        is_opening_allowed=True,
        breaker=BreakerState.CLOSED,
        reason="",
        max_exposure=Decimal(0),
        exposure=Decimal(0),
        symbols=(),
        step=1,
        time=1,
        buckets={
            "BTC": BucketLimits(breaker=BreakerState.HALF_OPEN, reason="by hand"),
            "EUR": BucketLimits(exposure=Decimal(7)),
            "USDT": BucketLimits(max_exposure=Decimal(1000), exposure=Decimal("812.3")),
        },
    )
    await bus.store(earlier_subjects.venue_limits(VENUE), LIMITS)
    await bus.store(subjects.limits(), limits)

    assert report(await collect(bus)).splitlines()[-2:] == [
        "BTC: exposure 0.00, global circuit breaker half-open; by hand",
        "USDT: exposure 812.30 of 1000, global circuit breaker closed",
    ]


async def test_the_limits_of_an_engine_of_version_0_1_are_printed(bus: Bus) -> None:
    await bus.store(earlier_subjects.venue_limits(VENUE), LIMITS)

    assert f"{VENUE}: exposure {LIMITS.exposure:.2f} of {LIMITS.max_exposure:f}" in report(await collect(bus))


def test_grids_of_several_venues_have_a_column_for_it() -> None:
    two = (grid(not_quoting=None), grid(not_quoting=None, venue=VenueId("sim2")))
    found = report(Status(bus="nats://x", parts=(), grids=two)).splitlines()

    assert [line.split()[0] for line in found if SYMBOL in line] == [VENUE, "sim2"]


async def test_recent_alerts_are_listed_once_until_they_end(bus: Bus) -> None:
    now = time.time_ns()
    alert = next(each for each in EXAMPLES if isinstance(each, AlertRaised))
    raised = [msgspec.structs.replace(alert, incident=name, detail=name, time=now) for name in "aab"]
    for each in (*raised, msgspec.structs.replace(raised[2], ended=True)):
        await bus.store(subjects.alert(SIM, BTC), each)
    await bus.store(
        earlier_subjects.earlier_alert(SIM, BTC), msgspec.structs.replace(alert, detail="old", time=now - 1)
    )

    lines = report(await collect(bus)).splitlines()

    assert [line.rpartition(": ")[2] for line in lines[-2:]] == ["old.", "a."]
    assert "MEDIUM   sim BTC/USDT:USDT late_trade: Late trade: a." in lines[-1]


async def test_a_grid_that_needs_a_newer_program_is_named(bus: Bus) -> None:
    await bus.store(subjects.grid(VENUE, SYMBOL), grid(minimum_reader=99))

    lines = report(await collect(bus)).splitlines()

    assert any(line.startswith(f"this grid of {VENUE} {SYMBOL} was written by a newer") for line in lines)
