"""The options of `control` and the command that they describe."""

from decimal import Decimal
from pathlib import Path

import pytest

from cli.__main__ import parse
from cli.commands.control import SUMMARIES, command_from
from cli.errors import CommandError
from schemas.engine.control import Command, CommandName
from schemas.grid.settings import GridMode, GridSettings

SYMBOL = "BTC/USDT:USDT"
SET = ("--set", "mode=long", "--set", "order_amount=30 USDT", "--set", "price_interval=20 USDT")


def parsed(*words: str, symbol: str = SYMBOL) -> Command:
    name, *rest = words
    _, options = parse("control", [name, "sim", symbol, *rest])
    return command_from(options)


def added(*words: str) -> GridSettings:
    settings = parsed("add", *words).settings
    assert settings is not None
    return settings


def test_every_command_is_accepted() -> None:
    assert set(SUMMARIES) == set(CommandName)


def test_a_command_has_symbol_operator_and_reason() -> None:
    command = parsed("stop", "--reason", "night", "--operator", "ann", "--expires", "5s")
    assert (command.name, command.symbol, command.operator, command.reason) == (
        CommandName.STOP,
        SYMBOL,
        "ann",
        "night",
    )
    assert command.expires_time - command.time == 5 * 10**9


def test_a_command_can_address_the_whole_venue() -> None:
    assert parsed("trip", symbol="_all").symbol == "_all"


def test_changes_are_kept_as_text() -> None:
    command = parsed("set", "--set", "order_amount=40 USDT", "--set", "stale_after = 7s")
    assert command.changes == {"order_amount": "40 USDT", "stale_after": "7s"}


def test_flags_are_set_in_the_command() -> None:
    assert parsed("reconcile", "--dry-run").dry_run
    assert parsed("remove", "--keep-position").keep_position


@pytest.mark.parametrize("quantity", ["0", "-0.153", "2.5"])
def test_accepted_position_is_part_of_the_command(quantity: str) -> None:
    command = parsed("reconcile", "--accept", quantity, "--reason", "sold by hand")
    assert command.accept == Decimal(quantity)
    assert parsed("reconcile").accept is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("pause", "--accept", "0"), "--accept is an option of reconcile, not of pause"),
        (("reconcile", "--accept", "0"), "--accept needs a reason"),
        (("stop", "--dry-run"), "--dry-run is an option of reconcile, not of stop"),
        (("pause", "--keep-position"), "--keep-position is an option of remove, not of pause"),
        (("stop", "--yes"), "--yes is an option of set and add, not of stop"),
        (("pause", "--set", "a=1"), "--set is an option of set and add, not of pause"),
        (("set", "--settings", "f"), "--settings is an option of add, not of set"),
        (("set",), "set needs at least one change"),
        (("add",), "add needs settings"),
        (("add", "--settings", "/nowhere"), "/nowhere: No such file or directory"),
        (("add", "--set", "mode=long"), "price_interval is missing; order_amount is missing"),
        (("add", *SET, "--set", "colour=red"), "colour is unknown"),
        (("add", *SET, "--set", "stop_loss=5 EUR"), "stop_loss has to be in USDT, the quote currency of"),
    ],
)
def test_contradictory_options_are_rejected(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        parsed(*words)


def test_position_of_the_whole_venue_cannot_be_accepted() -> None:
    with pytest.raises(CommandError, match="--accept needs one symbol"):
        parsed("reconcile", "--accept", "0", "--reason", "x", symbol="_all")


def test_settings_come_from_the_command_line() -> None:
    settings = added(*SET)
    assert (settings.mode, settings.order_amount, settings.price_interval) == (
        GridMode.LONG,
        Decimal(30),
        Decimal(20),
    )


def test_changes_override_the_settings_file(tmp_path: Path) -> None:
    file = tmp_path / "btc.yaml"
    file.write_text("venue: sim\nsymbol: X\nmode: neutral\norder_amount: 30 USDT\nprice_interval: 0.1%\n")
    settings = added("--settings", str(file), "--set", "order_amount=50 USDT")
    assert (settings.mode, settings.order_amount) == (GridMode.NEUTRAL, Decimal(50))


def test_mistakes_in_a_settings_file_have_line_numbers(tmp_path: Path) -> None:
    file = tmp_path / "btc.yaml"
    file.write_text("mode: both\norder_amount: 30 USDT\nprice_interval: 0.1%\n")
    with pytest.raises(CommandError, match=r"btc\.yaml:1: mode has to be long or neutral"):
        added("--settings", str(file))


@pytest.mark.parametrize(
    ("text", "message"), [("- a", "has to be a table of keys"), ("{", "not YAML"), (b"\xff", "not UTF-8")]
)
def test_an_invalid_settings_file_is_rejected(text: str | bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "btc.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CommandError, match=message):
        added("--settings", str(file))
