"""Comparison of the engine's accounts with the venue's records."""

from decimal import Decimal

import msgspec
import pytest

from cli.inspect.audit import VenueRecords, differences
from producers.simulated.matching.ledger import Holding, Wallet
from producers.simulated.matching.orders import Order
from schemas.engine.events import PositionCorrected
from schemas.grid.state import Accounts, GridState, Slot, SlotOrder, SlotOrderState
from schemas.units import ClientOrderId, Side, TradeId
from schemas.venue.instruments import InstrumentKind
from schemas.venue.order_ids import order_id
from schemas.venue.orders import Funding, Trade
from tests.builders import CORRECTION
from tests.cli.events import FILL, INSTRUMENT, ONE, SYMBOL, VENUE, grid_state

FILLED = FILL.client_order_id
OPEN = order_id("sqt", SYMBOL, 1, -1, Side.SELL, 2)
PRICE, FEE = FILL.price, FILL.fee


def state(kind: InstrumentKind = InstrumentKind.LINEAR_PERPETUAL) -> GridState:
    sell = SlotOrder(
        client_order_id=OPEN,
        side=Side.SELL,
        price=Decimal(101),
        quantity=ONE,
        opens=False,
        state=SlotOrderState.OPEN,
    )
    return grid_state(
        instrument=msgspec.structs.replace(INSTRUMENT, kind=kind),
        slots={-1: Slot(level=-1, cycle=2, held=ONE, order=sell)},
        accounts=Accounts(cash=-PRICE, fees=FEE, position=ONE, volume=PRICE, opened_trades=1),
    )


def trade(**changes: object) -> Trade:
    made = Trade(
        venue=VENUE,
        symbol=SYMBOL,
        trade_id=TradeId("1"),
        client_order_id=FILLED,
        side=Side.BUY,
        price=PRICE,
        quantity=ONE,
        fee=FEE,
        fee_asset="USDT",
        is_maker=True,
        time=1,
    )
    return msgspec.structs.replace(made, **changes)


def records(*trades: Trade) -> VenueRecords:
    order = Order(
        number=2,
        symbol=SYMBOL,
        client_order_id=OPEN,
        side=Side.SELL,
        price=Decimal(101),
        quantity=ONE,
        placed_time=1,
        time=1,
    )
    made = trades or (trade(),)
    held = sum((t.side.sign * t.quantity for t in made), Decimal(0))
    return VenueRecords(
        orders=(order,),
        trades=made,
        wallets=(Wallet(asset="BTC", initial=ONE, total=ONE + held),),
        holdings=(Holding(symbol=SYMBOL, quantity=held),),
    )


@pytest.mark.parametrize("kind", InstrumentKind)
def test_equal_accounts_have_no_differences(kind: InstrumentKind) -> None:
    assert differences(state(kind), [FILL], records()) == []


def test_a_duplicate_fill_event_is_ignored() -> None:
    assert differences(state(), [FILL, FILL], records()) == []


def test_a_trade_booked_in_two_steps_is_found() -> None:
    again = msgspec.structs.replace(FILL, step=4)

    assert f"{SYMBOL}: trade 1 is booked 2 times" in differences(state(), [FILL, again], records())


def test_a_trade_without_a_fill_is_found() -> None:
    assert differences(state(), [], records()) == [f"{SYMBOL}: trade 1 is not booked"]


def test_a_fill_without_a_trade_is_found() -> None:
    foreign = msgspec.structs.replace(FILL, trade_id=TradeId("2"))

    assert f"{SYMBOL}: fill 2 has no trade at the venue" in differences(state(), [FILL, foreign], records())


def test_a_trade_booked_with_another_price_is_found() -> None:
    found = differences(state(), [FILL], records(trade(price=Decimal(99))))

    assert any("trade 1 is booked as" in line for line in found)
    assert f"{SYMBOL}: cash is -100 in the engine, -99 according to the venue's trades" in found


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("cash", Decimal(-99), "cash is -99 in the engine, -100 according to the venue's trades"),
        ("fees", Decimal(0), "fees is 0 in the engine, 0.02 according to the venue's trades"),
        ("position", Decimal(2), "position is 2 in the engine, 1 according to the venue's trades"),
        (
            "grid_profit",
            Decimal(5),
            "grid profit is 5 in the state, 0 according to the fills and corrections",
        ),
    ],
)
def test_different_amounts_are_found(field: str, value: Decimal, message: str) -> None:
    ours = state()
    setattr(ours.accounts, field, value)

    assert f"{SYMBOL}: {message}" in differences(ours, [FILL], records())


def test_an_adopted_position_is_no_difference() -> None:
    ours = state()
    ours.accounts.position += 2
    ours.accounts.cash -= 190
    ours.slots[-1].held += 2
    assert len(differences(ours, [FILL], records())) == 2
    ours.accounts.adopted, ours.accounts.adopted_cost = Decimal(2), Decimal(190)
    found = differences(ours, [FILL], records())
    assert found == []


def liquidation() -> Trade:
    return trade(trade_id=TradeId("9"), client_order_id=ClientOrderId(""), side=Side.SELL, price=Decimal(90))


