"""The fold over a journal, and its digests."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

import msgspec

from bus import Received
from cli.inspect.digest import StepsSoFar, decision_row, fill_row
from schemas import subjects
from schemas.codec import encode
from schemas.engine.journal import Step, StreamOffset
from schemas.units import Side
from schemas.venue.order_ids import order_id
from schemas.venue.orders import CancelOrder, PlaceOrder, QueryOrder
from tests.cli.events import FILL, SYMBOL, VENUE, step

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def folded(*steps: Step) -> StepsSoFar:
    so_far = StepsSoFar()
    for sequence, each in enumerate(steps, start=10):
        so_far.add(
            Received(subjects.step(VENUE, SYMBOL), encode(each), NO_HEADERS, "JOURNAL", sequence, time_ns=0)
        )
    return so_far


def test_steps_and_fills_are_counted() -> None:
    so_far = folded(step(1), step(2, fills=(FILL,)))

    assert (so_far.steps, so_far.fills, so_far.sequence) == (2, 1, 11)


def test_the_last_state_is_kept() -> None:
    state = folded(step(1), step(2)).state

    assert state is not None
    assert state.time == 2


def test_equal_runs_have_equal_digests() -> None:
    once, again = folded(step(1), step(2)), folded(step(1), step(2))

    assert once.steps_digest == again.steps_digest


def test_what_differs_between_equal_runs_is_not_in_the_digest() -> None:
    offsets = {"ORDERS": StreamOffset(created="now", sequence=7)}
    other = msgspec.structs.replace(step(1), epoch=9, offsets=offsets, published_through=33)

    assert folded(other).steps_digest == folded(step(1)).steps_digest


def test_a_claim_is_no_step() -> None:
    claim = msgspec.structs.replace(step(1), epoch=2, causes=())

    assert folded(step(1), claim, step(2)).steps_digest == folded(step(1), step(2)).steps_digest


def test_another_cause_gives_another_digest() -> None:
    assert folded(step(1, time=5)).steps_digest == folded(step(1)).steps_digest
    assert folded(step(1, causes=())).steps_digest != folded(step(1)).steps_digest


def test_fills_have_a_digest_of_their_own() -> None:
    so_far = folded(step(1, fills=(FILL,)))

    assert so_far.fills_digest != folded(step(1)).fills_digest
    assert so_far.fills_digest == folded(step(1), step(2, fills=(FILL,))).fills_digest


def test_the_number_of_a_step_is_not_in_the_digest_of_the_fills() -> None:
    later = msgspec.structs.replace(FILL, step=9)

    assert folded(step(1, fills=(FILL,))).fills_digest == folded(step(1, fills=(later,))).fills_digest


def test_a_gap_in_the_steps_is_noticed() -> None:
    assert folded(step(1), step(2)).first_missing is None
    assert folded(step(1), step(4), step(5)).first_missing == 2


def test_decisions_have_a_row_without_ids_and_texts() -> None:
    buy = PlaceOrder(
        client_order_id=order_id("sqt", SYMBOL, 1, -3, Side.BUY, 1),
        side=Side.BUY,
        price=Decimal("1E+2"),
        quantity=Decimal("0.10"),
        post_only=True,
        reduce_only=False,
        level=-3,
    )

    assert decision_row(7, buy) == (7, "place", -3, "buy", "100", "0.1", True, False)
    assert decision_row(7, CancelOrder(client_order_id=buy.client_order_id)) == (7, "cancel", -3, "buy")
    assert decision_row(7, QueryOrder(client_order_id=buy.client_order_id)) is None


def test_decisions_have_a_digest_of_their_own() -> None:
    ours, other = (order_id(instance, SYMBOL, 1, -3, Side.BUY, 1) for instance in ("sqt", "abc"))
    cancels = [folded(step(1, decisions=(CancelOrder(client_order_id=each),))) for each in (ours, other)]

    assert cancels[0].decisions_digest == cancels[1].decisions_digest != folded(step(1)).decisions_digest


def test_a_fill_has_a_row_without_ids_and_texts() -> None:
    assert fill_row(FILL) == (1, -1, "buy", "100", "1", "0.02")
