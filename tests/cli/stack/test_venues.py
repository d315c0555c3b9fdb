"""Files, ports and parts of the venues of a stack."""

import asyncio
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from bus import LastPerSubject, read
from cli.config.file import DEFAULT_FILE, Configuration, load
from cli.errors import CommandError
from cli.inspect.discovery import discover
from cli.stack.data_dir import DataDir
from cli.stack.ports import find_free_port
from cli.stack.stack import Stack, StackSettings, part_names, run_stack
from cli.stack.venues import prepare_venues
from schemas import subjects
from schemas.codec import decode_as, try_decode
from schemas.engine.portfolio import CurrencyLimits, PortfolioLimits, PortfolioSettings
from schemas.grid.view import GridView
from schemas.subjects import Stream
from schemas.units import VenueId
from tests.builders import BTC
from tests.cli.config.test_file import GOOD, good, two_accounts


def reversed_venues(configuration: Configuration) -> Configuration:
    return msgspec.structs.replace(configuration, venues=configuration.venues[::-1])


def stores(configuration: Configuration, data: DataDir) -> dict[str, str]:
    """Return the file name of the store of each venue."""
    prepared = prepare_venues(configuration, data)
    return {name: Path(venue.store).name for name, (venue, _) in prepared.items()}


def test_each_account_has_a_store_and_a_port_of_its_own(tmp_path: Path) -> None:
    prepared = prepare_venues(good(text=two_accounts()), DataDir(tmp_path))
    assert len({venue.port for venue, _ in prepared.values()}) == 2
    assert [file.name for _, file in prepared.values()] == ["venue.json", "venue-sim2.json"]


def test_a_store_stays_with_its_account_when_the_order_in_the_file_changes(tmp_path: Path) -> None:
    data, configuration = DataDir(tmp_path), good(text=two_accounts())
    first = stores(configuration, data)
    assert first == {"sim": "venue.sqlite", "sim2": "venue-sim2.sqlite"}
    assert stores(reversed_venues(configuration), data) == first


def test_the_store_of_a_directory_of_version_0_1_stays_with_its_account(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    stores(good(text=GOOD.replace("sim:", "old:").replace("venue: sim", "venue: old")), data)
    both = good(text=two_accounts("old"))
    assert stores(both, data) == {"sim": "venue-sim.sqlite", "old": "venue.sqlite"}


def test_an_unreadable_settings_file_is_an_error(tmp_path: Path) -> None:
    DataDir(tmp_path).venue_settings.write_text("{", encoding="utf-8")
    with pytest.raises(CommandError, match="cannot be read"):
        prepare_venues(good(), DataDir(tmp_path))


def test_parts_are_named_after_their_account_if_there_are_several(tmp_path: Path) -> None:
    one = StackSettings(good(), DataDir(tmp_path), 1, 2)
    two = StackSettings(good(text=two_accounts()), DataDir(tmp_path), 1, 2, gateways=2)
    assert part_names(one) == ["venue", "market", "account", "gateway", "engine", "liveserver"]
    assert part_names(two)[:6] == [
        *("venue-sim", "venue-sim2", "market-sim", "market-sim2", "account-sim", "account-sim2")
    ]
    assert part_names(two)[6:10] == ["gateway-sim-1", "gateway-sim-2", "gateway-sim2-1", "gateway-sim2-2"]


async def until_quoting(stack: Stack, wanted: set[str]) -> None:
    """Wait until the symbols of these subjects quote."""
    quoting: set[str] = set()
    grids = read(stack.bus, Stream.JOURNAL, (subjects.all_grids(),), LastPerSubject())
    async with aclosing(grids) as batches, asyncio.timeout(120):
        async for batch in batches:
            for message in batch.messages:
                view = try_decode(message.data, GridView)
                if view is not None and view.not_quoting is None:
                    quoting.add(message.subject)
            if wanted <= quoting:
                return


def with_second_account(configuration: Configuration, name: VenueId) -> Configuration:
    """Return the configuration with a second account that trades the same symbols."""
    replace = msgspec.structs.replace
    symbols = tuple(
        replace(each, instrument=replace(each.instrument, venue=name)) for each in configuration.venue.symbols
    )
    return replace(
        configuration,
        venues=(configuration.venue, replace(configuration.venue, venue=name, seed=2, symbols=symbols)),
        symbols=(*configuration.symbols, *(replace(each, venue=name) for each in configuration.symbols)),
        portfolio=PortfolioSettings(currencies={"USDT": CurrencyLimits(max_exposure=Decimal(100_000))}),
    )


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_two_accounts_trade_side_by_side_under_one_limit(tmp_path: Path) -> None:
    configuration = with_second_account(load(DEFAULT_FILE), VenueId("sim2"))
    data = DataDir(tmp_path)
    settings = StackSettings(configuration, data, find_free_port(), find_free_port())
    with data.hold():
        async with run_stack(settings, lambda line: None) as stack:
            await until_quoting(stack, {subjects.grid(venue, BTC) for venue in stack.venue_urls})
            parts = {(each.name, each.metadata.get("venue")) for each in await discover(stack.bus)}
            stored = await stack.bus.last(Stream.JOURNAL, subjects.limits())
    assert parts >= {(part, name) for part in ("market", "account", "gateway") for name in ("sim", "sim2")}
    assert stored is not None
    assert decode_as(stored.data, PortfolioLimits).bucket("USDT").max_exposure == 100_000
