"""Docstrings of fields and enum members, parsed from the source."""

from cli.schema.docstrings import field_docs, member_docs, one_line_doc
from liveserver.protocol.server_messages import TickerData
from schemas.engine.control import CommandName, CommandOutcome
from schemas.venue.market import PublicTrade, Ticker


def test_the_unit_follows_the_docstring_of_a_field() -> None:
    assert field_docs(Ticker)["time"] == "The venue's time. Nanoseconds since the Unix epoch, UTC."


def test_a_field_without_docstring_has_its_unit() -> None:
    assert field_docs(PublicTrade)["quantity"] == "Base currency; never negative."


def test_fields_of_bases_come_first() -> None:
    docs = field_docs(TickerData)

    assert list(docs)[:4] == ["symbol", "venue", "market", "bid"]
    assert docs["market"] == "The ccxt symbol."


def test_a_docstring_belongs_to_the_member_before_it() -> None:
    assert member_docs(CommandName)[CommandName.TRIP] == "Open the circuit breaker."
    assert member_docs(CommandOutcome)[CommandOutcome.REFUSED] == ""


def test_a_long_docstring_becomes_one_line() -> None:
    assert one_line_doc(Ticker) == "Best bid and ask and the last trade price; only the newest ticker counts."
