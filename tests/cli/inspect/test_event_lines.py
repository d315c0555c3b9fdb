"""Bus events as readable lines."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.inspect.event_lines import event_line, summary
from engine.core.decisions import cancel
from schemas.codec import Event, encode
from schemas.engine.control import Command, CommandName
from schemas.engine.events import DecisionMade, QuotingChanged
from schemas.engine.journal import EngineStarted, EngineStopping, LedgerGap
from schemas.formats import STATE_VERSION
from schemas.grid.view import NotQuoting
from schemas.units import Side
from schemas.venue.decision_reasons import DecisionReason
from schemas.venue.market import Ticker
from schemas.venue.orders import CancelOrder, Decision, PlaceOrder
from tests.builders import CORRECTION
from tests.cli.events import FILL, SYMBOL, VENUE, step

PLACE = PlaceOrder(
    client_order_id=FILL.client_order_id,
    side=Side.BUY,
    price=Decimal(99),
    quantity=Decimal(2),
    post_only=True,
    reduce_only=False,
    level=-1,
)

SET = Command(
    venue=VENUE,
    symbol=SYMBOL,
    command_id="c-1",
    name=CommandName.SET,
    operator="ann",
    reason="calmer",
    time=1,
    expires_time=2,
    changes={"order_amount": "40 USDT"},
)


def quoting(previous: NotQuoting | None, reason: NotQuoting | None) -> QuotingChanged:
    detail = "3 losses" if reason else ""
    return QuotingChanged(
        venue=VENUE, symbol=SYMBOL, previous=previous, reason=reason, detail=detail, step=12, time=1
    )


def decided(decision: Decision) -> DecisionMade:
    return DecisionMade(venue=VENUE, symbol=SYMBOL, step=12, index=0, decision=decision, time=1)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (FILL, "buy  1 at 100, level -1, position 1"),
        (
            msgspec.structs.replace(FILL, side=Side.SELL, opens=False, grid_profit=Decimal("0.5")),
            "sell 1 at 100, level -1, profit +0.5000, position 1",
        ),
        (decided(PLACE), "place buy  2 at 99, level -1  (step 12)"),
        (
            decided(CancelOrder(client_order_id=PLACE.client_order_id, reason="out of the window")),
            f"cancel {PLACE.client_order_id}: out of the window  (step 12)",
        ),
        (
            CORRECTION,
            "position corrected by ann: -0.0016 at 57000.5, trades liquidation, profit -4.6721, position 0: liquidated",
        ),
        (
            msgspec.structs.replace(SET, name=CommandName.RECONCILE, changes={}, accept=Decimal(0)),
            "reconcile accept=0 by ann: calmer",
        ),
        (
            decided(msgspec.structs.replace(PLACE, reason_code=DecisionReason.OPEN_LEVEL)),
            "place buy  2 at 99, level -1: free level of the window  (step 12)",
        ),
        (
            decided(cancel(PLACE.client_order_id, DecisionReason.OUTSIDE_WINDOW, {"center": "4"})),
            f"cancel {PLACE.client_order_id}: outside the window (center 4)  (step 12)",
        ),
        (quoting(NotQuoting.PAUSED, None), "quoting (was: paused)"),
        (
            quoting(None, NotQuoting.BREAKER_OPEN),
            "not quoting: The circuit breaker is open: 3 losses. (was: quoting)",
        ),
        (SET, "set order_amount=40 USDT by ann: calmer"),
        (EngineStarted(time=1), "engine starting"),
        (EngineStopping(time=1), "engine stopping"),
        (LedgerGap(complete_from=1, lost_fills=2), "2 fills lost, complete from 1970-01-01 00:00:00"),
        (step(3, decisions=(PLACE,)), "step 3 (TimePassed): 1 to place, 0 fills"),
        (step(3, causes=()), "step 3 (claim): no decisions, 0 fills"),
    ],
)
def test_an_event_has_a_one_line_summary(event: Event, text: str) -> None:
    assert summary(event) == text


def test_time_and_subject_come_first() -> None:
    ticker = Ticker(venue=VENUE, symbol=SYMBOL, bid=Decimal(1), ask=Decimal(2), last=Decimal(1), time=1)

    assert event_line("market.sim.X.ticker", encode(ticker), 1_500_000_000, is_coloured=False).split() == [
        "00:00:01.500",
        "market.sim.X.ticker",
        *["1", "/", "2", "last", "1"],
    ]


def test_colours_are_optional() -> None:
    data = encode(FILL)

    assert "\x1b[" in event_line("s", data, 0, is_coloured=True)
    assert "\x1b[" not in event_line("s", data, 0, is_coloured=False)


@given(st.binary())
def test_undecodable_data_is_printed_as_one_printable_line(data: bytes) -> None:
    shown = event_line("a.b", data, 0, is_coloured=False)

    assert shown.isprintable()


def test_an_event_that_needs_a_newer_program_is_one_clear_line() -> None:
    data = b'{"type":"Step","venue":"sim","symbol":"BTC/USDT","step":4,"minimum_reader":99}'

    shown = event_line("journal.sim.BTC-USDT.step", data, 0, is_coloured=False)

    assert shown.endswith(
        "this step of sim BTC/USDT was written by a newer version (format 99; this program reads up to "
        f"{STATE_VERSION}): update this program before it runs here"
    )


def test_an_unknown_type_is_shown_unchanged() -> None:
    assert event_line("a.b", b'{"type":"AddedLater"}', 0, is_coloured=False).endswith('{"type":"AddedLater"}')
