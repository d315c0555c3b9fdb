"""Settings changed while a grid runs: all or none, answered with old and new values."""

import re

import pytest

from schemas.engine.control import CommandName, CommandOutcome
from schemas.grid.settings_notation import live_settings, setting_text, with_setting
from schemas.units import SECOND_NS
from schemas.venue.decision_reasons import DecisionReason
from schemas.venue.orders import CancelOrder
from tests.engine.core.examples import (
    LONG,
    NEUTRAL,
    PERPETUAL,
    D,
    answer,
    canceled,
    command,
    fill,
    placed,
    risks,
    started,
    state_of,
    step,
    ticker,
)
from tests.layout import ROOT

SET = CommandName.SET


def test_change_is_answered_with_old_and_new_values() -> None:
    grid = started()
    result = answer(step(grid, command(SET, changes={"order_amount": "40 USDT", "stale_after": "7s"})))
    assert result.outcome is CommandOutcome.APPLIED
    assert (
        result.detail
        == "order_amount 100 USDT -> 40 USDT; stale_after 0s -> 7s; 3 open orders keep their size"
    )
    settings = state_of(grid).settings
    assert (settings.order_amount, settings.stale_after) == (D(40), 7 * SECOND_NS)


def test_canceled_orders_do_not_count_as_keeping_their_size() -> None:
    changes = {"order_amount": "40 USDT", "buy_window": "1"}
    detail = answer(step(started(), command(SET, changes=changes))).detail
    assert detail.endswith("; 1 open order keeps its size; 2 orders are being canceled")


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


def test_refusal_names_the_three_most_similar_settings() -> None:
    detail = answer(step(started(), command(SET, changes={"stop_los": "5 USDT"}))).detail
    assert detail == "stop_los is not a setting; similar: stop_loss, stop_below_price, stop_above_price"


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


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("stop_loss", "0.5 USDT"),
        ("take_profit", "0.1 USDT"),
        ("stop_below_price", "1000 USDT"),
        ("stop_above_price", "1000 USDT"),
    ],
)
def test_a_stop_that_is_reached_already_needs_a_confirmation(setting: str, value: str) -> None:
    grid = started()
    fill(grid, -1)
    price = 980 if setting == "stop_loss" else 1000
    grid.process([ticker(price, 1)])
    asked = command(SET, changes={setting: value})
    result = answer(step(grid, asked))
    assert (result.outcome, state_of(grid).halt) == (CommandOutcome.REFUSED, None)
    assert f"{setting} is reached already" in result.detail
    assert result.detail.endswith("confirm with --yes")
    change = step(grid, command(SET, changes={setting: value}, confirmed=True))
    assert (setting, True) in risks(change)


def test_opening_orders_beyond_new_bounds_are_canceled() -> None:
    change = step(started(), command(SET, changes={"upper_price": "975 USDT"}))
    cancels = [each for each in change.decisions if isinstance(each, CancelOrder)]
    assert [each.reason_code for each in cancels] == [DecisionReason.OUT_OF_BOUNDS] * 2
    assert "the price 1000 is above upper_price: nothing is opened above 975" in answer(change).detail


OTHER_VALUES = {
    "order_amount": "40 USDT",
    "buy_window": "1",
    "sell_window": "1",
    "lower_price": "985 USDT",
    "upper_price": "1005 USDT",
    "inventory_skew": "40%",
    "allow_taker": "true",
    "cancel_on_exit": "false",
    "max_correction": "7 USDT",
    "max_position": "2 levels",
    "flatten_slippage": "1%",
    "max_drawdown": "50 USDT",
    "drawdown_window": "2h",
    "stop_loss": "50 USDT",
    "take_profit": "50 USDT",
    "stop_below_price": "10 USDT",
    "stop_above_price": "5000 USDT",
}
CANCELS = {"buy_window", "sell_window", "lower_price", "upper_price", "max_position"}
"""The settings that cancel opening orders when changed; `docs/settings.md` has the table."""


@pytest.mark.parametrize("name", live_settings())
def test_only_windows_and_bounds_cancel_open_orders(name: str) -> None:
    grid = started(NEUTRAL)
    before = setting_text(NEUTRAL, name, PERPETUAL.quote)
    value = OTHER_VALUES.get(name, "77s" if before[-1] in "smh" else "7")
    change = step(grid, command(SET, changes={name: value}))
    assert answer(change).outcome in {CommandOutcome.APPLIED, CommandOutcome.ACCEPTED}
    assert bool(canceled(change)) is (name in CANCELS)
    assert not placed(change)


def test_the_documented_table_has_each_live_setting() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    table = text.partition("| setting | open orders")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z_]+)`", table)) >= set(live_settings())
