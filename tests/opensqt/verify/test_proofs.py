"""The proofs of the laboratory: each must fail when what it holds is broken."""

from decimal import Decimal

import msgspec
import pytest
from tests.schemas.examples import BTC, EXAMPLES, FILL, PLACE, SIM, TIME

from opensqt.books import VenueBooks
from opensqt.verify.evidence import Trail
from opensqt.verify.proofs import (
    each_fill_was_said_once,
    no_id_was_sent_twice,
    nothing_was_sent_uncommitted,
    steps_form_one_chain,
)
from producers.simulated.orders import Order
from schemas.journal import Step
from schemas.orders import Decision, OrderIntent

EXAMPLE = next(event for event in EXAMPLES if isinstance(event, Step))


def step(number: int, epoch: int = 1, **changes: object) -> Step:
    plain = {"decisions": (), "fills": (), "notices": ()}
    return msgspec.structs.replace(EXAMPLE, step=number, epoch=epoch, **{**plain, **changes})


def claim(number: int, epoch: int) -> Step:
    return step(number, epoch, causes=())


def intent(*decisions: Decision) -> OrderIntent:
    return OrderIntent(
        venue=SIM,
        symbol=BTC,
        epoch=1,
        step=1,
        step_sequence=1,
        decisions=decisions,
        time=TIME,
    )


def accepted(number: int) -> Order:
    return Order(
        number=number,
        symbol=BTC,
        client_order_id=PLACE.client_order_id,
        side=PLACE.side,
        price=PLACE.price,
        quantity=PLACE.quantity,
        filled=Decimal(0),
        placed_time=TIME,
        time=TIME,
    )


def books(*orders: Order) -> VenueBooks:
    return VenueBooks(orders=orders, trades=(), wallets=(), holdings=())


def trail(*steps: Step, intents: tuple[OrderIntent, ...] = ()) -> Trail:
    return Trail(BTC, steps=list(steps), intents=list(intents))


def test_a_chain_of_steps_and_claims_holds() -> None:
    assert steps_form_one_chain(trail(step(1), step(2), claim(2, 2), claim(2, 3), step(3, 3)), books()) == []


@pytest.mark.parametrize(
    "steps",
    [
        (step(1), step(3)),
        (step(1), step(1)),
        (step(1), step(2), step(3, 2)),
        (step(1), claim(2, 2)),
        (step(1), claim(1, 3)),
        (step(2), claim(2, 2), step(3, 1)),
    ],
)
def test_a_gap_a_repeat_and_a_step_of_a_fenced_engine_are_found(steps: tuple[Step, ...]) -> None:
    assert steps_form_one_chain(trail(*steps), books())


def test_an_id_that_the_venue_accepted_twice_is_found() -> None:
    evidence = trail(step(1, decisions=(PLACE,)), intents=(intent(PLACE),))
    assert no_id_was_sent_twice(evidence, books(accepted(1))) == []
    assert no_id_was_sent_twice(evidence, books(accepted(1), accepted(2)))


def test_an_id_that_was_intended_twice_is_found() -> None:
    evidence = trail(step(1, decisions=(PLACE,)), intents=(intent(PLACE), intent(PLACE)))
    assert no_id_was_sent_twice(evidence, books())


def test_an_order_without_an_intent_is_found() -> None:
    evidence = trail(step(1, decisions=(PLACE,)))
    assert nothing_was_sent_uncommitted(evidence, books(accepted(1)))


def test_an_intent_that_no_step_decided_is_found() -> None:
    assert nothing_was_sent_uncommitted(trail(step(1), intents=(intent(PLACE),)), books())


def test_what_was_decided_intended_and_sent_holds() -> None:
    evidence = trail(step(1, decisions=(PLACE,)), intents=(intent(PLACE),))
    assert nothing_was_sent_uncommitted(evidence, books(accepted(1))) == []


def test_a_fill_that_was_never_said_is_found() -> None:
    evidence = trail(step(1, fills=(FILL,)))
    assert each_fill_was_said_once(evidence, books())
    evidence.fills.append(FILL)
    assert each_fill_was_said_once(evidence, books()) == []


def test_a_trade_booked_in_two_steps_is_found() -> None:
    evidence = trail(step(1, fills=(FILL,)), step(2, fills=(FILL,)))
    evidence.fills += [FILL, FILL]
    assert each_fill_was_said_once(evidence, books())
