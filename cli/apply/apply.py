"""Plan and apply the differences between a bus and a configuration."""

import asyncio
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import aclosing

from bus import Bus, Conflict, Registry, provision
from bus.commands import results
from bus.secure.layout import MIRRORED
from bus.secure.mirrors import has_mirrors, mirror_differences, provision_mirrors
from bus.streams.provision import StreamDifference, stream_differences
from bus.streams.topology import BUCKETS, STREAMS
from cli.apply import limits, symbols
from cli.apply.changes import (
    Action,
    Change,
    ChangeSettings,
    Plan,
    ProvisionMirror,
    ProvisionStream,
    Sign,
    StoreLimits,
    StoreSymbol,
    counted,
    joined,
)
from cli.apply.instance import with_instance
from cli.config.file import Configuration
from cli.errors import CommandError
from cli.program import program
from schemas import subjects
from schemas.engine.control import Command, CommandName, CommandOutcome, CommandResult
from schemas.engine.journal import SymbolEntry
from schemas.engine.portfolio import PortfolioEntry
from schemas.subjects import ALL_VENUES
from schemas.units import SECOND_NS

SET_TIMEOUT_S = 15
"""Time for the engine to answer a command; it expires then, so that it cannot be applied later."""
Report = Callable[[str], None]


async def make_plan(bus: Bus, configuration: Configuration) -> Plan:
    """Return the differences between a bus and a configuration, in the order in which they are applied.

    Raises: BusError.
    """
    streams = await stream_differences(bus)
    configuration = await with_instance(bus, configuration)
    return joined(
        _plan_streams(streams),
        await _plan_mirrors(bus, {each.config.name for each in streams if not each.changes}),
        await limits.plan_limits(bus, limits_of(configuration)),
        await symbols.plan_symbols(bus, configuration.symbols),
    )


def limits_of(configuration: Configuration) -> PortfolioEntry:
    """Return the limits over all symbols, as they are registered."""
    return PortfolioEntry(venue=ALL_VENUES, settings=configuration.portfolio, instance=configuration.instance)


async def apply_plan(bus: Bus, plan: Plan, report: Report, *, operator: str) -> None:
    """Apply the changes of a plan in their order, and report each; stop at the first that fails.

    Raises: Conflict when another process has changed the same meanwhile: make a new plan. CommandError when the engine
    refuses a change or does not answer. BusError.
    """
    for change in sorted(plan.changes, key=_order):
        if change.action is None:
            continue
        text = await _apply(bus, change.action, operator)
        report(f"{change.what}: {text}")


def _order(change: Change) -> int:
    """Streams and limits first; settings of running symbols, which may be refused, before symbols are added."""
    kinds = (ProvisionStream, ProvisionMirror, StoreLimits, ChangeSettings, StoreSymbol)
    return len(kinds) if change.action is None else kinds.index(type(change.action))


async def _apply(bus: Bus, action: Action, operator: str) -> str:
    match action:
        case ProvisionStream(config, is_new):
            await provision(bus, streams=[config])
            return "created" if is_new else "updated"
        case ProvisionMirror(config):
            await provision_mirrors(bus, [config])
            return "provisioned"
        case StoreLimits(entry, revision):
            await _store(Registry(bus, limits.BUCKET), entry.venue, entry, revision)
            return "stored"
        case StoreSymbol(entry, revision):
            key = subjects.registry_key(entry.venue, entry.symbol)
            await _store(Registry(bus, symbols.BUCKET), key, entry, revision)
            return "registered"
        case ChangeSettings():
            return await _change_settings(bus, action, operator)


async def _store(
    registry: Registry, key: str, entry: PortfolioEntry | SymbolEntry, revision: int | None
) -> None:
    if revision is not None:
        await registry.update(key, entry, revision)
    elif await registry.create(key, entry) is None:
        raise Conflict(0, f"{key} was registered meanwhile")


async def _change_settings(bus: Bus, action: ChangeSettings, operator: str) -> str:
    name, now = f"{action.venue} {action.symbol}", time.time_ns()
    command = Command(
        venue=action.venue,
        symbol=action.symbol,
        command_id=secrets.token_hex(8),
        name=CommandName.SET,
        changes=action.changes,
        operator=operator,
        reason="opensqt apply",
        time=now,
        expires_time=now + SET_TIMEOUT_S * SECOND_NS,
    )
    try:
        async with asyncio.timeout(SET_TIMEOUT_S):
            result = await _final_result(bus, command)
    except TimeoutError:
        raise CommandError(
            f"{name}: no engine has answered within {SET_TIMEOUT_S} s, and the change has expired; what is wrong says "
            f"{program()} status"
        ) from None
    if result.outcome not in {CommandOutcome.APPLIED, CommandOutcome.UNCHANGED}:
        raise CommandError(
            f"{name}: the engine has refused the change ({result.outcome}): {result.detail}; nothing of what follows in "
            f"the plan was applied. To confirm what happens at once, use {program()} control set {name}"
        )
    return f"{result.outcome}: {result.detail}"


async def _final_result(bus: Bus, command: Command) -> CommandResult:
    async with aclosing(results(bus, command)) as found:
        async for result in found:
            if result.is_final:
                return result
    raise AssertionError("the results end with the final one")


def _plan_streams(found: Sequence[StreamDifference]) -> Plan:
    equal = len(STREAMS) + len(BUCKETS) - len(found)
    return Plan(tuple(_stream_change(each) for each in found), counted(equal, "stream"))


async def _plan_mirrors(bus: Bus, missing: Collection[str]) -> Plan:
    """Return the mirrors to create or update; `missing` are the streams that do not exist yet. None on a bus without."""
    if not await has_mirrors(bus):
        return Plan()
    existing = [each for each in MIRRORED if each.name not in missing]
    differing = {*missing, *await mirror_differences(bus, existing)}
    wanted = [each for each in MIRRORED if each.name in differing]
    changes = tuple(Change(Sign.ADD, f"mirror {each.name}", (), ProvisionMirror(each)) for each in wanted)
    return Plan(changes, counted(len(MIRRORED) - len(wanted), "mirror"))


def _stream_change(difference: StreamDifference) -> Change:
    what = f"stream {difference.config.name}"
    if not difference.changes:
        return Change(Sign.ADD, what, (), ProvisionStream(difference.config, is_new=True))
    if difference.is_immutable:
        texts = tuple(f"{text}: cannot be changed in an existing stream" for text in difference.changes)
        return Change(Sign.BLOCKED, what, texts)
    return Change(Sign.CHANGE, what, difference.changes, ProvisionStream(difference.config, is_new=False))
