"""Money as viewers see it: entry price and profit of positions, worth of the account, parts of a profit."""

import json
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from liveserver.protocol.server_messages import encode_message
from liveserver.view.projection import Outgoing, Projection
from schemas.codec import Event
from tests.builders import BTC
from tests.liveserver import events
from tests.liveserver.events import SPOT


def _read(outgoing: list[Outgoing]) -> list[tuple[str, Any]]:
    messages = [json.loads(encode_message(each.message)) for each in outgoing]
    return [(message["type"], message["data"]) for message in messages]


def _messages(event: Event) -> list[tuple[str, Any]]:
    return _read(Projection().apply(event, 1))


SPOT_POSITION = replace(
    events.position("2", symbol=SPOT),
    entry_price=Decimal(0),
    unrealized_pnl=Decimal(0),
    mark_price=Decimal(110),
)
"""As spot venues report it: without an entry price."""


def test_spot_position_that_nothing_explains_has_no_entry_price_and_no_profit() -> None:
    [(_, data)] = _messages(SPOT_POSITION)

    assert (data["entryPrice"], data["unrealizedPnL"], data["amount"]) == (None, None, "2")


def test_spot_position_has_the_entry_price_of_the_grid() -> None:
    projection = Projection()
    projection.apply(SPOT_POSITION, 1)
    grid = replace(events.grid(symbol=SPOT), entry_price=Decimal(98))
    projection.apply(replace(grid, entry_price=None), 1)

    (_, shown), (kind, data) = _read(projection.apply(grid, 2))

    assert (kind, data["entryPrice"], data["unrealizedPnL"]) == ("position", "98", "24")
    assert shown["entry_price"] == "98"


def test_spot_position_has_the_entry_price_of_the_own_trades() -> None:
    projection = Projection()
    for number in (1, 2):
        projection.apply(events.trade(str(number), symbol=SPOT, second=number), number)

    [(_, data)] = _read(projection.apply(SPOT_POSITION, 1))

    assert (data["entryPrice"], data["unrealizedPnL"]) == ("99.5", "21.0")


def test_flat_position_has_no_entry_price() -> None:
    [(_, data)] = _messages(replace(events.position("0"), entry_price=Decimal(0)))

    assert (data["entryPrice"], data["unrealizedPnL"], data["side"]) == (None, "0", "FLAT")


def test_equity_counts_all_assets_at_the_newest_prices() -> None:
    projection = Projection()
    for event in (
        events.ticker("100", symbol=SPOT),
        events.balance("BTC", "2"),
        events.ticker("200", symbol=SPOT),
    ):
        projection.apply(event, 1)

    [(_, data)] = _read(projection.apply(events.balance("USDT", "1000"), 1))

    assert (data["equity"], data["total_equity"], data["equity_asset"]) == ("1002", "1802", "USDT")


def test_another_asset_changes_the_equity_of_each_market_of_the_account() -> None:
    projection = Projection()
    for event in (events.ticker(), events.ticker("100", symbol=SPOT), events.balance("USDT", "1000")):
        projection.apply(event, 1)

    outgoing = projection.apply(events.balance("BTC", "2"), 2)

    assert [
        (each.channel.market.symbol, data["asset"], data["total_equity"])
        for each, (_, data) in zip(outgoing, _read(outgoing), strict=True)
    ] == [(BTC, "USDT", "1402"), (SPOT, "BTC", "1402"), (SPOT, "USDT", "1402")]


def test_equity_is_unknown_while_an_asset_has_no_price() -> None:
    projection = Projection()
    for event in (events.ticker(), events.balance("SOL", "2")):
        projection.apply(event, 1)

    [(_, data)] = _read(projection.apply(events.balance("USDT", "1000"), 1))

    assert (data["total_equity"], data["unpriced"]) == (None, ["SOL"])


def test_shown_parts_of_a_grid_add_up() -> None:
    [(_, data)] = _messages(replace(events.grid(), grid_profit=Decimal("0.5049")))
    shown = {name: Decimal(text) for name, text in data["shown"].items()}

    assert data["shown"]["total"] == "1.90"
    assert sum(shown.values()) == 2 * shown["total"]
