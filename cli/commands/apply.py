"""`opensqt apply`: provision streams and register limits and symbols of a configuration on any bus."""

import argparse
import asyncio
import getpass
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import msgspec

from bus import (
    Ambiguous,
    Bus,
    BusContext,
    BusError,
    Conflict,
    LeaderlessStreams,
    NotPermitted,
    Rejected,
    add_http_options,
    add_log_options,
    choose_context,
    connect,
    get_logger,
)
from bus.service.http import Reply, serve
from cli import parser as arguments
from cli.apply.apply import apply_plan, make_plan
from cli.apply.changes import Plan
from cli.apply.keep import Keeper
from cli.background import background_task, run_main
from cli.config.file import Configuration, load
from cli.errors import CommandError
from cli.program import program
from cli.stack.connection import CONNECT_TIMEOUT_S, BusPlace, locate_bus

DESCRIPTION = (
    "Bring a bus up to a configuration: create and update streams, store the limits over all symbols, register symbols. "
    "The differences are printed first; a second run finds none."
)
NAME = "apply"
RETRY_S = 0.5
MAX_ATTEMPTS = 5
"""Attempts when other processes change the same at the same time."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define [FILE], what is applied, and how to find the bus."""
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="configuration")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the same, for OPENSQT_CONFIG")
    parser.add_argument("--dry-run", action="store_true", help="print the differences only")
    parser.add_argument(
        "--yes",
        action="store_true",
        help="confirm changes of registered symbols, and limits that get looser; without it a plan that has some is not "
        "applied at all",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="stay, and apply again what gets lost, such as memory streams after a restart of the bus",
    )
    parser.add_argument(
        "--wait",
        type=float,
        metavar="SECONDS",
        help=f"how long to wait for the bus ({CONNECT_TIMEOUT_S:g}; with --keep for ever)",
    )
    add_log_options(parser)
    add_http_options(parser)
    arguments.add_bus_options(parser)


def run(options: argparse.Namespace) -> int:
    """Apply a configuration. The exit code is 1 if it differs from the bus and is not applied."""
    file = options.file or options.config
    if file is None:
        raise CommandError("name the configuration: apply FILE")
    if options.keep and options.dry_run:
        raise CommandError("--keep applies what is missing, --dry-run applies nothing: give one of them")
    configuration = load(file, has_http=False)
    if options.keep:
        configuration.logging.apply()
    _wait_for_context(options, configuration)
    where = _where(options, configuration)
    command = keep if options.keep else apply
    return run_main(lambda: command(configuration, where, options), is_quiet=not options.keep)


def _wait_for_context(options: argparse.Namespace, configuration: Configuration) -> None:
    """Wait for the file with the credentials as long as for the bus, which may write it as it starts."""
    path = options.bus_context or configuration.bus.context
    wait_s = options.wait if options.wait is not None else float("inf") if options.keep else 0
    deadline_s = time.monotonic() + wait_s
    while path is not None and not path.exists() and time.monotonic() < deadline_s:
        time.sleep(RETRY_S)


async def apply(configuration: Configuration, where: BusContext, options: argparse.Namespace) -> int:
    """Apply a configuration once and return the exit code.

    Raises: CommandError when the bus cannot be reached or a change fails.
    """
    wait_s = CONNECT_TIMEOUT_S if options.wait is None else options.wait
    async with _connected(where, wait_s) as bus:
        with _explained():
            return await _apply(bus, configuration, options, time.monotonic() + wait_s)


async def keep(configuration: Configuration, where: BusContext, options: argparse.Namespace) -> int:
    """Apply a configuration and keep the bus provisioned, for ever.

    Raises: CommandError when the bus cannot be reached or a change fails; OSError when the port is in use.
    """
    log = get_logger(NAME)
    keeper = Keeper(configuration, log, operator=_operator(), is_confirmed=options.yes)
    pages = {"/health": lambda: Reply("application/json", msgspec.json.encode(keeper.health()))}
    async with (
        serve(pages, options.http_host, options.http_port) as address,
        _connected(where, options.wait) as bus,
    ):
        log.info("started", http=address)
        async with background_task(LeaderlessStreams(bus, log).run(), "leaderless streams"):
            await keeper.run(bus)


async def _apply(
    bus: Bus, configuration: Configuration, options: argparse.Namespace, deadline_s: float
) -> int:
    shown: list[str] = []
    for _ in range(MAX_ATTEMPTS):
        plan = await _planned(bus, configuration, deadline_s)
        if (lines := plan.lines()) != shown:
            print("\n".join(lines), flush=True)
            shown = lines
        if not plan.changes:
            print("the bus has what the configuration describes: nothing to do")
            return 0
        if options.dry_run:
            return 0
        if plan.blocked:
            print("nothing was applied: what is marked ! cannot be changed like this")
            return 1
        if plan.needs_confirmation and not options.yes:
            print("nothing was applied: it changes what is registered already; confirm it with --yes")
            return 1
        try:
            await apply_plan(bus, plan, print, operator=_operator())
        except Conflict:
            continue
        left = (await make_plan(bus, configuration)).changes
        if not left:
            print("applied")
            return 0
    raise CommandError("other processes change the same: look at the differences and apply again")


async def _planned(bus: Bus, configuration: Configuration, deadline_s: float) -> Plan:
    """Return the differences, waiting for the bus to become able to answer."""
    while True:
        try:
            return await make_plan(bus, configuration)
        except (Ambiguous, Rejected) as error:
            if isinstance(error, NotPermitted) or time.monotonic() >= deadline_s:
                raise
            await asyncio.sleep(RETRY_S)


@asynccontextmanager
async def _connected(where: BusContext, wait_s: float | None) -> AsyncIterator[Bus]:
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(wait_s):
                bus = await stack.enter_async_context(connect(where, name=NAME))
        except TimeoutError:
            raise CommandError(
                f"no bus at {where.url} within {wait_s:g} s: start one with: {program()} bus; choose another with "
                "--bus-url, --bus-context or --data-dir; or wait longer with --wait SECONDS"
            ) from None
        yield bus


@contextmanager
def _explained() -> Iterator[None]:
    """Turn errors of the bus into errors for the user."""
    try:
        yield
    except NotPermitted as error:
        raise CommandError(f"{error}: name the context of a user who may, with --bus-context") from error
    except BusError as error:
        raise CommandError(f"the bus: {error}") from error


def _where(options: argparse.Namespace, configuration: Configuration) -> BusContext:
    """Return the bus that the options name, else that of the file, else that of the running `up`."""
    place = BusPlace(options.bus_url, options.data_dir, options.bus_context)
    if not place.is_named and options.data_dir is None:
        named = choose_context(configuration.bus.url, configuration.bus.context)
        if named is not None:
            return named
    address = locate_bus(place)
    return address.context or BusContext(url=address.url)


def _operator() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return NAME
