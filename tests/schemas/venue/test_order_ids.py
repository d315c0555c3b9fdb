"""Client order ids round-trip and are valid at every venue."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.units import Side, Symbol
from schemas.venue.order_ids import OrderIdParts, is_own_order_id, order_id, parse_order_id, symbol_code

BTC = Symbol("BTC/USDT:USDT")
levels = st.integers(-(36**5) + 1, 36**5 - 1)
cycles = st.integers(0, 36**6 - 1)


@given(levels, st.sampled_from(Side), cycles, st.integers(0, 1295))
def test_parse_is_the_inverse_of_order_id(level: int, side: Side, cycle: int, generation: int) -> None:
    text = order_id("sqt", BTC, generation, level, side, cycle)
    assert parse_order_id(text) == OrderIdParts("sqt", symbol_code(BTC), generation, level, side, cycle)


@given(levels, st.sampled_from(Side), cycles)
def test_an_id_is_valid_at_every_venue(level: int, side: Side, cycle: int) -> None:
    assert re.fullmatch(r"[A-Za-z0-9]{1,28}", order_id("sqt", BTC, 1, level, side, cycle))


@pytest.mark.parametrize("text", ["", "x", "web_123", "sqt00000" + "1" * 14, "SQT" + "0" * 20])
def test_a_foreign_id_is_not_an_own_order_id(text: str) -> None:
    assert parse_order_id(text) is None
    assert not is_own_order_id(text, "sqt", BTC)


def test_an_id_of_another_instance_or_symbol_is_not_an_own_order_id() -> None:
    text = order_id("sqt", BTC, 1, -3, Side.BUY, 7)
    assert is_own_order_id(text, "sqt", BTC)
    assert not is_own_order_id(text, "abc", BTC)
    assert not is_own_order_id(text, "sqt", Symbol("ETH/USDT:USDT"))


@pytest.mark.parametrize("instance", ["", "sq", "SQT", "sqt1", "s-t"])
def test_an_invalid_instance_is_rejected(instance: str) -> None:
    with pytest.raises(ValueError, match="instance"):
        order_id(instance, BTC, 1, 0, Side.BUY, 1)


def test_a_number_that_does_not_fit_is_rejected() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        order_id("sqt", BTC, 1296, 0, Side.BUY, 1)
