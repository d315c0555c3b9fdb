"""The messages of the live protocol as Markdown, generated from the structs in `liveserver.protocol`."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec
from msgspec import inspect as shapes

from cli.schema import live_examples as examples
from cli.schema.docstrings import field_docs, member_docs, one_line_doc
from liveserver.protocol.server_messages import MarketMessage, Message, MessageType, encode_message

COLUMNS = 100

INTRODUCTION = """\
Every message and field of the [live protocol](live-protocol.md), for the plain socket and for the subprotocol \
`opensqt.v2`. Generated from `liveserver/protocol` by `./opensqt schema --live`; a test compares the two.

Decimals are strings, amounts in quote currency unless a field says otherwise. A field is always present unless the \
table says when it is absent. Clients ignore unknown fields and types. For the public view, amounts are hidden: see \
[secure.md](secure.md).
"""

ENVELOPE = """\
A message on the plain socket has two fields, `type` and `data`. In `opensqt.v2` it has further ones:
"""

CLIENT = """\
Only `opensqt.v2` has client messages; the plain socket ignores them. Times are seconds since the epoch, or ISO 8601 (UTC \
without an offset). Unknown fields of `data` are rejected with `error`.
"""

BOTH = "both sockets"
PLAIN = "the plain socket only"
V2 = "`opensqt.v2` only"

Data = Any


@dataclass(frozen=True)
class Variant:
    """One form of a message: an example of its data, which has the type of the data, and when it is sent."""

    type: MessageType
    example: Data
    when: str
    protocols: str = BOTH


SERVER_MESSAGES = (
    Variant(
        MessageType.HISTORY,
        (examples.CANDLE, examples.FORMING),
        "The candles of the interval, oldest first; part of the state.",
    ),
    Variant(MessageType.KLINE, examples.CANDLE, "A candle was closed, or the forming one changed."),
    Variant(MessageType.TICKER, examples.TICKER, "State: the newest prices."),
    Variant(MessageType.STATUS, examples.STATUS, "State: the feed or the intervals changed."),
    Variant(
        MessageType.SYMBOLS,
        (examples.SYMBOL,),
        "State: the list of all markets.",
    ),
    Variant(MessageType.ACCOUNT, examples.ACCOUNT, "State: a balance of the market's currencies."),
    Variant(MessageType.POSITION, examples.POSITION, "State: the position."),
    Variant(MessageType.ORDERS, (examples.ORDER,), "State: all open orders of the market."),
    Variant(MessageType.ORDERS, examples.ORDER, "An order changed.", PLAIN),
    Variant(MessageType.ORDERS, examples.REPORT, "A stored order report.", V2),
    Variant(MessageType.TRADE_EVENT, examples.TRADE, "An own trade."),
    Variant(
        MessageType.FILL,
        examples.FILL,
        "A trade as the grid booked it; `opens`, `level` and `grid_profit` are set.",
    ),
    Variant(
        MessageType.TRADE_HISTORY, (examples.FILL,), "The recent own trades, oldest first; part of the state."
    ),
    Variant(MessageType.GRID_STATE, examples.GRID, "The grid changed."),
    Variant(
        MessageType.RISK_ALERT, examples.RISK_ALERT, "A guard changed, or a part raised or ended an alert."
    ),
    Variant(MessageType.RISK_STATUS, examples.RISK_STATUS, "State: the active guards."),
    Variant(MessageType.QUOTING, examples.QUOTING, "The reason for not quoting changed."),
    Variant(MessageType.RECONCILIATION, examples.RECONCILIATION, "A reconciliation found a difference."),
    Variant(
        MessageType.POSITION_CORRECTED,
        examples.CORRECTION,
        "A difference from the venue's position was booked without a fill.",
    ),
    Variant(MessageType.CONTROL, examples.CONTROL, "The engine answered a command, from any operator."),
    Variant(MessageType.SERVER, examples.SERVER, "State of the live server, once a second."),
    Variant(MessageType.ERROR, examples.ERROR, "A request was rejected, or the socket is closed."),
    Variant(MessageType.SNAPSHOT, examples.SNAPSHOT, "The state of the markets follows.", V2),
    Variant(MessageType.RESUMED, examples.RESUMED, "The missed events follow.", V2),
    Variant(MessageType.STREAMS, examples.STREAMS, "The cursors advanced; about once a second at most.", V2),
    Variant(MessageType.REPLAY, examples.REPLAY, "The replay changed; otherwise once a second.", V2),
    Variant(
        MessageType.COMMAND, examples.COMMAND, "The answer to a `control` message on the same socket.", V2
    ),
)
"""Every message of the server."""

NO_MARKET = {
    MessageType.SYMBOLS,
    MessageType.SERVER,
    MessageType.ERROR,
    MessageType.SNAPSHOT,
    MessageType.RESUMED,
    MessageType.STREAMS,
    MessageType.REPLAY,
    MessageType.COMMAND,
}
"""Messages that concern no single market."""


def text() -> str:
    """Return the document."""
    parts = ["# Live messages", _wrapped(INTRODUCTION), "## Server messages", _wrapped(ENVELOPE)]
    parts += ["\n".join(_envelope_rows()), _example(SERVER_MESSAGES[2], is_v2=False)]
    parts += [_example(SERVER_MESSAGES[2], is_v2=True), "The examples below are those of `opensqt.v2`."]
    described: dict[type[msgspec.Struct], str] = {}
    for variant in SERVER_MESSAGES:
        parts += _server_message(variant, described)
    parts += ["## Client messages", _wrapped(CLIENT)]
    for request in examples.REQUESTS:
        parts += _client_message(request, described)
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def data_type(data: Data) -> tuple[type[msgspec.Struct], bool]:
    """Return the struct of a message's data, and whether the data is an array of it."""
    return (type(data), False) if isinstance(data, msgspec.Struct) else (type(data[0]), True)


