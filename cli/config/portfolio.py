"""The `portfolio` section of a configuration: limits over all symbols of the venue."""

from decimal import Decimal

from cli import units
from cli.config.section import Section
from cli.units import Amount
from schemas.engine.portfolio import PortfolioSettings
from schemas.units import Ratio


def read_portfolio(section: Section | None) -> PortfolioSettings:
    """Read the section; without one there are no limits."""
    default = PortfolioSettings()
    if section is None:
        return default
    exposure = section.optional("max_exposure", units.amount, None)
    drawdown = section.optional("max_drawdown", _amount_or_ratio, None)
    settings = PortfolioSettings(
        max_exposure=exposure.value if exposure else default.max_exposure,
        resume_below=section.optional("resume_below", units.ratio, default.resume_below),
        max_losing_round_trips=section.optional(
            "max_losing_round_trips", units.whole(0, 1000), default.max_losing_round_trips
        ),
        max_drawdown=drawdown.value if isinstance(drawdown, Amount) else default.max_drawdown,
        max_drawdown_ratio=drawdown if isinstance(drawdown, Decimal) else default.max_drawdown_ratio,
        drawdown_window=section.optional("drawdown_window", units.duration, default.drawdown_window),
        max_stale_symbols=section.optional(
            "max_stale_symbols", units.whole(0, 1000), default.max_stale_symbols
        ),
        max_tripped_symbols=section.optional(
            "max_tripped_symbols", units.whole(0, 1000), default.max_tripped_symbols
        ),
        max_order_latency=section.optional("max_order_latency", units.duration, default.max_order_latency),
        breaker_cool_down=section.optional("breaker_cool_down", units.duration, default.breaker_cool_down),
    )
    _check(section, settings)
    section.close()
    return settings


def _check(section: Section, settings: PortfolioSettings) -> None:
    if settings.max_exposure < 0 or settings.max_drawdown < 0:
        section.note("amounts in portfolio have to be 0 or above")
    if not 0 < settings.resume_below <= 1:
        section.note(
            "portfolio.resume_below has to be above 0% and at most 100%", section.line_of("resume_below")
        )
    if settings.max_drawdown_ratio and not settings.max_exposure:
        section.note(
            "portfolio.max_drawdown is a percentage of max_exposure, which is not set",
            section.line_of("max_drawdown"),
        )
    for name in ("drawdown_window", "breaker_cool_down"):
        if getattr(settings, name) <= 0:
            section.note(f"portfolio.{name} has to be above 0", section.line_of(name))


def _amount_or_ratio(text: str) -> Amount | Ratio:
    try:
        return units.ratio(text) if text.endswith("%") else units.amount(text)
    except ValueError:
        raise ValueError("has to be an amount, like 100 USDT, or a percentage, like 5%") from None
