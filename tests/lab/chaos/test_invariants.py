"""The proofs of the laboratory: each must fail when what it holds is broken."""

from decimal import Decimal

import msgspec
import pytest

from cli.inspect.audit import VenueBooks
from lab.chaos.history import Committed, Intended, Said, Trail, VenueEvidence
from lab.chaos.invariants import (
    PROOFS,
    all_is_readable,
    books_agree,
    each_fill_was_said_once,
    intents_form_one_chain,
    no_id_was_sent_twice,
    nothing_was_said_uncommitted,
    nothing_was_sent_uncommitted,
    steps_can_be_repeated,
    steps_form_one_chain,
)
from producers.simulated.matching.orders import Arrival
from schemas.engine.events import DecisionMade
from schemas.engine.journal import Step
from schemas.grid.state import GridState
from schemas.venue.orders import Decision, Trade
from tests.schemas.examples import BTC, EXAMPLES, FILL, PLACE, SIM, TIME

STATE: GridState = next(event for event in EXAMPLES if isinstance(event, Step)).state
DECIDED, INTENDED, SENT = 1000, 2000, 3000
"""When the step, the intent and the request came, one after the other."""


def step(number: int, epoch: int = 1, *decisions: Decision) -> Committed:
    return Committed(number, epoch, False, number, DECIDED, decisions)


def booking(number: int) -> Committed:
    return Committed(number, 1, False, number, DECIDED, (), (FILL,))


def claim(number: int, epoch: int) -> Committed:
    return Committed(number, epoch, True, number, DECIDED)


def intent(*decisions: Decision, time: int = INTENDED, epoch: int = 1, sequence: int = 1) -> Intended:
    return Intended(epoch, 1, sequence, time, decisions)


def sent(*times: int) -> VenueEvidence:
    arrivals = tuple(Arrival(symbol=BTC, client_order_id=PLACE.client_order_id, time=time) for time in times)
    return VenueEvidence(VenueBooks(orders=(), trades=(), wallets=(), holdings=()), arrivals)


def trail(*steps: Committed, intents: tuple[Intended, ...] = (), said: tuple[Said, ...] = ()) -> Trail:
    return Trail(BTC, steps=list(steps), intents=list(intents), said=list(said))


def decision_said(time: int, decision: Decision = PLACE) -> Said:
    event = DecisionMade(venue=SIM, symbol=BTC, step=1, index=0, decision=decision, time=TIME)
    return Said(event, time)


def test_a_run_in_which_nothing_happened_shows_nothing() -> None:
    assert books_agree(trail(), sent()) == [f"{BTC}: no step was ever committed"]


def test_a_trade_at_the_venue_that_is_in_no_fill_is_found() -> None:
    state = msgspec.convert(msgspec.to_builtins(STATE), GridState)
    trade = Trade(
        venue=SIM,
        symbol=state.symbol,
        trade_id=FILL.trade_id,
        client_order_id=PLACE.client_order_id,
        side=PLACE.side,
        price=PLACE.price,
        quantity=PLACE.quantity,
        fee=Decimal(0),
        fee_asset="USDT",
        is_maker=True,
        time=TIME,
    )
    books = VenueBooks(orders=(), trades=(trade,), wallets=(), holdings=())
    found = books_agree(Trail(state.symbol, state=state), VenueEvidence(books, ()))
    assert f"{state.symbol}: trade {FILL.trade_id} is not booked" in found


def test_a_chain_of_steps_and_claims_holds() -> None:
    assert steps_form_one_chain(trail(step(1), step(2), claim(2, 2), claim(2, 3), step(3, 3)), sent()) == []


@pytest.mark.parametrize(
    "steps",
    [
        (step(1), step(3)),
        (step(1), step(1)),
        (step(1), step(2), step(3, 2)),
        (step(1), claim(2, 2)),
        (step(1), claim(1, 3)),
        (step(1), step(2), claim(2, 2), step(3, 1)),
        (step(2),),
    ],
)
def test_a_gap_a_repeat_and_a_step_of_a_fenced_engine_are_found(steps: tuple[Committed, ...]) -> None:
    assert steps_form_one_chain(trail(*steps), sent())


