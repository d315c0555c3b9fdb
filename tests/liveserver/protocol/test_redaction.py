"""Redaction: the table covers every field, and no amount, id or free text reaches public viewers."""

from collections.abc import Iterator
from decimal import Decimal
from types import UnionType
from typing import Any, get_args, get_origin

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveserver.auth.settings import Access
from liveserver.protocol import server_messages as market_messages
from liveserver.protocol import session_messages
from liveserver.protocol.cursors import StreamCursor
from liveserver.protocol.encoding import Encoding, encode_frame
from liveserver.protocol.pseudonyms import UNKEYED_PSEUDONYM, pseudonyms
from liveserver.protocol.redaction import TABLE, redacted
from liveserver.protocol.redaction_rules import hide, keep
from liveserver.protocol.server_messages import Message, MessageType
from liveserver.protocol.symbol_names import Channel
from liveserver.view.projection import Projection
from schemas.grid.view import NotQuoting
from tests.liveserver import events
from tests.liveserver.auth_fixtures import access

MARK = "7351946"
"""Digits that occur in no price, time or count of these tests."""

SECRET = {
    *("free", "balance", "margin_balance", "equity", "unrealized_pnl", "leverage", "liquidation_price"),
    *(
        "amount",
        "quantity",
        "filled",
        "held",
        "position",
        "cash",
        "fee",
        "fee_value",
        "fees",
        "fees_other",
        "funding",
        "open_fees",
        "volume",
    ),
    *("grid_profit", "unpaired_profit", "total_profit", "buy_and_hold", "per_year"),
    *("venue_position", "foreign_position"),
    *("id", "order_id", "trade_id", "trade_ids", "command_id"),
    *("operator", "details", "message", "action", "feed_reason", "problems"),
}
"""Field names that are secret in any struct."""
SECRET_IN = {
    (market_messages.ControlData, "reason"),
    (market_messages.ControlData, "detail"),
    (market_messages.CorrectionData, "reason"),
    (market_messages.OrderData, "detail"),
    (market_messages.ReportData, "detail"),
    (session_messages.CommandAnswer, "detail"),
    (market_messages.QuotingData, "detail"),
    *((market_messages.GridData, each) for each in ("not_quoting_text", "not_quoting_remedy", "halted_by")),
    (market_messages.StatusData, "blocked_remedy"),
    *((session_messages.PartData, each) for each in ("name", "detail", "remedy")),
    (session_messages.SymbolAnswer, "detail"),
}
"""Fields that are secret in one struct."""
PUBLIC_IN = {(market_messages.CandleData, "volume")}
"""Market data, not own amounts."""


