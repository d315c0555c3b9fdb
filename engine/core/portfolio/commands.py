"""Commands to all symbols: applied here, or forwarded to each symbol; each is answered once."""

import msgspec

from engine.core.commands.answers import EXPIRED, Answer, applied_if, operator_of
from engine.core.portfolio import global_breaker
from engine.core.portfolio.step import PortfolioDraft
from engine.core.settings_checks import check
from schemas.engine.control import Command, CommandName, CommandOutcome
from schemas.engine.journal import SymbolEntry
from schemas.engine.portfolio_journal import AddRequested, CommandForAll, Market
from schemas.grid.guard_state import BreakerState
from schemas.subjects import ALL_VENUES
from schemas.venue.order_ids import symbol_code

MAX_GENERATION = 36**2 - 1
"""An order id has two base-36 digits for the generation."""


def on_command_for_all(draft: PortfolioDraft, received: CommandForAll) -> None:
    """Apply or forward a command to all symbols, and answer it."""
    command = received.command
    is_expired = received.received_time > command.expires_time
    outcome, detail = EXPIRED if is_expired else _apply(draft, received)
    draft.answer(command, received.received_time, outcome, detail)


def on_add(draft: PortfolioDraft, request: AddRequested) -> None:
    """Register a symbol if it can be traded as requested, and answer."""
    if request.received_time > request.command.expires_time:
        outcome, detail = EXPIRED
    elif request.is_running:
        outcome, detail = CommandOutcome.UNCHANGED, "the symbol is already traded"
    else:
        outcome, detail = _add(draft, request)
    draft.answer(request.command, request.received_time, outcome, detail)


def forwarded(command: Command, market: Market) -> Command:
    """Return the command forwarded to one symbol; its id is derived: `c1.BTC/USDT:USDT`, or `c1.sim.BTC/USDT:USDT`."""
    venue = f".{market.venue}" if command.venue == ALL_VENUES else ""
    return msgspec.structs.replace(
        command,
        venue=market.venue,
        symbol=market.symbol,
        command_id=f"{command.command_id}{venue}.{market.symbol}",
    )


def _apply(draft: PortfolioDraft, received: CommandForAll) -> Answer:
    command = received.command
    is_global = command.venue == ALL_VENUES
    if command.name is CommandName.ADD:
        return CommandOutcome.REFUSED, "add needs the name of one venue and of one symbol"
    if is_global and command.name is CommandName.TRIP:
        is_tripped = global_breaker.trip(draft, operator_of(command))
        return applied_if(is_tripped, "the global circuit breaker is open", "already open")
    if is_global and command.name is CommandName.RESET:
        is_closed = global_breaker.close(draft, operator_of(command))
        return applied_if(is_closed, "the circuit breakers over all symbols are closed", "already closed")
    draft.commands += [forwarded(command, market) for market in received.markets]
    names = ", ".join(_name(market, with_venue=is_global) for market in received.markets)
    detail = f"forwarded to {names}; each answers"
    if command.name is CommandName.RESET and _is_restricted(draft):
        detail += "; the circuit breakers over all symbols are reset with: control reset _all _all"
    return applied_if(bool(names), detail, "no symbol is traded here")


def _name(market: Market, *, with_venue: bool) -> str:
    return f"{market.venue} {market.symbol}" if with_venue else market.symbol


def _is_restricted(draft: PortfolioDraft) -> bool:
    breakers = [draft.state.breaker, *(each.breaker for each in draft.state.buckets.values())]
    return any(each.state is not BreakerState.CLOSED for each in breakers)


def _add(draft: PortfolioDraft, request: AddRequested) -> Answer:
    mistakes = _mistakes(request)
    if mistakes:
        return CommandOutcome.REFUSED, "; ".join(mistakes)
    command, state = request.command, draft.state
    assert command.settings is not None
    market = f"{command.venue} {command.symbol}"
    generation = max(request.last_generation, state.generations.get(market, 0)) + 1
    if generation > MAX_GENERATION:
        return CommandOutcome.REFUSED, f"it was added {MAX_GENERATION} times: its order ids are used up"
    state.generations[market] = generation
    draft.entries.append(
        SymbolEntry(
            venue=command.venue,
            symbol=command.symbol,
            instance=request.instance,
            generation=generation,
            settings=command.settings,
        )
    )
    return CommandOutcome.APPLIED, f"traded from its next price on, as generation {generation}"


def _mistakes(request: AddRequested) -> list[str]:
    command, settings = request.command, request.command.settings
    if request.instrument is None:
        return [f"{command.symbol} is not a known instrument of {command.venue}"]
    if settings is None:
        return ["no settings given, and none configured"]
    mistakes = check(settings, request.instrument)
    code = symbol_code(command.symbol)
    mistakes += [
        f"its order ids would collide with those of {other}"
        for other in request.symbols
        if symbol_code(other) == code
    ]
    mistakes += [
        f"monitor_symbols has {watched}, which is not traded here"
        for watched in settings.monitor_symbols
        if watched not in {*request.symbols, command.symbol}
    ]
    return mistakes
