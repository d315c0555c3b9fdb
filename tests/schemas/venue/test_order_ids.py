"""Client order ids: reversible, unique, and short enough for every venue."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.units import Side, Symbol
from schemas.venue.order_ids import OrderName, is_ours, order_id, parse_order_id, symbol_code

BTC = Symbol("BTC/USDT:USDT")
levels = st.integers(-(36**5) + 1, 36**5 - 1)
cycles = st.integers(0, 36**6 - 1)


@given(levels, st.sampled_from(Side), cycles, st.integers(0, 1295))
def test_an_id_says_what_it_was_made_of(level: int, side: Side, cycle: int, generation: int) -> None:
    text = order_id("sqt", BTC, generation, level, side, cycle)
    assert parse_order_id(text) == OrderName("sqt", symbol_code(BTC), generation, level, side, cycle)


@given(levels, st.sampled_from(Side), cycles)
def test_an_id_suits_every_venue(level: int, side: Side, cycle: int) -> None:
    assert re.fullmatch(r"[A-Za-z0-9]{1,28}", order_id("sqt", BTC, 1, level, side, cycle))


@pytest.mark.parametrize("text", ["", "x", "web_123", "sqt00000" + "1" * 14, "SQT" + "0" * 20])
def test_what_others_named_is_not_ours(text: str) -> None:
    assert parse_order_id(text) is None
    assert not is_ours(text, "sqt", BTC)


def test_another_instance_or_symbol_is_not_ours() -> None:
    text = order_id("sqt", BTC, 1, -3, Side.BUY, 7)
    assert is_ours(text, "sqt", BTC)
    assert not is_ours(text, "abc", BTC)
    assert not is_ours(text, "sqt", Symbol("ETH/USDT:USDT"))


@pytest.mark.parametrize("instance", ["", "sq", "SQT", "sqt1", "s-t"])
def test_an_instance_is_three_plain_characters(instance: str) -> None:
    with pytest.raises(ValueError, match="instance"):
        order_id(instance, BTC, 1, 0, Side.BUY, 1)


def test_a_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        order_id("sqt", BTC, 1296, 0, Side.BUY, 1)
