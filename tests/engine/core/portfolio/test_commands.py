"""What people ask of all symbols: answered once, given on with ids that are the same each time."""

import msgspec
import pytest

from engine.core.portfolio.commands import LAST_GENERATION
from schemas.engine.control import CommandName, CommandOutcome
from schemas.engine.portfolio_journal import AddRequested
from schemas.grid.settings import GridMode
from schemas.units import Symbol
from tests.engine.core.examples import BTC, LONG, SPOT
from tests.engine.core.portfolios import ETH, add, answer, for_all, started, state_of, step

replace = msgspec.structs.replace


@pytest.mark.parametrize("name", [CommandName.PAUSE, CommandName.FLATTEN, CommandName.RESUME])
def test_a_command_is_given_to_each_symbol_under_an_id_of_its_own(name: CommandName) -> None:
    asked = for_all(name)
    change = step(started(), asked)
    assert [(each.symbol, each.command_id, each.name) for each in change.commands] == [
        (symbol, f"{asked.command.command_id}.{symbol}", name) for symbol in (BTC, ETH)
    ]
    assert answer(change) == (CommandOutcome.APPLIED, f"given to {BTC}, {ETH}, each of which answers")


def test_with_no_symbols_there_is_nobody_to_give_it_to() -> None:
    change = step(started(), for_all(CommandName.PAUSE, symbols=()))
    assert answer(change) == (CommandOutcome.UNCHANGED, "no symbol is traded here")


def test_an_expired_command_is_answered_and_not_given_on() -> None:
    change = step(started(), for_all(CommandName.PAUSE, received=31))
    assert answer(change)[0] is CommandOutcome.EXPIRED
    assert not change.commands


def test_trip_and_reset_are_about_the_global_breaker() -> None:
    portfolio = started()
    change = step(portfolio, for_all(CommandName.TRIP))
    assert answer(change) == (CommandOutcome.APPLIED, "the global circuit breaker is open")
    assert not change.commands
    assert answer(step(portfolio, for_all(CommandName.TRIP)))[0] is CommandOutcome.UNCHANGED
    assert answer(step(portfolio, for_all(CommandName.RESET)))[0] is CommandOutcome.APPLIED


def test_all_cannot_be_added() -> None:
    assert answer(step(started(), for_all(CommandName.ADD)))[0] is CommandOutcome.REFUSED


def test_a_symbol_is_added_in_the_generation_after_its_last() -> None:
    portfolio = started()
    change = step(portfolio, add(LONG, last_generation=4))
    (entry,) = change.entries
    assert (entry.symbol, entry.generation, entry.instance, entry.settings) == (BTC, 5, "sqt", LONG)
    assert answer(change)[0] is CommandOutcome.APPLIED
    assert step(portfolio, add(LONG)).entries[0].generation == 6
    assert state_of(portfolio).generations == {BTC: 6}


@pytest.mark.parametrize(
    ("asked", "outcome", "said"),
    [
        (add(LONG, received=31), CommandOutcome.EXPIRED, "expiry"),
        (add(LONG, is_running=True), CommandOutcome.UNCHANGED, "traded already"),
        (add(LONG, instrument=None), CommandOutcome.REFUSED, "not known to trade"),
        (add(None), CommandOutcome.REFUSED, "no settings"),
        (add(replace(LONG, mode=GridMode.NEUTRAL), instrument=SPOT), CommandOutcome.REFUSED, "sells short"),
        (add(LONG, symbols=(BTC,)), CommandOutcome.REFUSED, "order ids could not be told"),
        (
            add(replace(LONG, monitor_symbols=(Symbol("XRP/USDT"),))),
            CommandOutcome.REFUSED,
            "monitor_symbols has XRP/USDT",
        ),
        (add(LONG, last_generation=LAST_GENERATION), CommandOutcome.REFUSED, "used up"),
    ],
)
def test_what_cannot_be_added_is_refused_with_the_reason(
    asked: AddRequested, outcome: CommandOutcome, said: str
) -> None:
    change = step(started(), asked)
    assert answer(change)[0] is outcome
    assert said in answer(change)[1]
    assert not change.entries