def _server_message(variant: Variant, described: dict[type[msgspec.Struct], str]) -> Iterator[str]:
    kind, is_array = data_type(variant.example)
    name = variant.type.value
    form = f" ({'array' if is_array else variant.protocols})" if variant.type is MessageType.ORDERS else ""
    yield f"### `{name}`{form}"
    shape = "an array of objects" if is_array else "an object"
    yield _wrapped(f"{variant.when} Sent on {variant.protocols}; `data` is {shape}. {one_line_doc(kind)}")
    if kind in described:
        yield f"The fields are those of `{described[kind]}`."
    else:
        described[kind] = name
        yield from _tables(kind, name, described, is_request=False)
    yield _example(variant, is_v2=variant.protocols != PLAIN)


def _client_message(request: msgspec.Struct, described: dict[type[msgspec.Struct], str]) -> Iterator[str]:
    kind = type(request)
    yield f"### `{kind.__struct_config__.tag}`"
    yield one_line_doc(kind)
    for field in _fields(kind):
        assert isinstance(field.type, shapes.StructType)
        data = field.type.cls
        yield f"`data`{'' if field.required else ', which may be absent'}: {one_line_doc(data)}"
        yield from _tables(data, str(kind.__struct_config__.tag), described, is_request=True)
    yield _code(msgspec.json.encode(request))


def _tables(
    kind: type[msgspec.Struct], message: str, described: dict[type[msgspec.Struct], str], *, is_request: bool
) -> Iterator[str]:
    """Yield the table of a struct, of the values of its enums, and of the structs in it that are not described yet.

    `described` has the message in which a struct is described.
    """
    yield "\n".join(_rows(kind, is_request=is_request))
    for field in _fields(kind):
        for part in _leaves(field.type):
            if isinstance(part, shapes.EnumType):
                yield from _values(field, part.cls)
            elif isinstance(part, shapes.StructType) and part.cls in described:
                yield f"The fields of `{field.encode_name}` are those in `{described[part.cls]}`."
            elif isinstance(part, shapes.StructType):
                described[part.cls] = message
                yield _wrapped(f"`{field.encode_name}`: {one_line_doc(part.cls)}")
                yield from _tables(part.cls, message, described, is_request=is_request)


def _values(field: shapes.Field, kind: type[Enum]) -> Iterator[str]:
    documented = {member: doc for member, doc in member_docs(kind).items() if doc}
    if documented:
        rows = [f"| `{member.value}` | {_cell(doc)} |" for member, doc in documented.items()]
        yield "\n".join([f"| `{field.encode_name}` | meaning |", "|---|---|", *rows])


def _rows(kind: type[msgspec.Struct], *, is_request: bool) -> Iterator[str]:
    docs = field_docs(kind)
    yield f"| field | type | {'default' if is_request else 'absent'} | meaning |"
    yield "|---|---|---|---|"
    for field in _fields(kind):
        note = _default(field) if is_request else _absence(kind, field)
        yield f"| `{field.encode_name}` | {_type_name(field.type)} | {note} | {_cell(docs[field.name])} |"


