"""Commands to all symbols: applied here, or forwarded to each symbol; each is answered once."""

import msgspec

from engine.core.commands.answers import EXPIRED, Answer, applied_if, operator_of
from engine.core.portfolio import global_breaker, global_trip
from engine.core.portfolio.step import PortfolioDraft
from engine.core.settings_checks import check
from schemas.engine.control import Command, CommandName, CommandOutcome
from schemas.engine.journal import SymbolEntry
from schemas.engine.portfolio_journal import AddRequested, CommandForAll, Market
from schemas.grid.guard_state import BreakerState
from schemas.grid.settings import GridSettings
from schemas.grid.settings_notation import differences, live_settings
from schemas.subjects import ALL_VENUES
from schemas.units import Price
from schemas.venue.instruments import quote_of
from schemas.venue.order_ids import symbol_code

MAX_GENERATION = 36**2 - 1
"""An order id has two base-36 digits for the generation."""


def on_command_for_all(draft: PortfolioDraft, received: CommandForAll) -> None:
    """Apply or forward a command to all symbols, and answer it."""
    command = received.command
    is_global = command.venue == ALL_VENUES
    if received.received_time > command.expires_time:
        outcome, detail = EXPIRED
    elif is_global and command.name is CommandName.TRIP:
        global_trip.trip(draft, received)
        return
    elif is_global and command.name is CommandName.RESET:
        global_trip.supersede(draft, command)
        is_closed = global_breaker.close(draft, operator_of(command))
        outcome, detail = applied_if(
            is_closed, "the circuit breakers over all symbols are closed", "already closed"
        )
    else:
        outcome, detail = _forward(draft, received)
    draft.answer(command, received.received_time, outcome, detail)


def on_add(draft: PortfolioDraft, request: AddRequested) -> None:
    """Register a symbol if it can be traded as requested, and answer."""
    if request.received_time > request.command.expires_time:
        outcome, detail = EXPIRED
    elif request.is_running:
        outcome, detail = _already_traded(request)
    else:
        outcome, detail = _add(draft, request)
    draft.answer(request.command, request.received_time, outcome, detail)


def forwarded(command: Command, market: Market) -> Command:
    """Return the command forwarded to one symbol, whose results carry its id, the symbol and the symbol's venue.

    The id is that of the command, the venue if the command is to all venues, and the symbol, joined by dots: `c1` to `sim
    _all` becomes `c1.BTC/USDT:USDT`, to `_all _all` `c1.sim.BTC/USDT:USDT`. Clients rely on it (`bus.commands`): it does
    not change.
    """
    venue = f".{market.venue}" if command.venue == ALL_VENUES else ""
    return msgspec.structs.replace(
        command,
        venue=market.venue,
        symbol=market.symbol,
        command_id=f"{command.command_id}{venue}.{market.symbol}",
    )


def _forward(draft: PortfolioDraft, received: CommandForAll) -> Answer:
    command = received.command
    if command.name is CommandName.ADD:
        return CommandOutcome.REFUSED, "add needs the name of one venue and of one symbol"
    draft.commands += [forwarded(command, market) for market in received.markets]
    is_global = command.venue == ALL_VENUES
    names = ", ".join(_name(market, with_venue=is_global) for market in received.markets)
    number = len(received.markets)
    detail = f"forwarded to {number} symbol{'' if number == 1 else 's'}, each answers: {names}"
    if command.name is CommandName.RESET and _is_restricted(draft):
        detail += "; the circuit breakers over all symbols are reset with: ./opensqt control reset _all _all"
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
    at_once = _acts_at_once(command.settings, request.price)
    if at_once and not command.confirmed:
        return CommandOutcome.REFUSED, f"{at_once}; confirm with --yes"
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


def _already_traded(request: AddRequested) -> Answer:
    """Return the answer for a symbol that runs: refused with what differs if it was to be added with other settings."""
    command, running, wanted = request.command, request.running, request.command.settings
    quote = quote_of(command.symbol)
    differs = [] if running is None or wanted is None else differences(running, wanted, quote)
    if not differs:
        return CommandOutcome.UNCHANGED, "the symbol is already traded"
    shown = "; ".join(f"{name} is {now}, not {then}" for name, now, then in differs)
    market, live = f"{command.venue} {command.symbol}", live_settings()
    options = " ".join(f"--set '{name}={then}'" for name, _, then in differs if name in live)
    remedy = f". Change it with: ./opensqt control set {market} {options}" if options else ""
    fixed = ", ".join(name for name, _, _ in differs if name not in live)
    if fixed:
        remedy += f". Only a new symbol takes {fixed}: remove the symbol, then add it again"
    return CommandOutcome.REFUSED, f"the symbol is already traded with other settings: {shown}{remedy}"


def _acts_at_once(settings: GridSettings | None, price: Price | None) -> str:
    """Return what a new grid would do at its first price because a limit is reached already; empty if nothing."""
    if settings is None or price is None:
        return ""
    below, above = settings.stop_below_price, settings.stop_above_price
    if below is not None and price <= below:
        return f"stop_below_price {below:f} is reached already at {price:f}: the symbol would stop at once"
    if above is not None and price >= above:
        return f"stop_above_price {above:f} is reached already at {price:f}: the symbol would stop at once"
    if settings.trigger_price is not None and price == settings.trigger_price:
        return f"trigger_price {settings.trigger_price:f} is reached already at {price:f}: quoting would start at once"
    return ""


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
