"""What people ask of all symbols: done here, or given on to each symbol as a command of its own; always answered once."""

import msgspec

from engine.core.portfolio import global_breaker
from engine.core.portfolio.step import PortfolioDraft
from engine.core.settings_checks import check
from schemas.engine.control import Command, CommandName, CommandOutcome
from schemas.engine.journal import SymbolEntry
from schemas.engine.portfolio_journal import AddRequested, CommandForAll
from schemas.venue.order_ids import symbol_code

LAST_GENERATION = 36**2 - 1
"""As many as an order id has room for."""

Answer = tuple[CommandOutcome, str]


def on_command_for_all(draft: PortfolioDraft, asked: CommandForAll) -> bool:
    """Do what a command to all symbols asks, and answer it."""
    command = asked.command
    if asked.received_time > command.expires_time:
        outcome, detail = _expired()
    else:
        outcome, detail = _apply(draft, asked)
    draft.answer(command, asked.received_time, outcome, detail)
    return True


def on_add(draft: PortfolioDraft, asked: AddRequested) -> bool:
    """Add a symbol to the roster if it can be traded as asked, and answer."""
    if asked.received_time > asked.command.expires_time:
        outcome, detail = _expired()
    elif asked.is_running:
        outcome, detail = CommandOutcome.UNCHANGED, "it is traded already"
    else:
        outcome, detail = _add(draft, asked)
    draft.answer(asked.command, asked.received_time, outcome, detail)
    return True


def given_on(command: Command, symbol: str) -> Command:
    """Return what one symbol gets of a command to all: the same each time, its id derived."""
    return msgspec.structs.replace(command, symbol=symbol, command_id=f"{command.command_id}.{symbol}")


def _apply(draft: PortfolioDraft, asked: CommandForAll) -> Answer:
    command = asked.command
    match command.name:
        case CommandName.TRIP:
            is_new = global_breaker.trip(draft, f"by hand: {command.reason}")
            return _outcome(is_new, "the global circuit breaker is open", "it was open already")
        case CommandName.RESET:
            is_new = global_breaker.close(draft, f"by hand: {command.reason}")
            return _outcome(is_new, "the global circuit breaker is closed", "it was closed already")
        case CommandName.ADD:
            return CommandOutcome.REFUSED, "a symbol is added by its name"
        case _:
            draft.commands += [given_on(command, symbol) for symbol in asked.symbols]
            names = ", ".join(asked.symbols)
            return _outcome(
                bool(names), f"given to {names}, each of which answers", "no symbol is traded here"
            )


def _add(draft: PortfolioDraft, asked: AddRequested) -> Answer:
    mistakes = _mistakes(asked)
    if mistakes:
        return CommandOutcome.REFUSED, "; ".join(mistakes)
    command, state = asked.command, draft.state
    assert command.settings is not None
    generation = max(asked.last_generation, state.generations.get(command.symbol, 0)) + 1
    if generation > LAST_GENERATION:
        return CommandOutcome.REFUSED, f"it was added {LAST_GENERATION} times, and its order ids are used up"
    state.generations[command.symbol] = generation
    draft.entries.append(
        SymbolEntry(
            venue=command.venue,
            symbol=command.symbol,
            instance=asked.instance,
            generation=generation,
            settings=command.settings,
        )
    )
    return CommandOutcome.APPLIED, f"it is traded from its next price on, as generation {generation}"


def _mistakes(asked: AddRequested) -> list[str]:
    command, settings = asked.command, asked.command.settings
    if asked.instrument is None:
        return [f"{command.venue} is not known to trade {command.symbol}"]
    if settings is None:
        return ["there are no settings to trade it with"]
    mistakes = check(settings, asked.instrument)
    code = symbol_code(command.symbol)
    mistakes += [
        f"its order ids could not be told from those of {other}"
        for other in asked.symbols
        if symbol_code(other) == code
    ]
    mistakes += [
        f"monitor_symbols has {watched}, which is not traded here"
        for watched in settings.monitor_symbols
        if watched not in {*asked.symbols, command.symbol}
    ]
    return mistakes


def _expired() -> Answer:
    return CommandOutcome.EXPIRED, "read after its expiry, not applied"


def _outcome(is_new: bool, done: str, unchanged: str) -> Answer:
    return (CommandOutcome.APPLIED, done) if is_new else (CommandOutcome.UNCHANGED, unchanged)
