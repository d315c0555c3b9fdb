"""Settings changed while a grid runs: as they are written, all or none, and answered with what they were."""

import pytest

from schemas.engine.control import CommandName, CommandOutcome
from schemas.grid import tuning
from schemas.units import SECOND_NS
from tests.engine.core.examples import (
    LONG,
    PERPETUAL,
    D,
    answer,
    canceled,
    command,
    placed,
    started,
    state_of,
    step,
    ticker,
)

SET = CommandName.SET


def test_a_change_is_answered_with_what_was_before() -> None:
    grid = started()
    result = answer(step(grid, command(SET, changes={"order_amount": "40 USDT", "stale_after": "7s"})))
    assert result.outcome is CommandOutcome.APPLIED
    assert result.detail == "order_amount 100 USDT -> 40 USDT; stale_after 0s -> 7s"
    settings = state_of(grid).settings
    assert (settings.order_amount, settings.stale_after) == (D(40), 7 * SECOND_NS)


def test_a_smaller_window_cancels_what_is_outside() -> None:
    change = step(started(), command(SET, changes={"buy_window": "1"}))
    assert len(canceled(change)) == 2


def test_a_new_amount_is_that_of_the_next_orders() -> None:
    grid = started()
    step(grid, command(SET, changes={"order_amount": "50 USDT"}))
    assert [each.quantity for each in placed(step(grid, ticker(1011)))] == [D("0.05")]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "it names no setting"),
        ({"mode": "neutral"}, "mode cannot be changed while it runs"),
        ({"price_interval": "5 USDT"}, "price_interval cannot be changed while it runs"),
        ({"colour": "red"}, "colour is no setting"),
        ({"buy_window": "many"}, "buy_window has to be a whole number from 1 to 500"),
        ({"order_amount": "40"}, "order_amount has to be an amount with its currency, like 30 USDT"),
        ({"order_amount": "40 EUR"}, "order_amount has to be in USDT, not EUR"),
        ({"order_amount": "4 USDT"}, "order_amount 4 is below the minimum notional of BTC/USDT:USDT: 5 USDT"),
        ({"buy_window": "200"}, "buy_window 200 of 10 reaches below zero from 1000"),
    ],
)
def test_a_mistake_changes_nothing_and_is_told(changes: dict[str, str], said: str) -> None:
    grid = started()
    result = answer(step(grid, command(SET, changes={"sell_window": "5", **changes} if changes else {})))
    assert (result.outcome, state_of(grid).settings) == (CommandOutcome.REFUSED, LONG)
    assert said in result.detail


def test_a_refusal_lists_what_may_change() -> None:
    detail = answer(step(started(), command(SET, changes={"mode": "neutral"}))).detail
    assert detail.endswith(f"what may change: {', '.join(tuning.live())}")


def test_a_mistake_that_was_there_before_is_not_this_changes() -> None:
    grid = started(price=1000)
    step(grid, ticker(25))
    assert answer(step(grid, command(SET, changes={"sell_window": "5"}))).outcome is CommandOutcome.APPLIED


def test_what_is_so_already_is_unchanged() -> None:
    result = answer(step(started(), command(SET, changes={"buy_window": "3"})))
    assert result.outcome is CommandOutcome.UNCHANGED


@pytest.mark.parametrize("name", tuning.live())
def test_what_is_shown_can_be_set_again(name: str) -> None:
    shown = tuning.shown(LONG, name, PERPETUAL.quote)
    assert tuning.changed(LONG, name, shown, PERPETUAL.quote) == LONG