def structs_in(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """Yield every struct that a type is or contains."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
        for field in msgspec.structs.fields(kind):
            yield from structs_in(field.type)
    elif get_origin(kind) is not None or isinstance(kind, UnionType):
        for argument in get_args(kind):
            yield from structs_in(argument)


SENT = {*structs_in(Message), market_messages.ProfitData, session_messages.StatusReport} - {Message}
REDACTED = SENT - {StreamCursor}


def is_secret(kind: type[msgspec.Struct], field: str) -> bool:
    return (field in SECRET or (kind, field) in SECRET_IN) and (kind, field) not in PUBLIC_IN


def filled_with(kind: type[msgspec.Struct], secret: str) -> Any:
    """Return a struct whose secret fields contain a text, and whose other fields are plain."""
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        inner = [each for each in structs_in(field.type) if each in TABLE]
        if is_secret(kind, field.name):
            nested = {
                "problems": (secret,),
                "trade_ids": (secret,),
                "fees_other": {"BNB": secret},
                "details": {"limit": secret},
            }
            values[field.name] = nested.get(field.name, secret)
        elif inner:
            values[field.name] = (filled_with(inner[0], secret),)
        elif field.type in {str, str | None}:
            values[field.name] = "100"
        elif field.type in {int, int | None, float, float | str}:
            values[field.name] = 1
        else:
            values[field.name] = {} if field.name == "streams" else None
    return kind(**values)


def test_table_covers_every_field_of_every_struct() -> None:
    assert {*REDACTED} == {*TABLE}
    for kind, rules in TABLE.items():
        assert set(rules) == set(kind.__struct_fields__), kind


def test_no_secret_field_is_kept() -> None:
    kept = {
        (kind.__name__, field)
        for kind, rules in TABLE.items()
        for field, rule in rules.items()
        if rule is keep and is_secret(kind, field)
    }

    assert kept == set()


@pytest.mark.parametrize("kind", sorted(TABLE, key=str), ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(
    whole=st.integers(0, 10**6),
    fraction=st.from_regex(r"[0-9]{0,6}", fullmatch=True),
    is_negative=st.booleans(),
)
def test_no_digit_of_a_secret_is_sent(
    kind: type[msgspec.Struct], whole: int, fraction: str, is_negative: bool
) -> None:
    secret = f"{'-' if is_negative else ''}{whole}{MARK}.{fraction}{MARK}"

    shown = msgspec.json.encode(redacted(filled_with(kind, secret), UNKEYED_PSEUDONYM)).decode()

    assert MARK not in shown


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8), st.text(max_size=20))
def test_any_amount_or_text_is_redacted_without_an_error(amount: Decimal, word: str) -> None:
    for kind in TABLE:
        for secret in (str(amount), word):
            redacted(filled_with(kind, secret), UNKEYED_PSEUDONYM)


def marked(text: str) -> Decimal:
    return Decimal(f"{text}.{MARK}")


def marked_projection() -> Projection:
    """Return a projection of one market in which every secret value contains the mark."""
    projection = Projection()
    replaced = msgspec.structs.replace
    amounts = dict.fromkeys(
        (
            "cash",
            "fees",
            "funding",
            "grid_profit",
            "unpaired_profit",
            "total_profit",
            "buy_and_hold",
            "volume",
        ),
        marked("3"),
    )
    grid = events.grid()
    slots = tuple(replaced(slot, held=marked("1"), client_order_id=f"o{MARK}") for slot in grid.slots)
    marked_events: list[Any] = [
        events.candle(1),
        events.ticker("100"),
        replaced(events.report(f"o{MARK}"), quantity=marked("2"), detail=f"has {MARK}"),
        replaced(
            events.balance(),
            total=marked("9"),
            free=marked("8"),
            margin_balance=marked("7"),
            unrealized_pnl=marked("1"),
        ),
        replaced(
            events.position("1"), quantity=marked("2"), unrealized_pnl=marked("1"), leverage=marked("5")
        ),
        events.trade(f"t{MARK}", f"o{MARK}", f"1.{MARK}"),
        events.fill(f"t{MARK}", f"o{MARK}", f"1.{MARK}", profit=f"4.{MARK}"),
        replaced(
            grid,
            position=marked("2"),
            venue_position=marked("3"),
            foreign_position=marked("4"),
            slots=slots,
            **amounts,
        ),
        replaced(events.risk("drawdown"), details=f"lost {MARK} USDT", figures={"drawdown": MARK}),
        replaced(events.quoting(NotQuoting.BREAKER_OPEN), detail=f"lost {MARK} USDT"),
        replaced(events.alert("late_trade"), detail=f"{MARK} USDT"),
        replaced(events.reconciled(f"o{MARK}"), action=f"booked {MARK}"),
        replaced(
            events.corrected(f"-1.{MARK}"),
            fee=marked("1"),
            grid_profit=marked("2"),
            position=marked("3"),
            reason=f"sold {MARK}",
            operator=f"ann{MARK}",
            trade_ids=(f"t{MARK}",),
        ),
        replaced(events.result(f"c{MARK}"), operator=f"ann{MARK}", reason=f"{MARK}", detail=f"{MARK}"),
    ]
    for i, event in enumerate(marked_events):
        projection.apply(event, i + 1)
    return projection


@pytest.mark.parametrize("encoding", [Encoding.PUBLIC_PLAIN, Encoding.PUBLIC_V2])
def test_public_snapshot_contains_no_secret(encoding: Encoding) -> None:
    projection = marked_projection()
    market = next(iter(projection.names))
    messages = projection.snapshot(Channel(market, "1m"))

    full = b"".join(encode_frame(message, Encoding.V2) for message in messages)
    public = b"".join(encode_frame(message, encoding) for message in messages)

    assert full.count(MARK.encode()) > 25
    assert MARK.encode() not in public
    assert {message.type for message in messages} >= {
        MessageType.ACCOUNT,
        MessageType.GRID_STATE,
        MessageType.CONTROL,
    }


def test_grid_amounts_become_shares_of_the_volume() -> None:
    projection = marked_projection()
    market = next(iter(projection.names))
    grid = projection.view(market).grid
    assert grid is not None
    messages = projection.market_snapshot(Channel(market, "1m"))
    shown = redacted(next(each.data for each in messages if each.type == "grid_state"), UNKEYED_PSEUDONYM)

    assert shown.volume == ""
    assert abs(Decimal(shown.total_profit) - grid.total_profit / grid.volume) <= Decimal("0.000001")
    assert shown.closed_trades == grid.closed_trades


def test_order_keeps_a_stable_pseudonym_and_its_filled_share() -> None:
    order = filled_with(market_messages.OrderData, "4")
    half = msgspec.structs.replace(order, id="a", quantity="4", filled="2")
    other = msgspec.structs.replace(half, id="b")

    shown, again, another = (redacted(each, UNKEYED_PSEUDONYM) for each in (half, half, other))

    assert (shown.quantity, shown.filled) == ("", "0.5")
    assert shown.id == again.id != another.id


def test_pseudonyms_are_equal_on_replicas_and_depend_on_the_secret() -> None:
    one, same, other = pseudonyms(access(), "x"), pseudonyms(access(), "x"), pseudonyms(Access(), "x")

    assert one("a") == same("a") != other("a")
    assert other("a") != pseudonyms(Access(), "y")("a")


def test_struct_outside_the_table_is_rejected() -> None:
    class Added(msgspec.Struct):
        amount: str

    with pytest.raises(KeyError):
        redacted(Added("1"), UNKEYED_PSEUDONYM)


def test_hidden_null_stays_null() -> None:
    assert hide(None, None, UNKEYED_PSEUDONYM) is None
