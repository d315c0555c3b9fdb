"""Commands to all symbols: answered once, and forwarded with derived ids."""

import msgspec
import pytest

from engine.core.portfolio.commands import MAX_GENERATION
from engine.core.portfolio.portfolio import Portfolio
from schemas.engine.control import CommandName, CommandOutcome, CommandResult
from schemas.engine.portfolio_journal import AddRequested
from schemas.grid.settings import GridMode
from schemas.grid.view import NotQuoting
from schemas.units import Symbol, VenueId
from tests.builders import BTC, SIM
from tests.engine.core.examples import LONG, SPOT, D
from tests.engine.core.portfolios import (
    ETH,
    add,
    answer,
    clock,
    for_all,
    market,
    risks,
    started,
    state_of,
    step,
    symbol,
)

replace = msgspec.structs.replace


@pytest.mark.parametrize("name", [CommandName.PAUSE, CommandName.FLATTEN, CommandName.RESUME])
def test_command_is_forwarded_to_each_symbol_with_a_derived_id(name: CommandName) -> None:
    request = for_all(name, venue=SIM)
    change = step(started(), request)
    assert [(each.symbol, each.command_id, each.name) for each in change.commands] == [
        (symbol, f"{request.command.command_id}.{symbol}", name) for symbol in (BTC, ETH)
    ]
    assert answer(change) == (CommandOutcome.APPLIED, f"forwarded to 2 symbols, each answers: {BTC}, {ETH}")


def test_command_to_all_venues_is_forwarded_with_the_venue_in_its_id() -> None:
    request = replace(for_all(CommandName.PAUSE), markets=(market(BTC), market(BTC, VenueId("sim2"))))
    change = step(started(), request)
    assert [(each.venue, each.symbol) for each in change.commands] == [("sim", BTC), ("sim2", BTC)]
    assert len({each.command_id for each in change.commands}) == 2
    assert answer(change)[1] == f"forwarded to 2 symbols, each answers: sim {BTC}, sim2 {BTC}"


@pytest.mark.parametrize("name", [CommandName.TRIP, CommandName.RESET])
def test_trip_and_reset_of_a_venue_go_to_its_symbols(name: CommandName) -> None:
    portfolio = started()
    change = step(portfolio, for_all(name, venue=SIM))
    assert [each.name for each in change.commands] == [name, name]
    assert not risks(change)


def test_reset_of_a_venue_says_that_the_global_breaker_stays_open() -> None:
    portfolio = started()
    step(portfolio, for_all(CommandName.TRIP))
    assert "control reset _all _all" in answer(step(portfolio, for_all(CommandName.RESET, venue=SIM)))[1]


def test_command_without_symbols_is_unchanged() -> None:
    change = step(started(), for_all(CommandName.PAUSE, symbols=()))
    assert answer(change) == (CommandOutcome.UNCHANGED, "no symbol is traded here")


def test_expired_command_is_answered_but_not_forwarded() -> None:
    change = step(started(), for_all(CommandName.PAUSE, received=31))
    assert answer(change)[0] is CommandOutcome.EXPIRED
    assert not change.commands


def test_trip_and_reset_apply_to_the_global_breaker() -> None:
    portfolio = started()
    change = step(portfolio, for_all(CommandName.TRIP))
    assert answer(change) == (
        CommandOutcome.APPLIED,
        "the global circuit breaker is open; no opening order is open",
    )
    assert not change.commands
    assert answer(step(portfolio, for_all(CommandName.TRIP)))[0] is CommandOutcome.UNCHANGED
    assert answer(step(portfolio, for_all(CommandName.RESET)))[0] is CommandOutcome.APPLIED


def test_add_for_all_symbols_is_refused() -> None:
    assert answer(step(started(), for_all(CommandName.ADD)))[0] is CommandOutcome.REFUSED


def test_added_symbol_gets_the_next_generation() -> None:
    portfolio = started()
    change = step(portfolio, add(LONG, last_generation=4))
    (entry,) = change.entries
    assert (entry.symbol, entry.generation, entry.instance, entry.settings) == (BTC, 5, "sqt", LONG)
    assert answer(change)[0] is CommandOutcome.APPLIED
    assert step(portfolio, add(LONG)).entries[0].generation == 6
    assert state_of(portfolio).generations == {f"sim {BTC}": 6}


