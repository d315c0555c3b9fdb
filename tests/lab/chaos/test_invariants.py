"""The invariants: each reports a history that violates it."""

from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace

from cli.inspect.audit import VenueRecords
from lab.chaos.history import CommittedIntent, CommittedStep, History, PublishedCopy, VenueHistory
from lab.chaos.invariants import (
    INVARIANTS,
    accounts_match_venue,
    copies_are_published_after_commit,
    corrections_explain_the_difference,
    fills_are_booked_once_and_published,
    intents_form_one_chain,
    messages_can_be_decoded,
    order_ids_are_sent_once,
    orders_are_committed_before_sending,
    requests_are_recorded,
    steps_are_reproducible,
    steps_form_one_chain,
)
from producers.simulated.matching.orders import Arrival
from schemas.engine.events import DecisionMade, Fill
from schemas.engine.journal import Step
from schemas.grid.state import GridState
from schemas.units import ZERO
from schemas.venue.orders import Decision, Trade
from tests.builders import BTC, CORRECTION, FILL, PLACE, SIM, TIME
from tests.schemas.examples import EXAMPLES

STATE: GridState = next(event for event in EXAMPLES if isinstance(event, Step)).state
DECIDED, INTENDED, SENT = 1000, 2000, 3000
"""Times of the step, the intent and the request of one order."""


def step(number: int, epoch: int = 1, *decisions: Decision) -> CommittedStep:
    return CommittedStep(number, epoch, False, number, DECIDED, decisions)


def booking(number: int) -> CommittedStep:
    return CommittedStep(number, 1, False, number, DECIDED, (), (FILL,))


def claim(number: int, epoch: int) -> CommittedStep:
    return CommittedStep(number, epoch, True, number, DECIDED)


def intent(*decisions: Decision, time: int = INTENDED, epoch: int = 1, sequence: int = 1) -> CommittedIntent:
    return CommittedIntent(epoch, 1, sequence, time, decisions)


def arrived(*times: int) -> VenueHistory:
    """Return a venue that received the order `PLACE` at these times."""
    arrivals = tuple(Arrival(symbol=BTC, client_order_id=PLACE.client_order_id, time=time) for time in times)
    return VenueHistory(VenueRecords(orders=(), trades=(), wallets=(), holdings=()), arrivals)


def history(
    *steps: CommittedStep,
    intents: tuple[CommittedIntent, ...] = (),
    copies: tuple[PublishedCopy, ...] = (),
) -> History:
    return History(BTC, steps=list(steps), intents=list(intents), copies=list(copies))


def published_decision(time: int, decision: Decision = PLACE) -> PublishedCopy:
    event = DecisionMade(venue=SIM, symbol=BTC, step=1, index=0, decision=decision, time=TIME)
    return PublishedCopy(event, time)


def moved(number: int, position: str, *, fills: tuple[Fill, ...] = (), corrected: str = "") -> CommittedStep:
    """Return a step after which the grid holds a position, with a correction that explains the trade `liquidation`."""
    corrections = (replace(CORRECTION, quantity=Decimal(corrected), step=number),) if corrected else ()
    return CommittedStep(
        number, 1, False, number, DECIDED, (), fills, corrections, position=Decimal(position)
    )


def test_fills_and_corrections_explain_each_position() -> None:
    steps = (moved(1, "0.0016", fills=(FILL,)), moved(2, "0.0016"), moved(3, "0", corrected="-0.0016"))
    assert corrections_explain_the_difference(history(*steps), arrived()) == []


def test_adopted_position_and_a_new_generation_are_explained() -> None:
    adopting = CommittedStep(1, 1, False, 1, DECIDED, position=Decimal(5), adopted=Decimal(5))
    steps = (adopting, CommittedStep(2, 1, False, 2, DECIDED, generation=2), moved(9, "7"))
    assert corrections_explain_the_difference(history(*steps), arrived()) == []