def _envelope_rows() -> Iterator[str]:
    # msgspec can encode, but not inspect, the union of all data.
    names = {MessageType: "string", str: "string", int: "integer"}
    docs = field_docs(MarketMessage)
    yield "| field | type | absent | meaning |"
    yield "|---|---|---|---|"
    for field in msgspec.structs.fields(MarketMessage):
        absent = "" if field.required else f"if `{msgspec.json.encode(field.default).decode()}`"
        kind = names.get(field.type, "object or array")
        yield f"| `{field.encode_name}` | {kind} | {absent} | {_cell(docs[field.name])} |"


def _default(field: shapes.Field) -> str:
    return "required" if field.required else f"`{msgspec.json.encode(_default_value(field)).decode()}`"


def _absence(kind: type[msgspec.Struct], field: shapes.Field) -> str:
    is_omitted = not field.required and kind.__struct_config__.omit_defaults
    return f"if `{msgspec.json.encode(_default_value(field)).decode()}`" if is_omitted else ""


def _default_value(field: shapes.Field) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _type_name(node: shapes.Type) -> str:
    """Return the JSON type of a value: `string or null`, `array of objects`."""
    simple: dict[type, str] = {
        shapes.StrType: "string",
        shapes.IntType: "integer",
        shapes.FloatType: "number",
        shapes.BoolType: "boolean",
        shapes.NoneType: "null",
        shapes.AnyType: "any",
        shapes.StructType: "object",
        shapes.DictType: "object",
        shapes.EnumType: "string",
    }
    match node:
        case shapes.UnionType(types=types):
            return " or ".join(dict.fromkeys(map(_type_name, types)))
        case shapes.LiteralType(values=values):
            return " or ".join(f"`{value}`" for value in values)
        case shapes.VarTupleType(item_type=item) | shapes.CollectionType(item_type=item):
            return f"array of {_type_name(item)}s"
        case shapes.Metadata(type=inner):
            return _type_name(inner)
        case shapes.EnumType(cls=kind) if len(kind) < len(MessageType):
            return ", ".join(f"`{member.value}`" for member in kind)
    return simple[type(node)] + _bounds(node)


def _bounds(node: shapes.Type) -> str:
    """Return the limits of a value: ` (0 to 30)`."""
    match node:
        case shapes.StrType(max_length=int(longest)):
            return f" ({node.min_length or 0} to {longest} characters)"
        case shapes.FloatType(gt=None, ge=float() | int() as lowest, le=float() | int() as highest):
            return f" ({lowest:,} to {highest:,})"
        case shapes.FloatType(gt=float() | int() as above, le=float() | int() as highest):
            return f" (above {above:,}, at most {highest:,})"
    return ""


def _leaves(node: shapes.Type) -> Iterator[shapes.Type]:
    """Yield the enum and struct types in a type, without those of the union of all data."""
    match node:
        case shapes.StructType() | shapes.EnumType():
            yield node
        case shapes.DictType(value_type=inner) | shapes.CollectionType(item_type=inner):
            yield from _leaves(inner)
        case shapes.Metadata(type=inner):
            yield from _leaves(inner)
        case shapes.UnionType(types=types):
            for each in types:
                yield from _leaves(each)


def _fields(kind: type[msgspec.Struct]) -> Sequence[shapes.Field]:
    info = shapes.type_info(kind)
    assert isinstance(info, shapes.StructType)
    return info.fields


def _example(variant: Variant, *, is_v2: bool) -> str:
    if not is_v2:
        return _code(encode_message(Message(variant.type, variant.example)))
    has_market = variant.type not in NO_MARKET
    is_array = data_type(variant.example)[1]
    return _code(
        encode_message(
            MarketMessage(
                variant.type,
                variant.example,
                examples.VENUE if has_market else "",
                examples.MARKET if has_market else "",
                "" if is_array else examples.SEQUENCES.get(variant.type, ""),
            )
        )
    )


def _code(body: bytes) -> str:
    return f"```json\n{body.decode()}\n```"


def _cell(meaning: str) -> str:
    return meaning.replace("|", "\\|")


def _wrapped(paragraphs: str) -> str:
    return "\n\n".join(
        textwrap.fill(each, COLUMNS, break_long_words=False, break_on_hyphens=False)
        for each in paragraphs.strip().split("\n\n")
    )
