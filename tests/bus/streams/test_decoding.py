"""Invalid messages are logged and skipped."""

import pytest

from bus import Received
from bus.log import get_logger
from bus.streams.decoding import decode_or_log
from bus.streams.registry import Entry
from schemas.codec import encode
from schemas.engine.events import DecisionMade
from schemas.engine.portfolio import PortfolioEntry, PortfolioSettings
from schemas.units import VenueId

ENTRY = PortfolioEntry(venue=VenueId("sim"), settings=PortfolioSettings())


def test_a_valid_message_is_decoded() -> None:
    stored = Received("portfolios.sim", encode(ENTRY), {}, "KV_portfolios", 3, 0)

    assert decode_or_log(stored, PortfolioEntry, get_logger("test")) == ENTRY


@pytest.mark.parametrize("data", [b"{invalid", encode(ENTRY)])
def test_an_invalid_entry_is_logged_with_its_key(data: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    assert decode_or_log(Entry("sim", data, 7), DecisionMade, get_logger("test")) is None
    line = capsys.readouterr().err
    assert "undecodable" in line
    assert "subject=sim sequence=7" in line