def test_a_chain_of_intents_and_claims_holds() -> None:
    chain = (intent(sequence=0), intent(sequence=4), intent(epoch=2, sequence=4), intent(epoch=2, sequence=9))
    assert intents_form_one_chain(trail(intents=chain), sent()) == []


@pytest.mark.parametrize(
    "after", [intent(sequence=4), intent(epoch=2, sequence=5), intent(epoch=3, sequence=4)]
)
def test_a_step_that_two_intents_act_on_and_a_lost_claim_are_found(after: Intended) -> None:
    assert intents_form_one_chain(trail(intents=(intent(sequence=4), after)), sent())


def test_a_step_that_does_not_follow_from_its_causes_is_found() -> None:
    evidence = trail(step(1))
    evidence.not_repeatable.append("step 1")
    assert steps_can_be_repeated(evidence, sent()) == ["step 1"]


def test_an_id_that_reached_the_venue_twice_is_found_also_when_it_was_refused() -> None:
    evidence = trail(step(1, 1, PLACE), intents=(intent(PLACE),))
    assert no_id_was_sent_twice(evidence, sent(SENT)) == []
    assert no_id_was_sent_twice(evidence, sent(SENT, SENT + 1))


def test_an_id_that_was_intended_twice_is_found() -> None:
    evidence = trail(step(1, 1, PLACE), intents=(intent(PLACE), intent(PLACE)))
    assert no_id_was_sent_twice(evidence, sent())


def test_what_was_decided_intended_and_sent_holds() -> None:
    evidence = trail(step(1, 1, PLACE), intents=(intent(PLACE),))
    assert nothing_was_sent_uncommitted(evidence, sent(SENT)) == []


def test_an_order_without_an_intent_is_found() -> None:
    assert nothing_was_sent_uncommitted(trail(step(1, 1, PLACE)), sent(SENT))


def test_an_order_before_its_intent_is_found() -> None:
    evidence = trail(step(1, 1, PLACE), intents=(intent(PLACE),))
    assert nothing_was_sent_uncommitted(evidence, sent(INTENDED - 1))


def test_an_intent_that_no_step_decided_is_found() -> None:
    assert nothing_was_sent_uncommitted(trail(step(1), intents=(intent(PLACE),)), sent())


def test_an_intent_before_its_step_is_found() -> None:
    evidence = trail(step(1, 1, PLACE), intents=(intent(PLACE, time=DECIDED - 1),))
    assert nothing_was_sent_uncommitted(evidence, sent(SENT))


def test_what_was_said_after_it_was_committed_holds() -> None:
    evidence = trail(step(1, 1, PLACE), said=(decision_said(DECIDED),))
    assert nothing_was_said_uncommitted(evidence, sent()) == []


def test_what_was_said_and_never_committed_is_found() -> None:
    assert nothing_was_said_uncommitted(trail(step(1), said=(decision_said(DECIDED),)), sent())


def test_what_was_said_otherwise_than_committed_is_found() -> None:
    other = msgspec.structs.replace(PLACE, price=PLACE.price + 1)
    evidence = trail(step(1, 1, PLACE), said=(decision_said(DECIDED, other),))
    assert nothing_was_said_uncommitted(evidence, sent())


def test_what_was_said_too_early_is_found() -> None:
    evidence = trail(step(1, 1, PLACE), said=(decision_said(DECIDED - 1),))
    assert nothing_was_said_uncommitted(evidence, sent())


def test_a_fill_that_was_said_and_never_booked_is_found() -> None:
    assert nothing_was_said_uncommitted(trail(step(1), said=(Said(FILL, DECIDED),)), sent())


def test_a_fill_that_was_never_said_is_found() -> None:
    assert each_fill_was_said_once(trail(booking(1)), sent())
    assert each_fill_was_said_once(trail(booking(1), said=(Said(FILL, DECIDED),)), sent()) == []


def test_a_trade_booked_in_two_steps_is_found() -> None:
    twice = trail(booking(1), booking(2), said=(Said(FILL, DECIDED), Said(FILL, DECIDED)))
    assert each_fill_was_said_once(twice, sent())


def test_nonsense_is_found() -> None:
    evidence = trail(step(1))
    evidence.undecodable = 1
    assert all_is_readable(evidence, sent())


def test_every_proof_takes_part() -> None:
    assert len(PROOFS) == 9
