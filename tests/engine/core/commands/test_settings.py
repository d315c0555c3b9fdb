"""Settings changed while a grid runs: all or none, answered with old and new values."""

import pytest

from schemas.engine.control import CommandName, CommandOutcome
from schemas.grid.settings_notation import live_settings, setting_text, with_setting
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


def test_change_is_answered_with_old_and_new_values() -> None:
    grid = started()
    result = answer(step(grid, command(SET, changes={"order_amount": "40 USDT", "stale_after": "7s"})))
    assert result.outcome is CommandOutcome.APPLIED
    assert result.detail == "order_amount 100 USDT -> 40 USDT; stale_after 0s -> 7s"
    settings = state_of(grid).settings
    assert (settings.order_amount, settings.stale_after) == (D(40), 7 * SECOND_NS)


def test_smaller_window_cancels_orders_outside() -> None:
    change = step(started(), command(SET, changes={"buy_window": "1"}))
    assert len(canceled(change)) == 2


def test_new_amount_applies_to_the_next_orders() -> None:
    grid = started()
    step(grid, command(SET, changes={"order_amount": "50 USDT"}))
    assert [each.quantity for each in placed(step(grid, ticker(1011)))] == [D("0.05")]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "no setting given"),
        ({"mode": "neutral"}, "mode cannot be changed while the grid runs"),
        ({"price_interval": "5 USDT"}, "price_interval cannot be changed while the grid runs"),
        ({"colour": "red"}, "colour is not a setting"),
        ({"buy_window": "many"}, "buy_window has to be a whole number from 1 to 500"),
        ({"order_amount": "40"}, "order_amount has to be an amount with its currency, like 30 USDT"),
        ({"order_amount": "40 EUR"}, "order_amount has to be in USDT, not EUR"),
        ({"order_amount": "4 USDT"}, "order_amount 4 is below the minimum notional of BTC/USDT:USDT: 5 USDT"),
        ({"buy_window": "200"}, "buy_window 200 of 10 reaches below zero from 1000"),
    ],
)
def test_mistake_rejects_all_changes(changes: dict[str, str], text: str) -> None:
    grid = started()
    result = answer(step(grid, command(SET, changes={"sell_window": "5", **changes} if changes else {})))
    assert (result.outcome, state_of(grid).settings) == (CommandOutcome.REFUSED, LONG)
    assert text in result.detail


def test_refusal_lists_changeable_settings() -> None:
    detail = answer(step(started(), command(SET, changes={"mode": "neutral"}))).detail
    assert detail.endswith(f"settings that can be changed: {', '.join(live_settings())}")


def test_existing_mistake_does_not_block_a_change() -> None:
    grid = started(price=1000)
    step(grid, ticker(25))
    assert answer(step(grid, command(SET, changes={"sell_window": "5"}))).outcome is CommandOutcome.APPLIED


def test_same_value_is_unchanged() -> None:
    result = answer(step(started(), command(SET, changes={"buy_window": "3"})))
    assert result.outcome is CommandOutcome.UNCHANGED


@pytest.mark.parametrize("name", live_settings())
def test_shown_value_can_be_set_again(name: str) -> None:
    shown = setting_text(LONG, name, PERPETUAL.quote)
    assert with_setting(LONG, name, shown, PERPETUAL.quote) == LONG
