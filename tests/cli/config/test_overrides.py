"""Settings from the environment, and the effective configuration."""

import pytest

from cli.config.file import Configuration, read
from cli.config.show import effective
from tests.cli.config.test_file import GOOD

SECRET = 'http: { jwt: { algorithm: HS256, secret: "${KEY}" }, port: 80 }\n'


def good(**environment: str) -> Configuration:
    configuration, mistakes = read(GOOD, environment)
    assert configuration is not None, mistakes
    return configuration


def mistakes(**environment: str) -> list[str]:
    return [mistake.text for mistake in read(GOOD, environment)[1]]


def test_a_variable_takes_precedence_over_the_file() -> None:
    assert good(OPENSQT__VENUES__SIM__SEED="7").venue.seed == 7


def test_a_variable_adds_a_table() -> None:
    found = good(OPENSQT__HTTP__PORT="8081", OPENSQT__http__Allowed_Origins="https://a.b, https://c.d")
    assert found.http.port == 8081
    assert found.http.allowed_origins == frozenset({"https://a.b", "https://c.d"})


def test_a_symbol_is_named_by_venue_and_symbol() -> None:
    (entry, *_) = good().symbols
    token = entry.symbol.replace("/", "_").replace(":", "_")
    changed = good(**{f"OPENSQT__SYMBOLS__{entry.venue}__{token}__ORDER_AMOUNT": "77 USDT"})
    assert changed.symbols[0].settings.order_amount == 77


@pytest.mark.parametrize(
    ("variable", "value", "text"),
    [
        ("OPENSQT__HTTP__PROT", "1", "http.prot, set by OPENSQT__HTTP__PROT, is unknown; did you mean port?"),
        ("OPENSQT__NOTHING", "1", "nothing, set by OPENSQT__NOTHING, is unknown"),
        ("OPENSQT__HTTP__PORT", "x", "not '${OPENSQT__HTTP__PORT}'"),
        ("OPENSQT__VENUES", "x", "OPENSQT__VENUES: venues is a table"),
        ("OPENSQT__SYMBOLS__SIM__DOGE_USDT__MODE", "long", "has no symbol DOGE_USDT of venue SIM"),
    ],
)
def test_a_mistake_names_the_variable(variable: str, value: str, text: str) -> None:
    assert any(text in mistake for mistake in mistakes(**{variable: value}))


def test_the_effective_configuration_names_sources_and_hides_secrets() -> None:
    shown = effective(SECRET, {"KEY": "hush", "OPENSQT__HTTP__PORT": "81"})
    assert "port: 81  # from OPENSQT__HTTP__PORT" in shown
    assert "secret: ***  # from KEY" in shown
    assert "hush" not in shown
