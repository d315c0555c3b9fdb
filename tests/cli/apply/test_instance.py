"""The instance of the order ids: configured, registered, or drawn."""

import msgspec
import pytest

from bus import Bus, Registry, provision
from cli.apply.apply import apply_plan, limits_of, make_plan
from cli.apply.instance import registered_instance, with_instance
from cli.config.file import DEFAULT_FILE, Configuration, load
from schemas import subjects
from schemas.codec import decode_as
from schemas.engine.journal import SymbolEntry


@pytest.fixture
def configuration() -> Configuration:
    return load(DEFAULT_FILE, {})


async def test_no_installation_has_a_common_default(bus: Bus, configuration: Configuration) -> None:
    drawn = {(await with_instance(bus, configuration)).instance for _ in range(20)}
    assert len(drawn) > 1
    assert all(len(each) == 3 for each in drawn)


async def test_all_symbols_get_the_drawn_instance(bus: Bus, configuration: Configuration) -> None:
    found = await with_instance(bus, configuration)
    assert {each.instance for each in found.symbols} == {found.instance}


async def test_the_drawn_instance_is_registered_and_kept(bus: Bus, configuration: Configuration) -> None:
    await apply_plan(bus, await make_plan(bus, configuration), lambda _: None, operator="test")
    instance = await registered_instance(bus)
    assert instance
    entry = configuration.symbols[0]
    stored = await Registry(bus, "symbols").get(subjects.registry_key(entry.venue, entry.symbol))
    assert stored is not None
    assert decode_as(stored.data, SymbolEntry).instance == instance
    assert not (await make_plan(bus, configuration)).changes


async def test_an_earlier_registration_keeps_its_instance(bus: Bus, configuration: Configuration) -> None:
    await provision(bus)
    entry = msgspec.structs.replace(configuration.symbols[0], instance="old")
    await Registry(bus, "symbols").create(subjects.registry_key(entry.venue, entry.symbol), entry)
    assert (await with_instance(bus, configuration)).instance == "old"


async def test_a_configured_instance_counts_first(bus: Bus, configuration: Configuration) -> None:
    await Registry(bus, "portfolios").create(subjects.ALL_VENUES, limits_of(configuration))
    configured = msgspec.structs.replace(configuration, instance="abc")
    assert (await with_instance(bus, configured)).instance == "abc"


async def test_runs_in_lock_step_have_the_same_instance_each_time(
    bus: Bus, configuration: Configuration
) -> None:
    venue = msgspec.structs.replace(configuration.venue, speed="max")
    assert venue.is_lock_step
    recorded = msgspec.structs.replace(configuration, venues=(venue,))
    assert (await with_instance(bus, recorded)).instance == "sqt"
