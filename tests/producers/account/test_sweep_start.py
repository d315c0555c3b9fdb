"""Where a sweep starts: the mark in the newest step, or else the end of the last sweep, less the overlap."""

import msgspec
import pytest

from bus import Bus, Logger
from producers.account.sweep_start import sweep_start
from schemas import subjects
from schemas.engine.journal import RiskSummary
from schemas.formats import TRADE_OVERLAP_NS
from schemas.units import SECOND_NS
from tests.builders import BTC, OPEN_ORDERS, SIM, STEP, TICKER

MARK = 1_700_000_000 * SECOND_NS
OVERLAP = TRADE_OVERLAP_NS
LATER = MARK + 3600 * SECOND_NS
RISK = RiskSummary(generation=1, position=STEP.state.accounts.position, price=None, booked_through=MARK)
NEW_STEP = msgspec.structs.replace(STEP, risk=RISK)
OLD_STEP = msgspec.structs.replace(STEP, state=msgspec.structs.replace(STEP.state, traded_time=MARK - 7))
SWEEP = msgspec.structs.replace(OPEN_ORDERS, complete_through=MARK - 9)


async def start(bus: Bus, now: int = LATER) -> int:
    return await sweep_start(bus, SIM, BTC, now, Logger("test"))


@pytest.mark.parametrize(("step", "mark"), [(NEW_STEP, MARK), (OLD_STEP, MARK - 7)])
async def test_the_mark_is_that_of_the_newest_step(bus: Bus, step: msgspec.Struct, mark: int) -> None:
    await bus.store(subjects.open_orders(SIM, BTC), SWEEP)
    await bus.store(subjects.step(SIM, BTC), step)
    assert await start(bus) == mark - OVERLAP


async def test_without_an_engine_the_last_sweep_is_continued(bus: Bus) -> None:
    await bus.store(subjects.open_orders(SIM, BTC), SWEEP)
    assert await start(bus) == SWEEP.complete_through - OVERLAP


async def test_without_steps_and_sweeps_the_first_sweep_starts_now(bus: Bus) -> None:
    assert await start(bus) == LATER - OVERLAP


async def test_after_a_sweep_of_version_1_everything_is_fetched(bus: Bus) -> None:
    await bus.store(subjects.open_orders(SIM, BTC), OPEN_ORDERS)
    assert await start(bus) == 0


async def test_after_an_undecodable_step_everything_is_fetched(
    bus: Bus, capsys: pytest.CaptureFixture[str]
) -> None:
    await bus.store(subjects.step(SIM, BTC), TICKER)
    assert await start(bus) == 0
    assert "undecodable" in capsys.readouterr().err


async def test_a_mark_ahead_of_the_venues_clock_does_not_count(bus: Bus) -> None:
    await bus.store(subjects.step(SIM, BTC), NEW_STEP)
    assert await start(bus, now=MARK - 5) == MARK - 5 - OVERLAP
