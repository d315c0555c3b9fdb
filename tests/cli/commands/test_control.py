"""`control`: from the command line to the result."""

import time

import pytest

from bus import Bus, Registry
from cli.__main__ import parse
from cli.commands.control import command_from, control, new_command
from cli.errors import CommandError
from cli.stack.connection import BusAddress
from schemas import subjects
from schemas.engine.control import Command, CommandName
from schemas.units import SECOND_NS
from tests.cli.events import ENTRY, SYMBOL, VENUE


def pause(lifetime: int = 30 * SECOND_NS) -> Command:
    return new_command(CommandName.PAUSE, VENUE, SYMBOL, reason="lunch", operator="ann", lifetime=lifetime)


def test_a_command_has_operator_reason_and_expiry() -> None:
    command = pause(5 * SECOND_NS)

    assert (command.operator, command.reason) == ("ann", "lunch")
    assert command.expires_time - command.time == 5 * SECOND_NS
    assert abs(command.time - time.time_ns()) < 60 * SECOND_NS
    assert command.command_id != pause().command_id


async def test_the_name_of_the_page_addresses_the_symbol(bus: Bus) -> None:
    await Registry(bus, "symbols").create(subjects.registry_key(VENUE, SYMBOL), ENTRY)
    _, options = parse("control", ["pause", VENUE, "BTCUSDT", "--timeout", "100ms"])

    assert await control(BusAddress(bus.url), options) == 1
    assert await bus.last("CONTROL", subjects.command(VENUE, SYMBOL, "pause")) is not None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("pause", "sim", "BTC/USDT:USDT"), "nothing is traded on a venue sim; there is none"),
        (("pause", "simm", "_all"), "there is no venue simm; there is none"),
        (("add", "sim", "BTCUSDT", "--set", "mode=long"), "nothing is listed on a venue sim"),
    ],
)
async def test_an_unknown_name_is_rejected_before_anything_is_sent(
    bus: Bus, words: tuple[str, ...], message: str
) -> None:
    _, options = parse("control", list(words))
    with pytest.raises(CommandError, match=message):
        await control(BusAddress(bus.url), options)

    assert (await bus.stream_state("CONTROL")).messages == 0


@pytest.mark.parametrize(
    "words",
    [
        ["set", "sim", "BTC/USDT:USDT", "--set", "stop_loss=1 USDT"],
        [
            *("add", "sim", "BTC/USDT:USDT", "--set", "mode=long", "--set", "order_amount=40 USDT"),
            *("--set", "price_interval=40 USDT", "--set", "stop_above_price=50000 USDT"),
        ],
    ],
)
def test_what_happens_at_once_is_confirmed_with_yes(words: list[str]) -> None:

    assert command_from(parse("control", [*words, "--yes"])[1]).confirmed
    assert not command_from(parse("control", words)[1]).confirmed
