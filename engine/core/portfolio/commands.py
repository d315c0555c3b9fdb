"""Commands to all symbols: applied here, or forwarded to each symbol; each is answered once."""

import msgspec

from engine.core.commands.answers import EXPIRED, Answer, applied_if, origin_of
from engine.core.portfolio import global_breaker
from engine.core.portfolio.step import PortfolioDraft
from engine.core.settings_checks import check
from schemas.engine.control import Command, CommandName, CommandOutcome
from schemas.engine.journal import SymbolEntry
from schemas.engine.portfolio_journal import AddRequested, CommandForAll
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


def forwarded(command: Command, symbol: str) -> Command:
    """Return the command forwarded to one symbol; its id is derived, such as `c1.BTC/USDT:USDT`."""
    return msgspec.structs.replace(command, symbol=symbol, command_id=f"{command.command_id}.{symbol}")


def _apply(draft: PortfolioDraft, received: CommandForAll) -> Answer:
    command = received.command
    match command.name:
        case CommandName.TRIP:
            is_tripped = global_breaker.trip(draft, origin_of(command))
            return applied_if(is_tripped, "the global circuit breaker is open", "already open")
        case CommandName.RESET:
            is_closed = global_breaker.close(draft, origin_of(command))
            return applied_if(is_closed, "the global circuit breaker is closed", "already closed")
        case CommandName.ADD:
            return CommandOutcome.REFUSED, "add needs the name of one symbol"
        case _:
            draft.commands += [forwarded(command, symbol) for symbol in received.symbols]
            names = ", ".join(received.symbols)
            return applied_if(bool(names), f"forwarded to {names}; each answers", "no symbol is traded here")


def _add(draft: PortfolioDraft, request: AddRequested) -> Answer:
    mistakes = _mistakes(request)
    if mistakes:
        return CommandOutcome.REFUSED, "; ".join(mistakes)
    command, state = request.command, draft.state
    assert command.settings is not None
    generation = max(request.last_generation, state.generations.get(command.symbol, 0)) + 1
    if generation > MAX_GENERATION:
        return CommandOutcome.REFUSED, f"it was added {MAX_GENERATION} times: its order ids are used up"
    state.generations[command.symbol] = generation
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
