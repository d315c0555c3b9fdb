"""Models of a simulated venue in a configuration."""

from decimal import Decimal as D  # noqa: N817 - figures read better

import pytest

from cli.config.file import read
from producers.simulated.parameters import (
    BookSettings,
    FeeTier,
    FillModel,
    FillSettings,
    LatencySettings,
    Maintenance,
    MarginMode,
    MarkSettings,
    OrderRateWindow,
    PositionMode,
    RuleChange,
    SelfTradePrevention,
)
from schemas.units import MILLISECOND_NS, SECOND_NS, Symbol
from tests.cli.config.test_file import GOOD, good

SYMBOL = "        start_price: 60000 USDT\n"
VENUE = "    balances:"
MODELS = """\
    fills: { model: queue, touch_probability: 20%, touch_share: 10%, queue_share: 150% }
    book: { levels: 8, level_ticks: 2, growth: 25%, variation: 50%, refill: 2s, spread_widening: 0.5 }
    marks: { index_window: 5s, basis_window: 30s }
    latency: { request: 20ms, jitter: 10ms }
    self_trade_prevention: expire_maker
    position_mode: hedge
    order_rate_windows: [ { orders: 300, interval: 10s } ]
    maintenances: [ { after: 1h, duration: 5m } ]
    rule_changes:
      - { after: 1h, symbol: "BTC/USDT:USDT", tick_size: 1, status: halted }
"""
TIERS = """\
        fee_tiers:
          - { volume: 1000000 USDT, maker_fee: -0.01%, taker_fee: 0.03% }
        margin_mode: isolated
        contract_size: 0.00001
"""


def with_models(models: str = MODELS, tiers: str = TIERS) -> str:
    assert VENUE in GOOD
    return GOOD.replace(SYMBOL, SYMBOL + tiers, 1).replace(VENUE, models + VENUE, 1)


def test_models_are_read() -> None:
    venue = good(text=with_models()).venue
    assert venue.fills == FillSettings(
        model=FillModel.QUEUE, touch_probability=0.2, touch_share=0.1, queue_share=1.5
    )
    assert venue.book == BookSettings(
        levels=8, level_ticks=2, growth=0.25, variation=0.5, refill=2 * SECOND_NS, spread_widening=0.5
    )
    assert venue.marks == MarkSettings(index_window=5 * SECOND_NS, basis_window=30 * SECOND_NS)
    assert venue.latency == LatencySettings(request=20 * MILLISECOND_NS, jitter=10 * MILLISECOND_NS)
    assert venue.self_trade_prevention is SelfTradePrevention.EXPIRE_MAKER
    assert venue.position_mode is PositionMode.HEDGE


def test_limits_and_scheduled_changes_are_read() -> None:
    venue = good(text=with_models()).venue
    assert venue.order_rate_windows == (OrderRateWindow(orders=300, interval=10 * SECOND_NS),)
    assert venue.maintenances == (Maintenance(after=3600 * SECOND_NS, duration=300 * SECOND_NS),)
    assert venue.rule_changes == (
        RuleChange(
            after=3600 * SECOND_NS,
            symbol=Symbol("BTC/USDT:USDT"),
            changes={"tick_size": "1", "status": "halted"},
        ),
    )


def test_tiers_margin_mode_and_contract_size_of_a_symbol_are_read() -> None:
    symbol = good(text=with_models()).venue.symbols[0]
    assert symbol.fee_tiers == (FeeTier(volume=D(1_000_000), maker_fee=D("-0.0001"), taker_fee=D("0.0003")),)
    assert symbol.margin_mode is MarginMode.ISOLATED
    assert symbol.instrument.contract_size == D("0.00001")


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("model: queue", "model: best", "fills.model has to be optimistic or queue or through"),
        ("levels: 8", "levels: 0", "book.levels has to be"),
        ("orders: 300, ", "", "order_rate_windows[0].orders is missing"),
        ("duration: 5m", "duration: 0s", "maintenances[0].duration has to be above 0"),
        ("tick_size: 1, status: halted", "", "rule_changes[0] changes nothing"),
        ("jitter: 10ms", "jiter: 10ms", "latency.jiter is unknown; did you mean jitter?"),
    ],
)
def test_a_mistake_in_a_model_is_named(old: str, new: str, mistake: str) -> None:
    assert old in MODELS
    _, mistakes = read(with_models(MODELS.replace(old, new, 1)), {})
    assert any(mistake in str(each) for each in mistakes), mistakes


def test_by_default_a_venue_is_like_a_real_one() -> None:
    venue = good().venue
    assert venue.fills.model is FillModel.QUEUE
    assert venue.latency == LatencySettings(request=30 * MILLISECOND_NS, jitter=20 * MILLISECOND_NS)
    assert {each.instrument.fee_asset for each in venue.symbols} == {"received"}
