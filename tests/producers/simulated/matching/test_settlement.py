"""Funding and liquidation: booked, published and stored."""

from decimal import Decimal as D  # noqa: N817 - many literals read better
from pathlib import Path

import msgspec
import pytest

from producers.simulated.matching.engine import MatchingEngine
from producers.simulated.settings import FundingSettings, SettingsError
from schemas.units import SECOND_NS, Side
from schemas.venue.orders import Funding, OrderStatus, Trade
from tests.producers.conftest import Serve
from tests.producers.simulated.examples import (
    PERP,
    SPOT,
    START_NS,
    apply_tick,
    new_engine,
    new_settings,
    order,
)

HOUR_NS = 3600 * SECOND_NS
FUNDING_TIME = START_NS - START_NS % HOUR_NS + HOUR_NS


def engine_with_position(
    side: Side = Side.BUY, quantity: str = "2", *, cash: str = "10000", **fields: object
) -> MatchingEngine:
    """Return a matching engine with a position at 100, just before a funding time."""
    matching = new_engine(cash=cash, **fields)  # type: ignore[arg-type]
    matching.pay_funding(D("0.01"), HOUR_NS, FUNDING_TIME - 1)
    matching.place(order(side, "100.1" if side is Side.BUY else "100.0", quantity), START_NS)
    matching.take_changes(START_NS, at_tick=False)
    return matching


def pay_funding(matching: MatchingEngine, time: int = FUNDING_TIME) -> list[Funding]:
    matching.pay_funding(D("0.01"), HOUR_NS, time)
    return [u.event for u in matching.take_changes(time, at_tick=True).events if isinstance(u.event, Funding)]


@pytest.mark.parametrize(("side", "amount"), [(Side.BUY, "-2"), (Side.SELL, "2")])
def test_longs_pay_shorts_at_the_interval(side: Side, amount: str) -> None:
    matching = engine_with_position(side)
    before = matching.account.wallets["USDT"].total
    (payment,) = pay_funding(matching)
    assert (payment.amount, payment.time) == (D(amount), FUNDING_TIME)
    wallet = matching.account.wallets["USDT"]
    assert wallet.total == before + D(amount)
    assert wallet.total == wallet.initial + wallet.realized - wallet.fees + wallet.funding


def test_each_missed_interval_is_paid() -> None:
    matching = engine_with_position()
    payments = pay_funding(matching, FUNDING_TIME + 2 * HOUR_NS)
    assert [each.time for each in payments] == [FUNDING_TIME + hours * HOUR_NS for hours in range(3)]
    assert [each.amount for each in payments] == [D(-2)] * 3
    assert pay_funding(matching, FUNDING_TIME + 2 * HOUR_NS + 1) == []


def test_funding_is_paid_on_the_mark_price() -> None:
    matching = engine_with_position()
    now = msgspec.structs.replace(matching.account.quotes[PERP], mark=D(150))
    matching.account.quotes[PERP] = now
    assert [each.amount for each in pay_funding(matching)] == [D(-3)]


def test_flat_and_spot_positions_pay_no_funding() -> None:
    matching = new_engine()
    matching.pay_funding(D("0.01"), HOUR_NS, FUNDING_TIME - 1)
    matching.place(order(Side.BUY, "100.1", symbol=SPOT), START_NS)
    assert pay_funding(matching) == []


def test_position_below_maintenance_margin_is_liquidated_without_a_client_order_id() -> None:
    matching = engine_with_position(quantity="90", cash="1000", maintenance_ratio=D("0.05"))
    matching.place(order(Side.BUY, "89", "0.1", name="resting"), START_NS)
    apply_tick(matching, "90.0")
    matching.take_changes(START_NS, at_tick=True)
    matching.liquidate(START_NS)
    changes = matching.take_changes(START_NS, at_tick=True)
    (liquidation,) = changes.trades
    assert (liquidation.client_order_id, liquidation.side, liquidation.quantity) == ("", Side.SELL, D(90))
    assert [each.status for each in changes.orders.values()] == [OrderStatus.CANCELED]
    assert matching.account.holdings[PERP].quantity == 0


def test_position_above_maintenance_margin_stays() -> None:
    matching = engine_with_position(quantity="90", cash="1000", maintenance_ratio=D("0.05"))
    apply_tick(matching, "95.0")
    matching.take_changes(START_NS, at_tick=True)
    matching.liquidate(START_NS)
    assert not matching.take_changes(START_NS, at_tick=True)


async def test_funding_payments_are_stored_and_served_by_time(serve: Serve, tmp_path: Path) -> None:
    funding = FundingSettings(rate=D("0.0001"), interval=SECOND_NS)
    served = await serve(new_settings(tmp_path, funding=funding, maintenance_margin=D("0.01")))
    price = served.venue.matching.account.quotes[PERP].ask * 2
    served.venue.place(order(Side.BUY, f"{price:.1f}"))
    for _ in range(12):
        served.venue.tick()
    payments = served.venue.fundings(PERP, 0)
    assert len(payments) >= 2
    assert served.venue.fundings(PERP, payments[0].time, 1) == payments[1:]
    assert served.venue.all_fundings() == payments
    assert all(isinstance(each, Trade) for each in served.venue.history()[1])


@pytest.mark.parametrize(
    "changes", [{"maintenance_margin": D(1)}, {"funding": FundingSettings(rate=D("NaN"), interval=1)}]
)
async def test_invalid_settings_are_rejected(
    serve: Serve, tmp_path: Path, changes: dict[str, object]
) -> None:
    with pytest.raises(SettingsError):
        await serve(new_settings(tmp_path, **changes))
