"""The answer to a command, composed of the results and of what prevents one."""

from typing import Any

import pytest
from msgspec.structs import replace

from bus.commands import AddressedSymbol
from bus.parts.view import Blocked, PartsView
from liveserver.commands.answers import CommandProgress
from schemas import subjects
from schemas.engine.control import Command, CommandOutcome, CommandResult
from schemas.grid.view import NotQuoting
from schemas.subjects import ALL
from schemas.units import SECOND_NS, Symbol
from tests.builders import BTC, COMMAND, RESULT, SIM
from tests.liveserver.events import ETH

LATER = COMMAND.time + 10 * SECOND_NS
EXPIRES = COMMAND.time + 30 * SECOND_NS
PAUSE = replace(COMMAND, venue=SIM, symbol=BTC, command_id="c1", expires_time=EXPIRES)
ALL_WELL = PartsView()
PAUSE_ALL = replace(PAUSE, symbol=Symbol(ALL))


def result(
    outcome: CommandOutcome, symbol: Symbol = BTC, command_id: str = "c1", **fields: Any
) -> CommandResult:
    given = replace(RESULT, venue=SIM, symbol=symbol, command_id=command_id, detail="done")
    return replace(given, outcome=outcome, **fields)


def blocked(reason: NotQuoting) -> PartsView:
    why = Blocked(reason, "The part is silent.", "Start it: ./opensqt part")
    return PartsView(blocked_symbols={subjects.registry_key(SIM, BTC): why})


def progress(command: Command = PAUSE, parts: PartsView = ALL_WELL) -> CommandProgress:
    return CommandProgress(command, "k", lambda: parts)


def test_a_stored_command_without_an_engine_names_what_to_start() -> None:
    answer = progress(parts=blocked(NotQuoting.ENGINE_SILENT)).answer(LATER)

    assert (answer.state, answer.final, answer.outcome) == ("given", False, None)
    assert answer.detail == (
        "stored, but no engine has answered; it expires in 20 s. The part is silent. Start it: ./opensqt part"
    )
    assert "it has expired" in progress().answer(EXPIRES).detail


@pytest.mark.parametrize(
    ("outcome", "reason", "is_told"),
    [
        (CommandOutcome.ACCEPTED, NotQuoting.GATEWAY_SILENT, True),
        (CommandOutcome.APPLIED, NotQuoting.GATEWAY_SILENT, True),
        (CommandOutcome.INCOMPLETE, NotQuoting.VENUE_UNREACHABLE, True),
        (CommandOutcome.REFUSED, NotQuoting.GATEWAY_SILENT, False),
        (CommandOutcome.APPLIED, NotQuoting.MARKET_SILENT, False),
    ],
)
def test_an_answer_names_what_keeps_orders_from_the_venue(
    outcome: CommandOutcome, reason: NotQuoting, is_told: bool
) -> None:
    given = progress(parts=blocked(reason))
    given.apply(result(outcome))

    assert ("The part is silent" in given.answer(LATER).detail) is is_told
    assert given.answer(EXPIRES + 1).detail == "done"


def test_the_final_result_replaces_the_accepted_one() -> None:
    given = progress()
    given.apply(result(CommandOutcome.ACCEPTED, orders_canceled=1, orders_out=11))
    accepted = given.answer(LATER)
    given.apply(result(CommandOutcome.APPLIED, orders_canceled=12, orders_out=0))
    applied = given.answer(LATER)

    assert (accepted.state, accepted.final, accepted.orders_out) == ("accepted", False, 11)
    assert (applied.state, applied.final, applied.orders_canceled) == ("answered", True, 12)
    assert (applied.venue, applied.market) == ("sim", BTC)


def test_a_command_to_all_symbols_is_as_good_as_its_worst_answer() -> None:
    given = progress(PAUSE_ALL)
    given.expect([AddressedSymbol(SIM, BTC), AddressedSymbol(SIM, ETH)])
    given.apply(result(CommandOutcome.APPLIED, Symbol(ALL)))
    given.apply(result(CommandOutcome.APPLIED, BTC, f"c1.{BTC}"))
    incomplete = given.answer(LATER)
    given.apply(result(CommandOutcome.REFUSED, ETH, f"c1.{ETH}"))
    complete = given.answer(LATER)

    assert (incomplete.final, incomplete.detail) == (False, "2 symbols: 1 applied, 1 not answered")
    assert [each.outcome for each in incomplete.answers] == ["applied", None]
    assert (complete.final, complete.outcome) == (True, "refused")
    assert complete.detail == "2 symbols: 1 refused, 1 applied"
