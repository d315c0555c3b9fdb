"""Apply a configuration at the start of `up`: running symbols keep their settings, differences are reported."""

from collections.abc import Collection

from bus import Bus, Conflict, provision
from cli.apply.apply import apply_plan, make_plan
from cli.apply.changes import Plan, Sign, StoreLimits
from cli.apply.symbols import check_tradable, kept_notes
from cli.config.file import Configuration
from schemas.units import Symbol, VenueId

LIMITS_UPDATED = "the limits over all symbols were updated from the configuration"


async def apply_at_start(
    bus: Bus, configuration: Configuration, tradable: Collection[tuple[VenueId, Symbol]]
) -> list[str]:
    """Create streams, register new symbols and store the limits; return notes for the user, one line each.

    Raises: CommandError when a registered symbol is not `tradable` at its venue; TopologyDiffers and other
    BusErrors.
    """
    await provision(bus)
    while True:
        plan = await make_plan(bus, configuration)
        await check_tradable(bus, tradable)
        changes = (each for each in plan.changes if not _is_kept(each.action, each.needs_confirmation))
        applied = plan._replace(changes=tuple(changes))
        try:
            await apply_plan(bus, applied, lambda _: None, operator="up")
        except Conflict:
            continue  # written by another process since: compare again
        return [*_told(applied), *plan.notes, *kept_notes(plan)]


def _is_kept(action: object, needs_confirmation: bool) -> bool:
    return needs_confirmation and not isinstance(action, StoreLimits)


def _told(plan: Plan) -> list[str]:
    notes = []
    for each in plan.changes:
        if each.sign is Sign.CHANGE:
            is_limits = isinstance(each.action, StoreLimits)
            notes += [LIMITS_UPDATED] if is_limits else [line.removeprefix("~ ") for line in each.lines()]
    return notes