@pytest.mark.parametrize("corrected", ["", "-0.001"])
def test_unexplained_change_of_the_position_is_found(corrected: str) -> None:
    steps = (moved(1, "0.0016", fills=(FILL,)), moved(2, "0", corrected=corrected))
    (found,) = corrections_explain_the_difference(history(*steps), arrived())
    assert found.startswith("the position changed from 0.0016 to 0 in step 2")


def test_trade_in_a_correction_and_in_a_fill_is_found() -> None:
    explained = replace(moved(1, "-1", corrected="-1").corrections[0], trade_ids=(FILL.trade_id,))
    steps = (
        moved(1, "-1")._replace(corrections=(explained,)),
        moved(2, "-0.9984", fills=(FILL,)),
    )
    (found,) = corrections_explain_the_difference(history(*steps), arrived())
    assert found == f"trade {FILL.trade_id} is in a correction and in a fill"


def test_trade_in_two_corrections_is_found() -> None:
    steps = (moved(1, "-1", corrected="-1"), moved(2, "-2", corrected="-1"))
    (found,) = corrections_explain_the_difference(history(*steps), arrived())
    assert found == "trade liquidation is in 2 corrections"


def test_unpublished_correction_is_found() -> None:
    assert fills_are_booked_once_and_published(history(moved(1, "-1", corrected="-1")), arrived())


def test_published_correction_has_to_be_committed() -> None:
    booked = moved(1, "-1", corrected="-1")
    copies = (PublishedCopy(booked.corrections[0], DECIDED + 1),)
    assert copies_are_published_after_commit(history(booked, copies=copies), arrived()) == []
    assert copies_are_published_after_commit(history(moved(1, "-1"), copies=copies), arrived())


def test_a_history_without_steps_is_a_violation() -> None:
    assert accounts_match_venue(history(), arrived()) == [f"{BTC}: no step was ever committed"]


def test_a_trade_without_a_fill_is_found() -> None:
    state = msgspec.convert(msgspec.to_builtins(STATE), GridState)
    trade = Trade(
        venue=SIM,
        symbol=state.symbol,
        trade_id=FILL.trade_id,
        client_order_id=PLACE.client_order_id,
        side=PLACE.side,
        price=PLACE.price,
        quantity=PLACE.quantity,
        fee=ZERO,
        fee_asset="USDT",
        is_maker=True,
        time=TIME,
    )
    accounts = VenueRecords(orders=(), trades=(trade,), wallets=(), holdings=())
    found = accounts_match_venue(History(state.symbol, state=state), VenueHistory(accounts, ()))
    assert f"{state.symbol}: trade {FILL.trade_id} is not booked" in found


def test_a_chain_of_steps_and_claims_holds() -> None:
    steps = (step(1), step(2), claim(2, 2), claim(2, 3), step(3, 3))
    assert steps_form_one_chain(history(*steps), arrived()) == []


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
def test_a_gap_a_repeated_step_and_a_step_of_a_fenced_engine_are_found(
    steps: tuple[CommittedStep, ...],
) -> None:
    assert steps_form_one_chain(history(*steps), arrived())


def test_a_chain_of_intents_and_claims_holds() -> None:
    chain = (intent(sequence=0), intent(sequence=4), intent(epoch=2, sequence=4), intent(epoch=2, sequence=9))
    assert intents_form_one_chain(history(intents=chain), arrived()) == []


@pytest.mark.parametrize(
    "after", [intent(sequence=4), intent(epoch=2, sequence=5), intent(epoch=3, sequence=4)]
)
def test_a_second_intent_for_a_step_and_a_lost_claim_are_found(after: CommittedIntent) -> None:
    assert intents_form_one_chain(history(intents=(intent(sequence=4), after)), arrived())


def test_a_step_that_does_not_follow_from_its_causes_is_found() -> None:
    recorded = history(step(1))
    recorded.not_reproducible.append("step 1")
    assert steps_are_reproducible(recorded, arrived()) == ["step 1"]


