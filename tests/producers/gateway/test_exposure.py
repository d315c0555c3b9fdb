"""Final exposure check: the worst case of all symbols against the limit."""

from decimal import Decimal as D  # noqa: N817 - many literals read better

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.gateway.exposure import Exposure
from schemas.engine.journal import RiskSummary, Step
from schemas.engine.portfolio import BucketLimits, PortfolioLimits, PortfolioSettings
from schemas.grid.guard_state import BreakerState
from schemas.grid.state import (
    GridState,
    Slot,
    SlotOrder,
    SlotOrderState,
)
from schemas.units import ClientOrderId, Side, Symbol, VenueId
from schemas.venue.account import Position
from schemas.venue.instruments import InstrumentKind
from schemas.venue.orders import RejectReason
from tests.builders import BTC, SIM
from tests.producers.simulated.examples import decision
from tests.schemas.examples import EXAMPLES

ETH = Symbol("ETH/USDT:USDT")
ETH_BTC, OTHER = Symbol("ETH/BTC"), VenueId("sim2")
STATE = next(each for each in EXAMPLES if isinstance(each, Step)).state
LIMITS = next(each for each in EXAMPLES if isinstance(each, PortfolioLimits))
POSITION = next(each for each in EXAMPLES if isinstance(each, Position))


def limits(maximum: int = 1000) -> PortfolioLimits:
    return msgspec.structs.replace(LIMITS, is_opening_allowed=True, reason="", max_exposure=D(maximum))


def state(
    position: str, price: int = 100, orders: dict[str, SlotOrderState] | None = None, symbol: Symbol = BTC
) -> GridState:
    """Return a grid at a price, with a position and opening buys of one at 100."""
    slots = {
        -number: Slot(
            level=-number,
            cycle=1,
            order=SlotOrder(
                client_order_id=ClientOrderId(name),
                side=Side.BUY,
                price=D(100),
                quantity=D(1),
                opens=True,
                state=progress,
            ),
        )
        for number, (name, progress) in enumerate((orders or {}).items(), start=1)
    }
    accounts = msgspec.structs.replace(STATE.accounts, position=D(position))
    return msgspec.structs.replace(STATE, symbol=symbol, price=D(price), accounts=accounts, slots=slots)


def exposure(*states: GridState, maximum: int = 1000) -> Exposure:
    found = Exposure(SIM)
    found.limits = limits(maximum)
    for each in states:
        found.serve(each.symbol).apply_state(each, 0, ())
    return found


def at_venue(quantity: str, symbol: Symbol = BTC) -> Position:
    return msgspec.structs.replace(POSITION, symbol=symbol, quantity=D(quantity), mark_price=D(100))


def test_an_admitted_order_counts_until_forgotten() -> None:
    found = exposure(state("9"))
    assert found.count_or_refuse(BTC, decision(Side.BUY, "100", "a")) is None
    assert "the limit is 1000" in (found.count_or_refuse(BTC, decision(Side.BUY, "100", "b")) or "")
    found.forget(BTC, ClientOrderId("a"))
    assert found.count_or_refuse(BTC, decision(Side.BUY, "100", "b")) is None


def test_all_symbols_share_one_limit() -> None:
    sol = Symbol("SOL/USDT:USDT")
    found = exposure(state("4"), state("-5", symbol=ETH), state("0", symbol=sol))
    assert found.count_or_refuse(sol, decision(Side.SELL, "100", "a")) is None
    assert found.count_or_refuse(sol, decision(Side.SELL, "100", "b")) is not None


def test_an_order_that_reduces_the_position_is_admitted() -> None:
    found = exposure(state("10"))
    assert found.count_or_refuse(BTC, decision(Side.SELL, "100", "a")) is None


def test_the_venues_position_counts_if_it_is_larger() -> None:
    found = exposure(state("0"))
    found.positions[SIM, BTC] = at_venue("-9.5")
    assert found.count_or_refuse(BTC, decision(Side.SELL, "100")) is not None
    assert found.count_or_refuse(BTC, decision(Side.BUY, "100")) is None


