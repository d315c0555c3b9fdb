"""Limits over all symbols, and the funding of a venue, in a configuration file."""

from decimal import Decimal as D  # noqa: N817 - figures read better
from typing import Any

import pytest

from cli.config.file import read
from schemas.engine.portfolio import CurrencyLimits, PortfolioSettings
from schemas.units import SECOND_NS
from tests.cli.config.test_file import GOOD, good


def with_portfolio(text: str) -> str:
    return f"{GOOD}portfolio: {{ {text} }}\n"


def test_without_a_section_there_are_no_limits() -> None:
    assert good().portfolio == PortfolioSettings()


def test_limits_are_read_with_their_units() -> None:
    text = with_portfolio(
        "max_exposure: 1000 USDT, resume_below: 90%, max_drawdown: 5%, max_losing_round_trips: 10, "
        "max_order_latency: 2s, breaker_cool_down: 10m, max_stale_symbols: 2, max_tripped_symbols: 3"
    )
    other: dict[str, Any] = {
        "resume_below": D("0.9"),
        "max_losing_round_trips": 10,
        "breaker_cool_down": 600 * SECOND_NS,
    }
    usdt = CurrencyLimits(max_exposure=D(1000), max_drawdown_ratio=D("0.05"), **other)
    assert good(text=text).portfolio == PortfolioSettings(
        max_order_latency=2 * SECOND_NS,
        max_stale_symbols=2,
        max_tripped_symbols=3,
        currencies={"USDT": usdt},
        **other,
    )


def test_a_drawdown_may_be_an_amount() -> None:
    assert good(text=with_portfolio("max_drawdown: 50 USDT")).portfolio.of("USDT").max_drawdown == 50


def test_each_currency_has_its_table_and_other_keys_are_for_all() -> None:
    text = with_portfolio(
        "USDT: { max_exposure: 1000 USDT, resume_below: 90% }, BTC: { max_exposure: 0.05 BTC }, resume_below: 80%"
    )
    portfolio = good(text=in_two_currencies(text)).portfolio
    assert (portfolio.of("USDT").max_exposure, portfolio.of("USDT").resume_below) == (D(1000), D("0.9"))
    assert (portfolio.of("BTC").max_exposure, portfolio.of("BTC").resume_below) == (D("0.05"), D("0.8"))


def test_an_amount_without_a_table_is_for_one_currency() -> None:
    configuration, found = read(in_two_currencies(with_portfolio("max_exposure: 1000 USDT")), {})
    assert configuration is None
    assert (
        "portfolio.max_exposure is for one quote currency, the symbols have several: write "
        "BTC: { max_exposure: ... }; USDT: { max_exposure: ... }"
    ) in {each.text for each in found}


def in_two_currencies(text: str) -> str:
    """Return the configuration with its second symbol quoted in BTC."""
    return (
        text.replace("ETH/USDT", "ETH/BTC")
        .replace("start_price: 3000 USDT", "start_price: 0.05 BTC")
        .replace("tick_size: 0.01\n", "tick_size: 0.00001\n")
        .replace("order_amount: 30 USDT", "order_amount: 0.01 BTC")
        .replace("[10000 USDT]", "[10000 USDT, 1 BTC]")
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_exposure: -5 USDT", "portfolio"),
        ("max_drawdown: 5%", "portfolio.max_drawdown is a percentage of max_exposure, which is not set"),
        ("max_drawdown: much", "portfolio.max_drawdown has to be an amount"),
        ("resume_below: 0%", "portfolio.resume_below has to be above 0%"),
        ("breaker_cool_down: 0s", "portfolio.breaker_cool_down has to be above 0"),
        ("max_exposures: 5 USDT", "did you mean max_exposure?"),
        ("max_exposure: 5 BTC", "portfolio.max_exposure has to be in USDT, not BTC"),
        ("USDT: { max_exposure: 5 BTC }", "portfolio.USDT.max_exposure has to be in USDT, not BTC"),
        ("USDC: { max_exposure: 5 USDC }", "no instrument is quoted in USDC; quote currencies: USDT"),
        ("USDT: { max_exposures: 5 USDT }", "portfolio.USDT.max_exposures is unknown"),
        (
            "USDT: { max_drawdown: 5 USDT }, max_exposure: 5 USDT",
            "portfolio.max_exposure has to be in the table of a currency",
        ),
    ],
)
def test_a_mistake_is_reported(text: str, message: str) -> None:
    configuration, mistakes = read(with_portfolio(text), {})
    assert configuration is None
    assert any(message in mistake.text for mistake in mistakes), mistakes


def test_a_venue_can_have_funding_and_a_maintenance_margin() -> None:
    text = GOOD.replace(
        "    leverage: 5\n",
        "    leverage: 5\n    funding: { rate: 0.01%, interval: 1h }\n    maintenance_margin: 0.5%\n"
        "    faults: { latency: 100ms }\n",
    )
    venue = good(text=text).venue
    assert (venue.funding.rate, venue.funding.interval) == (D("0.0001"), 3600 * SECOND_NS)
    assert venue.maintenance_margin == D("0.005")
    assert venue.faults.latency == SECOND_NS // 10
