"""Tests of options that come from the environment."""

import pytest

from bus import OptionParser


def parser(**environment: str) -> OptionParser:
    made = OptionParser(environment=environment, prog="part")
    made.add_argument("--http-port", type=int, default=1)
    made.add_argument("--symbol", action="append", default=[])
    made.add_argument("--lock-step", action="store_true")
    return made


def test_an_option_is_read_from_the_environment() -> None:
    assert parser(OPENSQT_HTTP_PORT="8080").parse_args([]).http_port == 8080


def test_the_command_line_takes_precedence() -> None:
    environment = parser(OPENSQT_HTTP_PORT="8080", OPENSQT_SYMBOL="A/B,C/D")
    options = environment.parse_args(["--http-port=9", "--symbol", "E/F"])
    assert (options.http_port, options.symbol) == (9, ["E/F"])


def test_repeated_values_are_separated_by_commas() -> None:
    assert parser(OPENSQT_SYMBOL="A/B, C/D").parse_args([]).symbol == ["A/B", "C/D"]


@pytest.mark.parametrize(("value", "is_set"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_a_flag_is_read_from_the_environment(value: str, is_set: bool) -> None:
    assert parser(OPENSQT_LOCK_STEP=value).parse_args([]).lock_step is is_set


def test_an_invalid_flag_names_its_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser(OPENSQT_LOCK_STEP="maybe").parse_args([])
    assert "OPENSQT_LOCK_STEP is a flag" in capsys.readouterr().err