@pytest.mark.parametrize(
    ("add_request", "outcome", "text"),
    [
        (add(LONG, received=31), CommandOutcome.EXPIRED, "expiry"),
        (add(LONG, is_running=True), CommandOutcome.UNCHANGED, "already traded"),
        (add(LONG, instrument=None), CommandOutcome.REFUSED, "not a known instrument"),
        (add(None), CommandOutcome.REFUSED, "no settings"),
        (add(replace(LONG, mode=GridMode.NEUTRAL), instrument=SPOT), CommandOutcome.REFUSED, "sells short"),
        (add(LONG, symbols=(BTC,)), CommandOutcome.REFUSED, "order ids would collide"),
        (
            add(replace(LONG, monitor_symbols=(Symbol("XRP/USDT"),))),
            CommandOutcome.REFUSED,
            "monitor_symbols has XRP/USDT",
        ),
        (add(LONG, last_generation=MAX_GENERATION), CommandOutcome.REFUSED, "used up"),
    ],
)
def test_add_is_refused_with_a_reason(add_request: AddRequested, outcome: CommandOutcome, text: str) -> None:
    change = step(started(), add_request)
    assert answer(change)[0] is outcome
    assert text in answer(change)[1]
    assert not change.entries


BLOCKED = NotQuoting.GLOBAL_BREAKER


def tripped() -> Portfolio:
    """Return a portfolio whose global breaker was tripped while one symbol had 3 opening orders."""
    portfolio = started()
    portfolio.process([symbol(BTC, opening_orders=3), symbol(ETH, not_quoting=NotQuoting.PAUSED)])
    text = "the global circuit breaker is open; 3 opening orders of 1 symbol are being canceled, closing orders stay"
    assert answer(step(portfolio, for_all(CommandName.TRIP))) == (CommandOutcome.ACCEPTED, text)
    return portfolio


def test_global_trip_is_applied_when_no_symbol_has_an_opening_order() -> None:
    portfolio = tripped()
    assert portfolio.process([symbol(BTC, not_quoting=BLOCKED, opening_orders=1)]) is None
    outcome, text = answer(step(portfolio, symbol(BTC, not_quoting=BLOCKED)))
    assert (outcome, "3 opening orders canceled or filled" in text) == (CommandOutcome.APPLIED, True)


def test_global_trip_is_incomplete_at_its_time_out() -> None:
    portfolio = tripped()
    step(portfolio, symbol(BTC, not_quoting=BLOCKED, opening_orders=2, seconds=1))
    outcome, text = answer(step(portfolio, clock(11)))
    assert outcome is CommandOutcome.INCOMPLETE
    assert f"1 opening orders ended, 2 still open, of sim {BTC}" in text


def test_reset_supersedes_a_pending_global_trip() -> None:
    change = step(tripped(), for_all(CommandName.RESET))
    results = [each.outcome for each in change.notices if isinstance(each, CommandResult)]
    assert results == [CommandOutcome.INCOMPLETE, CommandOutcome.APPLIED]


def test_add_of_a_running_symbol_tells_which_settings_differ() -> None:
    request = replace(
        add(replace(LONG, order_amount=D(40), mode=GridMode.NEUTRAL), is_running=True), running=LONG
    )
    outcome, text = answer(step(started(), request))
    assert outcome is CommandOutcome.REFUSED
    assert "mode is long, not neutral; order_amount is 100 USDT, not 40 USDT" in text
    assert f"./opensqt control set sim {BTC} --set 'order_amount=40 USDT'" in text
    same = replace(add(LONG, is_running=True), running=LONG)
    assert answer(step(started(), same))[0] is CommandOutcome.UNCHANGED


@pytest.mark.parametrize("limit", ["stop_below_price", "stop_above_price", "trigger_price"])
def test_add_with_a_limit_that_is_reached_already_needs_a_confirmation(limit: str) -> None:
    request = replace(add(replace(LONG, **{limit: D(100)})), price=D(100))
    outcome, text = answer(step(started(), request))
    assert outcome is CommandOutcome.REFUSED
    assert f"{limit} 100 is reached already at 100" in text
    confirmed = replace(request, command=replace(request.command, confirmed=True))
    assert answer(step(started(), confirmed))[0] is CommandOutcome.APPLIED