def test_a_position_without_a_grid_counts() -> None:
    found = exposure(state("0"))
    found.positions[SIM, ETH] = at_venue("9.5", ETH)
    assert found.count_or_refuse(BTC, decision(Side.BUY, "100")) is not None


def test_a_spot_balance_does_not_count() -> None:
    spot = msgspec.structs.replace(STATE.instrument, kind=InstrumentKind.SPOT)
    found = exposure(msgspec.structs.replace(state("0"), instrument=spot))
    found.positions[SIM, BTC] = at_venue("100")
    assert found.count_or_refuse(BTC, decision(Side.BUY, "100")) is None


def test_orders_at_the_venue_count_and_unsent_ones_do_not() -> None:
    orders = {"a": SlotOrderState.OPEN, "b": SlotOrderState.CANCEL_REQUESTED, "c": SlotOrderState.REQUESTED}
    assert exposure(state("0", orders=orders)).total("USDT") == 200


def test_a_sent_order_counts_before_the_venue_responds() -> None:
    found = exposure(state("0"))
    found.count_or_refuse(BTC, decision(Side.BUY, "100", "c"))
    found.serve(BTC).apply_state(state("0", orders={"c": SlotOrderState.REQUESTED}), 0, ())
    assert found.total("USDT") == 100
    found.serve(BTC).apply_state(state("1"), 0, ())
    assert found.total("USDT") == 100


def test_an_unresolved_order_of_an_earlier_gateway_counts() -> None:
    found = exposure()
    step = state("0", orders={"c": SlotOrderState.REQUESTED})
    found.serve(BTC).apply_state(step, 0, (ClientOrderId("c"),))
    assert found.total("USDT") == 100


def test_without_limits_every_order_is_admitted() -> None:
    assert Exposure(SIM).count_or_refuse(BTC, decision(Side.BUY, "100", quantity="1000000")) is None


def test_configured_limits_that_are_not_received_yet_block_orders() -> None:
    found = Exposure(SIM)
    found.settings = PortfolioSettings(max_exposure=D(1000))
    assert found.count_or_refuse(BTC, decision(Side.BUY, "100")) == (
        "limits are configured, but not received from the engine yet"
    )


def test_the_configured_limit_counts_until_the_engine_has_published_that_of_the_currency() -> None:
    found = exposure()
    found.limits = msgspec.structs.replace(limits(0), buckets={})
    found.settings = PortfolioSettings(max_exposure=D(150))
    assert found.count_or_refuse(BTC, decision(Side.BUY, "100", "a")) is None
    assert found.count_or_refuse(BTC, decision(Side.BUY, "100", "b")) is not None
    found.limits = msgspec.structs.replace(found.limits, buckets={"USDT": BucketLimits()})
    assert found.count_or_refuse(BTC, decision(Side.BUY, "100", "b")) is None


@pytest.mark.parametrize(
    "stop",
    [{"is_opening_allowed": False, "reason": "full"}, {"breaker": BreakerState.OPEN, "reason": "lost"}],
)
def test_limits_of_the_portfolio_block_orders(stop: dict[str, object]) -> None:
    found = exposure(state("0"))
    assert found.limits is not None
    found.limits = msgspec.structs.replace(found.limits, **stop)
    assert str(stop["reason"]) in (found.count_or_refuse(BTC, decision(Side.BUY, "100")) or "")


def test_a_limit_of_zero_is_no_limit() -> None:
    assert exposure(state("1000"), maximum=0).count_or_refuse(BTC, decision(Side.BUY, "100")) is None


@given(
    position=st.integers(-9, 9),
    requested=st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 5)), max_size=12),
    filled=st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_any_fills_of_admitted_orders_stay_within_the_limit(
    position: int, requested: list[tuple[Side, int]], filled: list[bool]
) -> None:
    found = exposure(state(str(position)))
    total = position
    for number, (side, quantity) in enumerate(requested):
        order = decision(side, "100", str(number), quantity=str(quantity))
        if found.count_or_refuse(BTC, order) is None and filled[number]:
            total += side.sign * quantity
    assert abs(total) * 100 <= 1000


