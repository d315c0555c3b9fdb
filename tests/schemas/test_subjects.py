"""The subject grammar: subjects round-trip, and invalid ones are rejected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import subjects
from schemas.subjects import Subject, escape, parse, unescape
from schemas.units import Symbol, VenueId

SIM = VenueId("sim")
symbols = st.text(min_size=1).filter(lambda text: text not in {"clock", "balance", "_all"})


@given(symbols)
def test_unescape_is_the_inverse_of_escape(symbol: str) -> None:
    assert unescape(escape(symbol)) == symbol


@given(st.text(min_size=1))
def test_a_token_has_no_character_with_a_meaning_in_nats(symbol: str) -> None:
    assert not set(escape(symbol)) & set(" .*>\t\r\n\0$")


@given(st.text(min_size=1), st.text(min_size=1))
def test_different_symbols_have_different_tokens(one: str, other: str) -> None:
    assert (escape(one) == escape(other)) == (one == other)


@given(symbols, st.sampled_from(["ticker", "trade", "candle.1m", "feed"]))
def test_parse_is_the_inverse_of_subject(symbol: str, detail: str) -> None:
    text = subjects.subject("market", SIM, Symbol(symbol), detail)
    assert parse(text) == Subject("market", SIM, Symbol(symbol), detail)


@pytest.mark.parametrize(
    ("symbol", "token"),
    [("BTC/USDT", "BTC-USDT"), ("BTC/USDT:USDT", "BTC-USDT_USDT"), ("A-B/C", "A=2DB-C"), ("é/X", "=C3=A9-X")],
)
def test_symbols_are_escaped_readably(symbol: str, token: str) -> None:
    assert escape(symbol) == token


def test_venue_wide_subjects_have_no_symbol() -> None:
    assert parse(subjects.clock(SIM)) == Subject("market", SIM, None, "clock")
    assert parse(subjects.balance(SIM, "USDT")) == Subject("account", SIM, None, "balance.USDT")


def test_the_subject_of_a_closed_candle_ends_with_its_interval() -> None:
    text = subjects.closed_candle(SIM, Symbol("ETH/USDT"), "5m")
    assert text == "candle.sim.ETH-USDT.5m"
    assert parse(text).detail == "5m"


@pytest.mark.parametrize(
    "text", ["", "market", "market.sim", "market..x.y", "market.sim.a=ZZ.ticker", "a.b.=2D=.c"]
)
def test_an_invalid_subject_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


@pytest.mark.parametrize("venue", ["", "a.b", "bin ance", "*"])
def test_an_invalid_venue_id_is_rejected(venue: str) -> None:
    with pytest.raises(ValueError, match="not a venue id"):
        subjects.ticker(VenueId(venue), Symbol("BTC/USDT"))


def test_an_empty_symbol_is_rejected() -> None:
    with pytest.raises(ValueError, match="empty"):
        escape("")


def test_command_subjects_do_not_include_the_result_subject() -> None:
    symbol = Symbol("BTC/USDT")
    assert subjects.command_result(SIM, symbol) not in subjects.commands(SIM, symbol)