def test_an_order_id_that_reached_the_venue_twice_is_found_even_if_rejected() -> None:
    recorded = history(step(1, 1, PLACE), intents=(intent(PLACE),))
    assert order_ids_are_sent_once(recorded, arrived(SENT)) == []
    assert order_ids_are_sent_once(recorded, arrived(SENT, SENT + 1))


def test_a_request_without_a_record_is_found() -> None:
    recorded = history(step(1, 1, PLACE))
    assert requests_are_recorded(recorded, arrived()) == []
    assert requests_are_recorded(recorded, arrived(SENT)) == [
        f"{PLACE.client_order_id} reached the venue without a record"
    ]
    recorded.requested.add(PLACE.client_order_id)
    assert requests_are_recorded(recorded, arrived(SENT)) == []


def test_an_order_id_in_two_intents_is_found() -> None:
    recorded = history(step(1, 1, PLACE), intents=(intent(PLACE), intent(PLACE)))
    assert order_ids_are_sent_once(recorded, arrived())


def test_an_order_decided_then_intended_then_sent_holds() -> None:
    recorded = history(step(1, 1, PLACE), intents=(intent(PLACE),))
    assert orders_are_committed_before_sending(recorded, arrived(SENT)) == []


def test_an_order_sent_without_an_intent_is_found() -> None:
    assert orders_are_committed_before_sending(history(step(1, 1, PLACE)), arrived(SENT))


def test_an_order_sent_before_its_intent_is_found() -> None:
    recorded = history(step(1, 1, PLACE), intents=(intent(PLACE),))
    assert orders_are_committed_before_sending(recorded, arrived(INTENDED - 1))


def test_an_intent_without_a_step_is_found() -> None:
    assert orders_are_committed_before_sending(history(step(1), intents=(intent(PLACE),)), arrived())


def test_an_intent_before_its_step_is_found() -> None:
    recorded = history(step(1, 1, PLACE), intents=(intent(PLACE, time=DECIDED - 1),))
    assert orders_are_committed_before_sending(recorded, arrived(SENT))


def test_a_decision_published_after_its_step_holds() -> None:
    recorded = history(step(1, 1, PLACE), copies=(published_decision(DECIDED),))
    assert copies_are_published_after_commit(recorded, arrived()) == []


def test_a_published_decision_that_was_never_committed_is_found() -> None:
    recorded = history(step(1), copies=(published_decision(DECIDED),))
    assert copies_are_published_after_commit(recorded, arrived())


def test_a_published_decision_that_differs_from_the_committed_one_is_found() -> None:
    other = msgspec.structs.replace(PLACE, price=PLACE.price + 1)
    recorded = history(step(1, 1, PLACE), copies=(published_decision(DECIDED, other),))
    assert copies_are_published_after_commit(recorded, arrived())


def test_a_decision_published_before_its_step_is_found() -> None:
    recorded = history(step(1, 1, PLACE), copies=(published_decision(DECIDED - 1),))
    assert copies_are_published_after_commit(recorded, arrived())


def test_a_published_fill_that_was_never_booked_is_found() -> None:
    recorded = history(step(1), copies=(PublishedCopy(FILL, DECIDED),))
    assert copies_are_published_after_commit(recorded, arrived())


def test_a_booked_fill_that_was_never_published_is_found() -> None:
    published = history(booking(1), copies=(PublishedCopy(FILL, DECIDED),))
    assert fills_are_booked_once_and_published(history(booking(1)), arrived())
    assert fills_are_booked_once_and_published(published, arrived()) == []


def test_a_trade_booked_in_two_steps_is_found() -> None:
    copies = (PublishedCopy(FILL, DECIDED), PublishedCopy(FILL, DECIDED))
    assert fills_are_booked_once_and_published(history(booking(1), booking(2), copies=copies), arrived())


def test_an_undecodable_message_is_found() -> None:
    recorded = history(step(1))
    recorded.undecodable = 1
    assert messages_can_be_decoded(recorded, arrived())


def test_every_invariant_is_checked() -> None:
    assert len(INVARIANTS) == 12
