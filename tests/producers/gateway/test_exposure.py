"""The last hard check: the worst that may come of all symbols, against the limit."""

from decimal import Decimal as D  # noqa: N817 - many literals read better

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.gateway.exposure import Exposure
from schemas.engine.journal import Step
from schemas.engine.portfolio import PortfolioLimits, PortfolioSettings
from schemas.grid.state import BreakerState, GridState, Slot, SlotOrder, SlotOrderState
from schemas.units import ClientOrderId, Side, Symbol
from schemas.venue.account import Position
from schemas.venue.instruments import InstrumentKind
from tests.producers.simulated.examples import decision
from tests.schemas.examples import BTC, EXAMPLES

ETH = Symbol("ETH/USDT:USDT")
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
    found = Exposure()
    found.limits = limits(maximum)
    for each in states:
        found.book(each.symbol).follow(each, ())
    return found


def there(quantity: str, symbol: Symbol = BTC) -> Position:
    return msgspec.structs.replace(POSITION, symbol=symbol, quantity=D(quantity), mark_price=D(100))


def test_an_order_that_fits_is_let_through_and_counts_from_then_on() -> None:
    found = exposure(state("9"))
    assert found.admit(BTC, decision(Side.BUY, "100", "a")) is None
    assert "the limit is 1000" in (found.admit(BTC, decision(Side.BUY, "100", "b")) or "")
    found.forget(BTC, ClientOrderId("a"))
    assert found.admit(BTC, decision(Side.BUY, "100", "b")) is None


def test_the_third_symbol_finds_no_room() -> None:
    sol = Symbol("SOL/USDT:USDT")
    found = exposure(state("4"), state("-5", symbol=ETH), state("0", symbol=sol))
    assert found.admit(sol, decision(Side.SELL, "100", "a")) is None
    assert found.admit(sol, decision(Side.SELL, "100", "b")) is not None


def test_an_order_against_the_position_needs_no_room() -> None:
    found = exposure(state("10"))
    assert found.admit(BTC, decision(Side.SELL, "100", "a")) is None


def test_the_venue_s_position_counts_when_it_is_worse() -> None:
    found = exposure(state("0"))
    found.positions[BTC] = there("-9.5")
    assert found.admit(BTC, decision(Side.SELL, "100")) is not None
    assert found.admit(BTC, decision(Side.BUY, "100")) is None


def test_a_position_that_no_grid_knows_counts_too() -> None:
    found = exposure(state("0"))
    found.positions[ETH] = there("9.5", ETH)
    assert found.admit(BTC, decision(Side.BUY, "100")) is not None


def test_a_spot_balance_is_not_the_grid_s() -> None:
    spot = msgspec.structs.replace(STATE.instrument, kind=InstrumentKind.SPOT)
    found = exposure(msgspec.structs.replace(state("0"), instrument=spot))
    found.positions[BTC] = there("100")
    assert found.admit(BTC, decision(Side.BUY, "100")) is None


def test_orders_at_the_venue_count_and_those_only_asked_for_do_not() -> None:
    orders = {"a": SlotOrderState.OPEN, "b": SlotOrderState.CANCEL_REQUESTED, "c": SlotOrderState.REQUESTED}
    assert exposure(state("0", orders=orders)).total() == 200


def test_what_was_sent_counts_before_the_venue_answered() -> None:
    found = exposure(state("0"))
    found.admit(BTC, decision(Side.BUY, "100", "c"))
    found.book(BTC).follow(state("0", orders={"c": SlotOrderState.REQUESTED}), ())
    assert found.total() == 100
    found.book(BTC).follow(state("1"), ())
    assert found.total() == 100


def test_what_an_earlier_gateway_may_have_sent_counts() -> None:
    found = exposure()
    asked = state("0", orders={"c": SlotOrderState.REQUESTED})
    found.book(BTC).follow(asked, (ClientOrderId("c"),))
    assert found.total() == 100


def test_without_limits_everything_is_let_through() -> None:
    assert Exposure().admit(BTC, decision(Side.BUY, "100", quantity="1000000")) is None


def test_limits_that_are_configured_and_not_known_let_nothing_through() -> None:
    found = Exposure()
    found.settings = PortfolioSettings(max_exposure=D(1000))
    assert found.admit(BTC, decision(Side.BUY, "100")) == "limits are configured and none are known"


@pytest.mark.parametrize(
    "stop",
    [{"is_opening_allowed": False, "reason": "full"}, {"breaker": BreakerState.OPEN, "reason": "lost"}],
)
def test_what_the_portfolio_stops_is_stopped(stop: dict[str, object]) -> None:
    found = exposure(state("0"))
    assert found.limits is not None
    found.limits = msgspec.structs.replace(found.limits, **stop)
    assert str(stop["reason"]) in (found.admit(BTC, decision(Side.BUY, "100")) or "")


def test_no_limit_on_exposure_is_none() -> None:
    assert exposure(state("1000"), maximum=0).admit(BTC, decision(Side.BUY, "100")) is None


@given(
    position=st.integers(-9, 9),
    asked=st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 5)), max_size=12),
    filled=st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_whatever_is_let_through_and_filled_the_limit_holds(
    position: int, asked: list[tuple[Side, int]], filled: list[bool]
) -> None:
    found = exposure(state(str(position)))
    held = position
    for number, (side, quantity) in enumerate(asked):
        order = decision(side, "100", str(number), quantity=str(quantity))
        if found.admit(BTC, order) is None and filled[number]:
            held += side.sign * quantity
    assert abs(held) * 100 <= 1000


def test_what_another_gateway_may_send_counts_and_what_this_one_serves_is_its_own() -> None:
    found = exposure(state("0"))
    found.see(state("0", orders={"x": SlotOrderState.REQUESTED}, symbol=ETH))
    assert found.total() == 100
    assert (found.is_served(BTC), found.is_served(ETH)) == (True, False)


def test_a_symbol_that_went_to_another_gateway_counts_as_it_was_until_it_is_seen_again() -> None:
    found = exposure(state("5"))
    found.close(BTC)
    assert not found.is_served(BTC)
    assert found.total() == 500
    found.see(state("4"))
    assert found.total() == 400
