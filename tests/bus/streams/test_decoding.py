"""Invalid messages are logged and skipped, unknown types counted, newer formats refused."""

import pytest

from bus import Bus, Received, open_service
from bus.log import get_logger
from bus.streams.decoding import MAX_KINDS, UnknownKinds, decode_or_log
from bus.streams.registry import Entry
from schemas.codec import FormatTooNew, encode
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


def test_an_invalid_message_that_is_read_again_and_again_is_logged_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stored = Received("portfolios.sim", b"{repeatedly", {}, "KV_portfolios", 3, 5)

    for _ in range(100):
        decode_or_log(stored, PortfolioEntry, get_logger("test"))

    assert capsys.readouterr().err.count("undecodable") == 1


def unknown(kind: str) -> Entry:
    return Entry("sim", f'{{"type":"{kind}"}}'.encode(), 7)


async def test_messages_of_an_unknown_type_are_counted_and_logged_once(
    bus: Bus, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        assert decode_or_log(unknown("KindOfThisTest"), DecisionMade, get_logger("test")) is None

    async with open_service("test", bus=bus.url, http_port=None) as service:
        assert b'bus_unknown_kinds_total{kind="KindOfThisTest"} 3.0' in service.metrics()
    assert capsys.readouterr().err.count("unknown_kind ") == 1


def test_the_number_of_unknown_types_is_bounded() -> None:
    kinds = UnknownKinds()

    first = [kinds.add(f"Kind{n}") for n in range(MAX_KINDS + 10)]

    assert sum(first) == MAX_KINDS + 1
    assert kinds.counts["other"] == 10


def test_a_newer_format_is_not_skipped() -> None:
    data = b'{"type":"PortfolioStep","venue":"sim","step":4,"minimum_reader":99}'

    with pytest.raises(FormatTooNew, match="this portfolio step of sim was written by a newer version"):
        decode_or_log(Entry("sim", data, 7), DecisionMade, get_logger("test"))
