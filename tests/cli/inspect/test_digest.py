"""Digests of a journal."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

import msgspec

from bus import Received
from cli.inspect.digest import JournalDigest, correction_row, decision_row, fill_row
from schemas import subjects
from schemas.codec import encode
from schemas.engine.journal import Step, StreamOffset
from schemas.units import Side
from schemas.venue.order_ids import order_id
from schemas.venue.orders import CancelOrder, PlaceOrder, QueryOrder, ReportSource
from tests.builders import CORRECTION, REPORT
from tests.cli.events import FILL, SYMBOL, VENUE, step

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def digest_of(*steps: Step) -> JournalDigest:
    digest = JournalDigest()
    for sequence, each in enumerate(steps, start=10):
        digest.add(
            Received(subjects.step(VENUE, SYMBOL), encode(each), NO_HEADERS, "JOURNAL", sequence, time_ns=0)
        )
    return digest


def test_steps_and_fills_are_counted() -> None:
    digest = digest_of(step(1), step(2, fills=(FILL,)))

    assert (digest.steps, digest.fills, digest.sequence) == (2, 1, 11)


def test_requests_per_fill_counts_places_and_cancels_but_no_queries() -> None:
    ours = order_id("sqt", SYMBOL, 1, -1, Side.BUY, 1)
    place = PlaceOrder(
        client_order_id=ours,
        side=Side.BUY,
        price=Decimal(990),
        quantity=Decimal("0.1"),
        post_only=True,
        reduce_only=False,
        level=-1,
        opens=True,
    )
    requests = (place, CancelOrder(client_order_id=ours), QueryOrder(client_order_id=ours))
    digest = digest_of(step(1, decisions=requests), step(2, decisions=(place,), fills=(FILL, FILL)))

    assert (digest.requests, digest.requests_per_fill) == (3, 1.5)
    assert digest_of(step(1, decisions=requests)).requests_per_fill is None


def test_the_state_is_that_of_the_last_step() -> None:
    state = digest_of(step(1), step(2)).state

    assert state is not None
    assert state.time == 2


def test_equal_runs_have_equal_digests() -> None:
    once, again = digest_of(step(1), step(2)), digest_of(step(1), step(2))

    assert once.steps_digest == again.steps_digest


def test_epoch_and_offsets_are_not_in_the_digest() -> None:
    offsets = {"ORDERS": StreamOffset(created="now", sequence=7)}
    other = msgspec.structs.replace(step(1), epoch=9, offsets=offsets, published_through=33)

    assert digest_of(other).steps_digest == digest_of(step(1)).steps_digest


def test_a_claim_does_not_change_the_digest() -> None:
    claim = msgspec.structs.replace(step(1), epoch=2, causes=())

    assert digest_of(step(1), claim, step(2)).steps_digest == digest_of(step(1), step(2)).steps_digest


def test_different_causes_give_different_digests() -> None:
    assert digest_of(step(1, time=5)).steps_digest == digest_of(step(1)).steps_digest
    assert digest_of(step(1, causes=())).steps_digest != digest_of(step(1)).steps_digest


def test_the_source_of_a_report_does_not_change_the_digest() -> None:
    reports = [
        msgspec.structs.replace(REPORT, source=each)
        for each in (None, ReportSource.ANSWER, ReportSource.STREAM)
    ]

    assert len({digest_of(step(1, causes=(each,))).steps_digest for each in reports}) == 1


def test_corrections_are_part_of_the_fills_digest() -> None:
    digest = digest_of(step(1, notices=(CORRECTION,)))

    assert digest.corrections == [CORRECTION]
    assert digest.fills_digest != digest_of(step(1)).fills_digest
    assert digest.fills_digest == digest_of(step(1), step(2, notices=(CORRECTION,))).fills_digest
    assert correction_row(CORRECTION) == (CORRECTION.time, "correction", "-0.0016", "57000.5", "0.0456")


def test_fills_have_a_digest_of_their_own() -> None:
    digest = digest_of(step(1, fills=(FILL,)))

    assert digest.fills_digest != digest_of(step(1)).fills_digest
    assert digest.fills_digest == digest_of(step(1), step(2, fills=(FILL,))).fills_digest


def test_step_numbers_are_not_in_the_fills_digest() -> None:
    later = msgspec.structs.replace(FILL, step=9)

    assert digest_of(step(1, fills=(FILL,))).fills_digest == digest_of(step(1, fills=(later,))).fills_digest


def test_a_gap_in_the_steps_is_detected() -> None:
    assert digest_of(step(1), step(2)).first_missing is None
    assert digest_of(step(1), step(4), step(5)).first_missing == 2


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
    cancels = [digest_of(step(1, decisions=(CancelOrder(client_order_id=each),))) for each in (ours, other)]

    assert cancels[0].decisions_digest == cancels[1].decisions_digest != digest_of(step(1)).decisions_digest


def test_a_fill_has_a_row_without_ids_and_texts() -> None:
    assert fill_row(FILL) == (1, -1, "buy", "100", "1", "0.02")


def test_a_fee_in_base_has_its_value_and_one_without_a_value_its_asset() -> None:
    rows = [
        fill_row(msgspec.structs.replace(FILL, fee=Decimal("0.0010"), fee_asset=asset))
        for asset in ("BTC", "BNB")
    ]
    assert [row[-1] for row in rows] == ["0.1", "0.001 BNB"]