def corrected() -> tuple[GridState, PositionCorrected]:
    """Return a state whose position was liquidated, and the correction that explains it."""
    booked = msgspec.structs.replace(
        CORRECTION,
        quantity=-ONE,
        price=Decimal(90),
        cost=Decimal(-90),
        fee=FEE,
        grid_profit=Decimal("-10.04"),
        trade_ids=(TradeId("9"),),
    )
    ours = state()
    ours.slots[-1].held = Decimal(0)
    ours.accounts = Accounts(
        cash=Decimal(90) - PRICE,
        fees=2 * FEE,
        volume=PRICE,
        opened_trades=1,
        grid_profit=Decimal("-10.04"),
    )
    return ours, booked


def test_corrected_position_is_no_difference() -> None:
    ours, booked = corrected()
    theirs = records(trade(), liquidation())
    assert differences(ours, [FILL], theirs, [booked, booked]) == []
    assert len(differences(ours, [FILL], theirs)) == 4


def test_trade_in_a_fill_and_in_a_correction_is_found() -> None:
    ours, booked = corrected()
    again = msgspec.structs.replace(booked, trade_ids=(FILL.trade_id,))
    found = differences(ours, [FILL], records(trade(), liquidation()), [again])
    assert f"{SYMBOL}: trade 1 is booked as a fill and in a correction" in found


def test_correction_by_an_unknown_trade_is_found() -> None:
    ours, booked = corrected()
    found = differences(ours, [FILL], records(trade()), [booked])
    assert f"{SYMBOL}: the venue has no trade 9, which a correction explains" in found


def test_trade_in_two_corrections_is_found() -> None:
    ours, booked = corrected()
    again = msgspec.structs.replace(booked, step=booked.step + 1)
    found = differences(ours, [FILL], records(trade(), liquidation()), [booked, again])
    assert f"{SYMBOL}: 2 corrections explain trade 9" in found


def test_slots_that_do_not_add_up_to_the_position_are_found() -> None:
    ours = state()
    ours.slots[-1].held = Decimal(0)

    assert differences(ours, [FILL], records()) == [
        f"{SYMBOL}: position is 1 in the engine, 0 according to the slots"
    ]


def test_an_order_without_a_slot_is_found() -> None:
    ours = state()
    ours.slots[-1].order = None

    found = differences(ours, [FILL], records())
    assert found == [f"{SYMBOL}: order {OPEN} is open at the venue, but no slot has it"]


def test_an_order_that_is_not_open_at_the_venue_is_found() -> None:
    theirs = msgspec.structs.replace(records(), orders=())

    found = differences(state(), [FILL], theirs)
    assert found == [f"{SYMBOL}: order {OPEN} is open in a slot, but not open at the venue"]


def test_an_order_with_another_filled_quantity_is_found() -> None:
    theirs = records()
    theirs.orders[0].filled = Decimal("0.5")

    assert (
        f"{SYMBOL}: order {OPEN} is sell 0/1 at 101 in the slot, sell 0.5/1 at 101 at the venue"
        in differences(state(), [FILL], theirs)
    )


def test_foreign_trades_are_ignored() -> None:
    foreign = trade(trade_id=TradeId("9"), client_order_id=ClientOrderId("by hand"), side=Side.SELL)

    assert differences(state(), [FILL], records(trade(), foreign)) == []


def test_different_funding_is_found_and_payments_before_the_grid_are_ignored() -> None:
    payment = Funding(
        venue=VENUE,
        symbol=SYMBOL,
        funding_id="1",
        amount=Decimal("-0.5"),
        rate=Decimal("0.0001"),
        position=ONE,
        time=10,
    )
    paid = msgspec.structs.replace(records(), fundings=(payment,))
    late = state()
    late.accounts.first_time = 11
    assert (
        "funding is 0 in the engine, -0.5 according to the venue's payments"
        in differences(state(), [FILL], paid)[0]
    )
    assert differences(late, [FILL], paid) == []


def test_fees_in_other_assets_are_compared_by_asset() -> None:
    ours = state()
    ours.accounts.fees, ours.accounts.fees_other = Decimal(0), {"BNB": FEE}
    paid, booked = trade(fee_asset="BNB"), msgspec.structs.replace(FILL, fee_asset="BNB")
    assert differences(ours, [booked], records(paid)) == []
    ours.accounts.fees_other = {}
    message = "fees in other assets are none in the engine, 0.02 BNB according to the venue's trades"
    assert differences(ours, [booked], records(paid)) == [f"{SYMBOL}: {message}"]


def test_a_fee_in_base_is_no_difference_of_the_position() -> None:
    ours, fee = state(InstrumentKind.SPOT), Decimal("0.001")
    ours.accounts.fees = fee * PRICE
    paid = trade(fee=fee, fee_asset="BTC")
    wallet = Wallet(asset="BTC", initial=ONE, total=2 * ONE - fee, fees=fee)
    theirs = msgspec.structs.replace(records(paid), wallets=(wallet,))
    booked = msgspec.structs.replace(FILL, fee=fee, fee_asset="BTC")
    assert differences(ours, [booked], theirs) == []
