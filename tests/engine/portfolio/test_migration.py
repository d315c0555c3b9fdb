"""The portfolios of version 0.1, one for each venue, continue as one."""

from decimal import Decimal

import msgspec

from bus import Bus, Registry
from engine.portfolio.migration import OldPortfolio, merged, migrate_portfolio
from schemas import earlier_subjects, subjects
from schemas.codec import decode_as
from schemas.engine.journal import StreamOffset
from schemas.engine.portfolio import PortfolioEntry, PortfolioSettings
from schemas.engine.portfolio_journal import GlobalBreaker, PortfolioState, PortfolioStep
from schemas.grid.guard_state import BreakerState, Peak
from schemas.subjects import ALL, Stream
from schemas.units import VenueId
from tests.builders import BTC, SIM, TIME
from tests.engine.conftest import ENTRY
from tests.engine.portfolio.test_actor import RunPortfolio, hold, run_portfolio, until_limits, usdt

__all__ = ["run_portfolio"]

OLD_STEPS = earlier_subjects.venue_portfolio_step(SIM)
LIMITED = PortfolioSettings(max_exposure=Decimal(1000))


def old_step(venue: VenueId = SIM, breaker: GlobalBreaker | None = None) -> PortfolioStep:
    """Return the last step of a venue's portfolio, as version 0.1 wrote it."""
    return PortfolioStep(
        venue=venue,
        step=41,
        epoch=3,
        offsets={
            stream: StreamOffset(created="2026-01-01T00:00:00Z", sequence=0)
            for stream in ("ENGINE", "CONTROL")
        },
        causes=(),
        state=PortfolioState(
            venue=venue,
            settings=LIMITED,
            is_exposed=True,
            breaker=breaker or GlobalBreaker(losses=2, peaks=[Peak(time=TIME, profit=Decimal(7))]),
            counted=[f"{BTC} 17"],
            generations={BTC: 4},
            time=TIME,
        ),
        notices=(),
        commands=(),
        entries=(),
        published_through=0,
        time=TIME,
    )


async def stored_state(bus: Bus) -> PortfolioState:
    stored = await bus.last(Stream.JOURNAL, subjects.portfolio_step())
    assert stored is not None
    return decode_as(stored.data, PortfolioStep).state


async def test_the_state_of_the_venue_becomes_the_bucket_of_its_currency(bus: Bus) -> None:
    await hold(bus, BTC, "1")
    await bus.store(OLD_STEPS, old_step())
    assert await migrate_portfolio(bus) == ["the portfolio of sim continues as the portfolio of all venues"]
    state = await stored_state(bus)
    assert list(state.buckets) == ["USDT"]
    assert state.buckets["USDT"].is_exposed
    assert state.buckets["USDT"].breaker == old_step().state.breaker
    assert (state.counted, state.generations) == ([f"sim {BTC} 17"], {f"sim {BTC}": 4})


async def test_a_second_migration_does_nothing(bus: Bus) -> None:
    await bus.store(OLD_STEPS, old_step())
    assert await migrate_portfolio(bus)
    assert await migrate_portfolio(bus) == []


async def test_the_limits_of_the_venue_become_those_of_its_currency(bus: Bus) -> None:
    await Registry(bus, "symbols").create(subjects.registry_key(SIM, BTC), ENTRY)
    await Registry(bus, "portfolios").create(SIM, PortfolioEntry(venue=SIM, settings=LIMITED, instance="abc"))
    await migrate_portfolio(bus)
    stored = await Registry(bus, "portfolios").get(ALL)
    assert stored is not None
    entry = decode_as(stored.data, PortfolioEntry)
    assert (entry.venue, entry.instance) == (ALL, "abc")
    assert entry.settings.of("USDT").max_exposure == 1000
    assert entry.settings.of("BTC").max_exposure == 0


async def test_entries_that_a_crash_left_unpublished_are_published(bus: Bus) -> None:
    await bus.store(OLD_STEPS, msgspec.structs.replace(old_step(), entries=(ENTRY,)))
    await migrate_portfolio(bus)
    assert await Registry(bus, "symbols").get(subjects.registry_key(SIM, BTC)) is not None


async def test_the_actor_continues_the_old_portfolio(bus: Bus, run_portfolio: RunPortfolio) -> None:
    tripped = GlobalBreaker(state=BreakerState.OPEN, reason="by hand", opened_time=TIME)
    await hold(bus, BTC, "1")
    step = old_step(breaker=tripped)
    offsets = {
        stream: StreamOffset(created=await bus.stream_created(stream), sequence=0) for stream in step.offsets
    }
    await bus.store(OLD_STEPS, msgspec.structs.replace(step, offsets=offsets))
    async with run_portfolio(LIMITED):
        found = await until_limits(bus, lambda limits: usdt(limits).breaker is not BreakerState.CLOSED)
    assert found.step >= 41
    assert "by hand" in usdt(found).reason


def test_venues_of_one_currency_share_its_bucket_and_the_stricter_breaker_counts() -> None:
    tripped = GlobalBreaker(state=BreakerState.OPEN, reason="by hand", opened_time=TIME)
    other = old_step(VenueId("sim2"), tripped)
    state = merged([OldPortfolio(old_step(), 1, ("USDT",)), OldPortfolio(other, 2, ("BTC", "USDT"))])
    assert {name: each.breaker.state for name, each in state.buckets.items()} == {
        "USDT": BreakerState.OPEN,
        "BTC": BreakerState.OPEN,
    }
    assert state.generations == {f"sim {BTC}": 4, f"sim2 {BTC}": 4}


def test_sums_of_several_currencies_start_again() -> None:
    state = merged([OldPortfolio(old_step(), 1, ("BTC", "USDT"))])
    assert state.buckets["USDT"].breaker.peaks == []
    assert state.buckets["BTC"].is_exposed


def test_a_tripped_portfolio_without_symbols_stays_tripped() -> None:
    tripped = GlobalBreaker(state=BreakerState.OPEN, reason="by hand", opened_time=TIME)
    assert merged([OldPortfolio(old_step(breaker=tripped), 1, ())]).breaker.state is BreakerState.OPEN
