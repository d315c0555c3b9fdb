"""The subject grammar: what is built comes back, and what is not ours is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import subjects
from schemas.subjects import Subject, escape, parse, unescape
from schemas.units import Symbol, VenueId

SIM = VenueId("sim")
symbols = st.text(min_size=1).filter(lambda text: text not in {"clock", "balance", "_all"})


@given(symbols)
def test_a_symbol_comes_back_from_its_token(symbol: str) -> None:
    assert unescape(escape(symbol)) == symbol


@given(st.text(min_size=1))
def test_a_token_has_nothing_that_nats_gives_a_meaning_to(symbol: str) -> None:
    assert not set(escape(symbol)) & set(" .*>\t\r\n\0$")


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_symbols_never_share_a_token(one: str, other: str) -> None:
    assert (escape(one) == escape(other)) == (one == other)


@given(symbols, st.sampled_from(["ticker", "trade", "candle.1m", "feed"]))
def test_a_subject_is_parsed_into_what_it_was_built_from(symbol: str, detail: str) -> None:
    text = subjects.subject("market", SIM, Symbol(symbol), detail)
    assert parse(text) == Subject("market", SIM, Symbol(symbol), detail)


@pytest.mark.parametrize(
    ("symbol", "token"),
    [("BTC/USDT", "BTC-USDT"), ("BTC/USDT:USDT", "BTC-USDT_USDT"), ("A-B/C", "A=2DB-C"), ("é/X", "=C3=A9-X")],
)
def test_tokens_read_well(symbol: str, token: str) -> None:
    assert escape(symbol) == token


def test_subjects_of_a_venue_have_no_symbol() -> None:
    assert parse(subjects.clock(SIM)) == Subject("market", SIM, None, "clock")
    assert parse(subjects.balance(SIM, "USDT")) == Subject("account", SIM, None, "balance.USDT")


def test_a_closed_candle_names_its_interval() -> None:
    text = subjects.closed_candle(SIM, Symbol("ETH/USDT"), "5m")
    assert text == "candle.sim.ETH-USDT.5m"
    assert parse(text).detail == "5m"


@pytest.mark.parametrize(
    "text", ["", "market", "market.sim", "market..x.y", "market.sim.a=ZZ.ticker", "a.b.=2D=.c"]
)
def test_what_is_no_subject_of_ours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


@pytest.mark.parametrize("venue", ["", "a.b", "bin ance", "*"])
def test_a_venue_is_one_plain_token(venue: str) -> None:
    with pytest.raises(ValueError, match="not a venue id"):
        subjects.ticker(VenueId(venue), Symbol("BTC/USDT"))


def test_an_empty_token_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        escape("")


def test_commands_do_not_match_results() -> None:
    symbol = Symbol("BTC/USDT")
    assert subjects.command_result(SIM, symbol) not in subjects.commands(SIM, symbol)
