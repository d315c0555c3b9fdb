"""Limits over all symbols, and the funding of a venue, in a configuration file."""

from decimal import Decimal as D  # noqa: N817 - figures read better

import pytest

from cli.config.file import read
from schemas.engine.portfolio import PortfolioSettings
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
    assert good(text=text).portfolio == PortfolioSettings(
        max_exposure=D(1000),
        resume_below=D("0.9"),
        max_drawdown_ratio=D("0.05"),
        max_losing_round_trips=10,
        max_order_latency=2 * SECOND_NS,
        breaker_cool_down=600 * SECOND_NS,
        max_stale_symbols=2,
        max_tripped_symbols=3,
    )


def test_a_drawdown_may_be_an_amount() -> None:
    assert good(text=with_portfolio("max_drawdown: 50 USDT")).portfolio.max_drawdown == 50


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_exposure: -5 USDT", "portfolio"),
        ("max_drawdown: 5%", "portfolio.max_drawdown is a percentage of max_exposure, which is not set"),
        ("max_drawdown: much", "portfolio.max_drawdown has to be an amount"),
        ("resume_below: 0%", "portfolio.resume_below has to be above 0%"),
        ("breaker_cool_down: 0s", "portfolio.breaker_cool_down has to be above 0"),
        ("max_exposures: 5 USDT", "did you mean max_exposure?"),
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
