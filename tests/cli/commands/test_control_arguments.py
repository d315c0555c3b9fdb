"""What is typed after `opensqt control`, and the command that it means."""

from decimal import Decimal
from pathlib import Path

import pytest

from cli.__main__ import parser
from cli.commands.control_arguments import COMMANDS, meant
from cli.errors import CommandError
from schemas.engine.control import Command, CommandName
from schemas.grid.settings import GridMode, GridSettings

SYMBOL = "BTC/USDT:USDT"
SET = ("--set", "mode=long", "--set", "order_amount=30 USDT", "--set", "price_interval=20 USDT")


def typed(*words: str, symbol: str = SYMBOL) -> Command:
    name, *rest = words
    return meant(parser().parse_args(["control", name, "sim", symbol, *rest]))


def added(*words: str) -> GridSettings:
    settings = typed("add", *words).settings
    assert settings is not None
    return settings


def test_every_command_can_be_typed() -> None:
    assert set(COMMANDS) == set(CommandName)


def test_a_command_says_who_why_and_on_what() -> None:
    given = typed("stop", "--reason", "night", "--operator", "ann", "--expires", "5s")
    assert (given.name, given.symbol, given.operator, given.reason) == (
        CommandName.STOP,
        SYMBOL,
        "ann",
        "night",
    )
    assert given.expires_time - given.time == 5 * 10**9


def test_the_venue_as_a_whole_can_be_meant() -> None:
    assert typed("trip", symbol="_all").symbol == "_all"


def test_changes_are_as_they_were_typed() -> None:
    given = typed("set", "--set", "order_amount=40 USDT", "--set", "stale_after = 7s")
    assert given.changes == {"order_amount": "40 USDT", "stale_after": "7s"}


def test_a_dry_run_and_a_kept_position_are_asked_for() -> None:
    assert typed("reconcile", "--dry-run").dry_run
    assert typed("remove", "--keep-position").keep_position


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("stop", "--dry-run"), "--dry-run goes with reconcile, not stop"),
        (("pause", "--keep-position"), "--keep-position goes with remove, not pause"),
        (("pause", "--set", "a=1"), "--set goes with set or add, not pause"),
        (("set", "--settings", "f"), "--settings goes with add, not set"),
        (("set",), "set needs what to change"),
        (("add",), "add needs settings"),
        (("add", "--settings", "/nowhere"), "/nowhere: No such file or directory"),
        (("add", "--set", "mode=long"), "price_interval is missing; order_amount is missing"),
        (("add", *SET, "--set", "colour=red"), "colour is not known"),
        (("add", *SET, "--set", "stop_loss=5 EUR"), "stop_loss has to be in USDT, the quote currency of"),
    ],
)
def test_what_does_not_go_together_is_told(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        typed(*words)


def test_settings_come_from_the_command_line() -> None:
    settings = added(*SET)
    assert (settings.mode, settings.order_amount, settings.price_interval) == (
        GridMode.LONG,
        Decimal(30),
        Decimal(20),
    )


def test_settings_come_from_a_file_with_changes_over_them(tmp_path: Path) -> None:
    file = tmp_path / "btc.yaml"
    file.write_text("venue: sim\nsymbol: X\nmode: neutral\norder_amount: 30 USDT\nprice_interval: 0.1%\n")
    settings = added("--settings", str(file), "--set", "order_amount=50 USDT")
    assert (settings.mode, settings.order_amount) == (GridMode.NEUTRAL, Decimal(50))


def test_mistakes_in_a_file_are_told_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "btc.yaml"
    file.write_text("mode: both\norder_amount: 30 USDT\nprice_interval: 0.1%\n")
    with pytest.raises(CommandError, match=r"btc\.yaml:1: mode has to be long or neutral"):
        added("--settings", str(file))


@pytest.mark.parametrize(
    ("text", "said"), [("- a", "has to be a table of keys"), ("{", "not YAML"), (b"\xff", "not UTF-8")]
)
def test_a_file_that_is_none_is_told(text: str | bytes, said: str, tmp_path: Path) -> None:
    file = tmp_path / "btc.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CommandError, match=said):
        added("--settings", str(file))
