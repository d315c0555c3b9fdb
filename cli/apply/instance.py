"""The instance, the prefix of all order ids of an installation: configured, or drawn at the first start and registered.

Two installations with one instance on one account take each other's orders for their own. So there is no common default.
"""

import msgspec

from bus import Bus, Registry, StreamGone
from bus.runtime import new_id
from cli.config.file import Configuration
from schemas import subjects
from schemas.codec import try_decode
from schemas.engine.journal import SymbolEntry
from schemas.engine.portfolio import PortfolioEntry
from schemas.venue.order_ids import instance_of

LOCK_STEP_INSTANCE = "sqt"
"""Of runs in lock-step, which are equal each time. Their venue is simulated, and no other installation trades there."""


async def with_instance(bus: Bus, configuration: Configuration) -> Configuration:
    """Return the configuration with an instance: its own, else the registered one, else a new one."""
    if configuration.instance:
        return configuration
    instance = await registered_instance(bus)
    if not instance:
        is_lock_step = all(each.is_lock_step for each in configuration.venues)
        instance = LOCK_STEP_INSTANCE if is_lock_step else instance_of(int(new_id(), 16))
    symbols = tuple(msgspec.structs.replace(each, instance=instance) for each in configuration.symbols)
    return msgspec.structs.replace(configuration, instance=instance, symbols=symbols)


async def registered_instance(bus: Bus) -> str:
    """Return the instance of the registered symbols and limits; empty if nothing is registered."""
    try:
        stored = await Registry(bus, "portfolios").get(subjects.ALL_VENUES)
        entry = None if stored is None else try_decode(stored.data, PortfolioEntry)
        if entry is not None and entry.instance:
            return entry.instance
        symbols = await Registry(bus, "symbols").entries()
    except StreamGone:
        return ""  # created when the configuration is applied
    found = (try_decode(each.data, SymbolEntry) for _, each in sorted(symbols.items()))
    return next((each.instance for each in found if each is not None), "")
