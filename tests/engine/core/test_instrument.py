"""A changed instrument: rules replaced, prices rounded again, opening blocked while the venue does not trade."""

import msgspec
import pytest

from engine.core.grid import Grid
from schemas.engine.control import CommandName
from schemas.engine.events import AlertRaised, RiskChanged, Severity
from schemas.grid.view import NotQuoting
from schemas.units import Side
from schemas.venue.instruments import Instrument, InstrumentStatus, PriceBand
from schemas.venue.orders import OrderStatus, RejectReason
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
    PERPETUAL,
    D,
    accept_all,
    canceled,
    command,
    end,
    fill,
    levels,
    order,
    placed,
    report,
    risks,
    settings_of,
    slot,
    started,
    state_of,
    step,
    ticker,
)

HALTED, DELISTED = (
    msgspec.structs.replace(PERPETUAL, status=status)
    for status in (InstrumentStatus.HALTED, InstrumentStatus.DELISTED)
)


def changed(**fields: object) -> Instrument:
    return msgspec.structs.replace(PERPETUAL, **fields)


def test_an_equal_instrument_is_no_change() -> None:
    assert started().process([changed()]) is None


def test_levels_keep_their_numbers_and_prices_are_rounded_again() -> None:
    grid = started(settings_of(LONG, price_interval=D("10.3")))
    working = {each.order.client_order_id for each in state_of(grid).slots.values() if each.order}
    change = step(grid, changed(tick_size=D(1)))
    assert not placed(change)
    assert not canceled(change)
    assert {each.order.client_order_id for each in state_of(grid).slots.values() if each.order} == working
    accept_all(grid)
    moved = placed(step(grid, ticker("980")))
    assert [(each.level, each.price) for each in moved] == [(-4, D(958)), (-5, D(948))]


def test_a_changed_rule_is_told_with_its_values_and_recorded_as_a_cause() -> None:
    grid = started()
    change = step(grid, changed(tick_size=D("0.5"), maximum_quantity=D(7)))
    (alert,) = change.notices
    assert isinstance(alert, AlertRaised)
    assert (alert.code, alert.severity) == ("instrument_changed", Severity.LOW)
    assert alert.detail == "tick_size 0.1 -> 0.5, maximum_quantity none -> 7"
    assert (
        change.causes[-1] == state_of(grid).instrument == changed(tick_size=D("0.5"), maximum_quantity=D(7))
    )


def test_what_does_not_fit_any_more_is_named() -> None:
    grid = started()
    (alert,) = step(grid, changed(minimum_notional=D(150))).notices
    assert isinstance(alert, AlertRaised)
    assert alert.severity is Severity.HIGH
    assert "order_amount 100 is below the minimum notional" in alert.detail
    assert [each for each in placed(fill(grid, -1)) if each.opens] == []


@pytest.mark.parametrize(
    ("instrument", "reason"), [(HALTED, NotQuoting.MARKET_HALTED), (DELISTED, NotQuoting.DELISTED)]
)
def test_opening_is_blocked_until_the_venue_trades_again(instrument: Instrument, reason: NotQuoting) -> None:
    grid = started()
    fill(grid, -1)
    opening = {
        each.order.client_order_id
        for each in state_of(grid).slots.values()
        if each.order and each.order.opens
    }
    closing = order(grid, -1)
    change = step(grid, instrument)
    assert canceled(change) == opening
    assert risks(change) == [("market_status", True)]
    end(grid, *opening)
    assert grid.why_not_quoting() is reason
    assert order(grid, -1) == closing
    trading = step(grid, changed())
    assert risks(trading) == [("market_status", False)]
    assert len(placed(trading)) == 2


def test_nothing_is_closed_while_the_market_is_halted() -> None:
    grid = started(instrument=HALTED)
    state_of(grid).slots = {}
    assert grid.why_not_quoting() is NotQuoting.MARKET_HALTED
    trading = started()
    fill(trading, -1)
    step(trading, HALTED)
    change = step(trading, command(CommandName.FLATTEN))
    assert not placed(change)
    end(trading, *(each.order.client_order_id for each in state_of(trading).slots.values() if each.order))
    assert trading.why_not_quoting() is NotQuoting.FLATTENING
    assert [each.quantity for each in placed(step(trading, changed()))] == [D("0.101")]


def test_another_instrument_is_not_applied() -> None:
    grid = started()
    (alert,) = step(grid, changed(quote="USDC")).notices
    assert isinstance(alert, AlertRaised)
    assert (alert.code, alert.severity) == ("instrument_not_applied", Severity.HIGH)
    assert state_of(grid).instrument == PERPETUAL


def test_levels_outside_the_price_band_have_no_order() -> None:
    band = PriceBand(below=D("0.025"), above=D("0.015"))
    grid = started(NEUTRAL, instrument=changed(buy_band=band, sell_band=band))
    orders = [each.order for each in state_of(grid).slots.values() if each.order]
    assert sorted(each.price for each in orders) == [D(980), D(990), D(1010)]
    assert levels(placed(step(grid, ticker(994))), Side.BUY) == [-3]


def test_the_reason_is_the_band_when_every_level_is_outside() -> None:
    band = PriceBand(below=D("0.001"))
    grid = started(instrument=changed(buy_band=band))
    assert grid.why_not_quoting() is NotQuoting.OUTSIDE_PRICE_BAND


def test_a_closing_order_outside_the_band_waits() -> None:
    grid = started()
    step(grid, changed(sell_band=PriceBand(highest=D(995))))
    assert not [each for each in placed(fill(grid, -1)) if not each.opens]
    assert slot(grid, -1).order is None
    closing = placed(step(grid, changed()))
    assert [(each.level, each.price) for each in closing if not each.opens] == [(-1, D(1000))]


def test_a_position_above_the_largest_order_is_closed_in_parts() -> None:
    grid = started(settings_of(LONG, order_amount=D(300)))
    fill(grid, -1)
    step(grid, changed(maximum_quantity=D("0.2")))
    state = state_of(grid)
    live = [each.order.client_order_id for each in state.slots.values() if each.order]
    step(grid, command(CommandName.FLATTEN))
    assert [each.quantity for each in placed(end(grid, *live))] == [D("0.2")]
    part = order(grid, -1)
    rest = fill(grid, -1)
    assert part.quantity == D("0.2")
    assert [each.quantity for each in placed(rest)] == [D("0.103")]


def test_an_amount_above_the_maximum_is_refused_and_named() -> None:
    grid = started(settings_of(LONG, order_amount=D(300)), instrument=changed(maximum_notional=D(200)))
    assert grid.why_not_quoting() is NotQuoting.ABOVE_MAXIMUM


def test_a_rejection_for_a_halt_pauses_the_slot_without_an_alert() -> None:
    grid = started()
    refused = report(order(grid, -1).client_order_id, OrderStatus.REJECTED, reason=RejectReason.NOT_TRADING)
    change = step(grid, refused)
    assert not any(isinstance(each, AlertRaised | RiskChanged) for each in change.notices)
    assert slot(grid, -1).quiet_until > state_of(grid).time


def test_a_grid_restored_from_its_state_has_the_new_prices() -> None:
    grid = started(settings_of(LONG, price_interval=D("10.3")))
    step(grid, changed(tick_size=D(1)))
    restored = Grid(state_of(grid), grid.step)
    accept_all(restored)
    assert [each.price for each in placed(step(restored, ticker("980")))] == [D(958), D(948)]