def test_a_position_may_be_closed_before_the_orders_of_the_other_side_fill() -> None:
    found = exposure(state("5"))
    sells = [decision(Side.SELL, "100", f"{number}") for number in range(11)]
    reasons = [found.count_or_refuse(BTC, each) for each in sells]
    assert reasons[:10] == [None] * 10
    assert "could reach 1100 USDT" in (reasons[10] or "")


def test_requested_orders_of_other_gateways_count() -> None:
    found = exposure(state("0"))
    found.holdings(SIM, ETH).apply_state(state("0", orders={"x": SlotOrderState.REQUESTED}, symbol=ETH), 0)
    assert found.total("USDT") == 100
    assert (found.is_served(SIM, BTC), found.is_served(SIM, ETH)) == (True, False)


def test_a_released_symbol_keeps_its_exposure_until_its_next_step() -> None:
    found = exposure(state("5"))
    found.release(BTC)
    assert not found.is_served(SIM, BTC)
    assert found.total("USDT") == 500
    found.holdings(SIM, BTC).apply_state(state("4"), 0)
    assert found.total("USDT") == 400


def test_symbols_of_other_venues_share_the_limit_of_their_currency() -> None:
    found = exposure(state("5"))
    found.holdings(OTHER, BTC).apply_state(state("-4"), 0)
    assert found.total("USDT") == 900
    assert found.count_or_refuse(BTC, decision(Side.BUY, "100", "a")) is None
    assert "could reach 1100 USDT" in (found.count_or_refuse(BTC, decision(Side.BUY, "100", "b")) or "")


def test_a_position_at_another_venue_counts_beside_that_of_the_same_symbol() -> None:
    found = exposure(state("5"))
    found.positions[OTHER, BTC] = at_venue("-4")
    assert found.total("USDT") == 900


def test_each_symbol_obeys_the_bucket_of_its_currency() -> None:
    found = exposure(state("20"), state("1", symbol=ETH_BTC))
    full = BucketLimits(is_opening_allowed=False, reason="full")
    found.limits = msgspec.structs.replace(
        limits(), buckets={"USDT": full, "BTC": BucketLimits(max_exposure=D(300))}
    )
    assert found.count_or_refuse(BTC, decision(Side.BUY, "100", "a")) == "full"
    assert found.count_or_refuse(ETH_BTC, decision(Side.BUY, "100", "b")) is None
    assert "could reach 400 BTC" in (
        found.count_or_refuse(ETH_BTC, decision(Side.BUY, "100", "c", quantity="2")) or ""
    )


def test_an_order_beyond_max_position_is_refused() -> None:
    found = exposure(state("0"), maximum=0)
    summary = RiskSummary(
        generation=1,
        position=D(2),
        price=D(100),
        booked_through=0,
        max_buy=D(400),
        max_sell=D(0),
        held_long=D(200),
    )
    found.serve(BTC).apply(summary, 0)
    assert found.check(BTC, decision(Side.BUY, "100", "a")) is None
    assert found.check(BTC, decision(Side.BUY, "100", "b")) is None
    refused = (RejectReason.MAX_POSITION, "500 could be held with this order, the limit is 400")
    assert found.check(BTC, decision(Side.BUY, "100", "c")) == refused
    assert found.check(BTC, decision(Side.SELL, "100", "d")) is not None


def test_what_ended_orders_traded_counts_before_the_trades_are_known() -> None:
    found = exposure(state("0"), maximum=1000)
    summary = RiskSummary(generation=1, position=D(2), price=D(100), booked_through=0, missing_long=D(750))
    found.serve(BTC).apply(summary, 0)
    assert found.check(BTC, decision(Side.BUY, "100", "a")) == (
        RejectReason.EXPOSURE_LIMIT,
        "the exposure could reach 1050 USDT with this order, the limit is 1000",
    )
    found.serve(BTC).apply(msgspec.structs.replace(summary, position=D("9.5"), missing_long=D(0)), 0)
    assert found.check(BTC, decision(Side.BUY, "50", "b")) is None
