"""The bus as an AsyncAPI 3.0 document, generated from the catalog, the schemas and the topology."""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

import msgspec

from bus.client.jetstream import store_headers
from bus.client.trace_context import trace_context
from bus.coordination.membership import Claim, Member, Membership
from bus.streams.provision import wire_config
from bus.streams.registry import OPERATION_HEADER, TTL_HEADER
from bus.streams.topology import BUCKETS, STREAMS, StreamConfig
from cli import __version__
from cli.schema.docstrings import field_docs, member_docs, one_line_doc
from schemas.catalog import CHANNELS, Channel, Delivery
from schemas.engine.control import CommandName
from schemas.subjects import ALL
from schemas.traceparent import TRACEPARENT, new_trace

Json = dict[str, Any]

REFERENCE = "#/components/schemas/{name}"

DELIVERIES = "\n".join(f"- `{each.value}`: {doc}" for each, doc in member_docs(Delivery).items())

DESCRIPTION = f"""\
The messages between the processes of OpenSQT, over NATS JetStream.

Bodies are JSON with the type of the message in `type`. Decimals are strings. Readers ignore unknown fields.
The symbol token `{ALL}` addresses all symbols of a venue. Each stream republishes what it stores, as `x-jetstream` says.

`x-values` explains the values of an enum. `x-delivery` says how a message is published:

{DELIVERIES}
"""

PARAMETERS: dict[str, Json] = {
    "venue": {"description": "The id of a venue: letters, digits and `-`.", "examples": ["sim"]},
    "symbol": {
        "description": "A ccxt symbol as one token: `/` is `-`, `:` is `_`, another byte outside `[A-Za-z0-9]` is `=` and "
        f"two hex digits. `{ALL}` is all symbols of the venue.",
        "examples": ["BTC-USDT_USDT", ALL],
    },
    "interval": {"description": "A candle interval in ccxt's notation.", "examples": ["1m"]},
    "asset": {"description": "A currency, escaped like a symbol.", "examples": ["USDT"]},
    "name": {"description": "The command.", "enum": [each.value for each in CommandName]},
    "kind": {"description": "A kind of part, such as a publisher.", "examples": ["engine", "market"]},
    "process": {"description": "The name of a process, unique in its kind.", "examples": ["gateway-sim2"]},
    "group": {"description": "A process group.", "examples": ["engine", "gateway"]},
    "member": {"description": "The name of a process of the group.", "examples": ["host-4711"]},
    "key": {
        "description": "What is leased, often venue and symbol: several tokens.",
        "examples": ["sim.BTC-USDT"],
    },
}

HEADERS: dict[str, str] = {
    "content-type": "The encoding of the body.",
    "schema": "The type of the message; equal to `type` in the body.",
    "Nats-Msg-Id": "An id derived from the event. The stream drops a message with the same id within two minutes.",
    TRACEPARENT: "The trace of the message (W3C Trace Context): all that follows from one input belongs to the same one.",
    "Nats-Expected-Last-Subject-Sequence": "The sequence of the last message on the subject; the stream rejects the message "
    "if there is a newer one.",
    "Nats-Expected-Last-Subject-Sequence-Subject": "The subject of the expected sequence, if it is another one.",
    OPERATION_HEADER: "`DEL` in the message that deletes the value; its body is `{}`.",
    TTL_HEADER: "The bucket deletes the value after this time, such as `5s`.",
}

LIMITS = (
    "description",
    "storage",
    "discard",
    "max_age",
    "max_msgs_per_subject",
    "max_bytes",
    "allow_msg_ttl",
    "republish",
)
"""The fields of a stream's configuration that the document contains. `max_age` is in nanoseconds; 0 and -1: unlimited."""


def document() -> Json:
    """Return the AsyncAPI document."""
    channels = {channel.name: _channel(channel) for channel in CHANNELS}
    channels |= _leases()
    kinds = dict.fromkeys(kind for channel in CHANNELS for kind in channel.messages)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "OpenSQT bus", "version": __version__, "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": channels,
        "components": {"parameters": PARAMETERS, "schemas": _schemas((*kinds, Member, Claim))},
    }


def text() -> str:
    """Return the AsyncAPI document as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2).decode() + "\n"


def _channel(channel: Channel) -> Json:
    summaries = [one_line_doc(kind) for kind in channel.messages]
    return _channel_object(
        channel.address,
        channel.parameters,
        " ".join(summaries) or _what_is_returned(channel),
        {
            kind.__name__: _message(kind, delivery, (OPERATION_HEADER,) if channel.bucket else ())
            for kind, delivery in channel.messages.items()
        }
        or EMPTY,
    )


def _what_is_returned(channel: Channel) -> str:
    text = " ".join((channel.build.__doc__ or "").split()).removeprefix("Return ")
    return text[:1].upper() + text[1:]


def _channel_object(address: str, parameters: Sequence[str], description: str, messages: Json) -> Json:
    stream = stream_of(address)
    return {
        "address": address,
        "description": description,
        "messages": messages,
        "parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in parameters},
        **({"x-jetstream": _limits(stream)} if stream else {}),
    }


def stream_of(address: str) -> StreamConfig | None:
    """Return the stream or bucket that stores an address, None for a core subject."""
    return next(
        (
            config
            for config in (*STREAMS, *BUCKETS)
            if any(address.startswith(each.removesuffix(">")) for each in config.subjects)
        ),
        None,
    )


def _limits(config: StreamConfig) -> Json:
    wire = wire_config(config)
    kind = "bucket" if config.is_bucket else "stream"
    return {kind: config.name.removeprefix("KV_"), **{name: wire[name] for name in LIMITS if name in wire}}


def _message(kind: type[msgspec.Struct], delivery: Delivery, more: Sequence[str] = ()) -> Json:
    headers = {} if delivery is Delivery.CORE else {"headers": _headers(kind, delivery, more)}
    return {
        "name": _tag(kind),
        "contentType": "application/json",
        **headers,
        "payload": {"$ref": REFERENCE.format(name=kind.__name__)},
        "x-delivery": delivery.value,
    }


EMPTY: Json = {
    "Empty": {
        "name": "Empty",
        "contentType": "application/octet-stream",
        "payload": {"type": "string", "maxLength": 0, "description": "No body."},
        "x-delivery": Delivery.CORE.value,
    }
}


class _Sample(msgspec.Struct, tag=True):
    pass


def _headers(kind: type[msgspec.Struct], delivery: Delivery, more: Sequence[str]) -> Json:
    """Return the schema of the headers: the names that `store_headers` sets, and `more`."""
    is_once, is_fenced = delivery is Delivery.ONCE, delivery is Delivery.FENCED
    required = store_headers(_Sample(), "id" if is_once else None, 0 if is_fenced else None, None, None)
    with trace_context(new_trace("sample")):  # any message may be stored in one
        possible = store_headers(
            _Sample(),
            "id" if is_once or is_fenced else None,
            0 if is_fenced else None,
            "subject" if is_fenced else None,
            None,
        )
    constants = {"content-type": required["content-type"], "schema": _tag(kind)}
    names = [*(name for name in possible if is_once or name != "Nats-Msg-Id"), *more]
    return {
        "type": "object",
        "properties": {name: _header(name, constants.get(name)) for name in names},
        "required": list(required),
    }


def _header(name: str, constant: str | None) -> Json:
    schema: Json = {"type": "string", "description": HEADERS[name]}
    return schema if constant is None else {**schema, "const": constant}


def _tag(kind: type[msgspec.Struct]) -> str:
    return str(kind.__struct_config__.tag or kind.__name__)


def _leases() -> Json:
    """Return the channels of the bucket `lease`, whose keys belong to `bus.coordination`."""
    keys = Membership("{group}")
    members = "$KV.lease." + keys.member_key("{member}")
    claims = "$KV.lease." + keys.claim_key("{key}")
    return {
        name: _channel_object(
            address,
            parameters,
            one_line_doc(kind),
            {kind.__name__: _message(kind, Delivery.FENCED, (OPERATION_HEADER, TTL_HEADER))},
        )
        for name, address, parameters, kind in (
            ("kv_lease_member", members, ("group", "member"), Member),
            ("kv_lease", claims, ("group", "key"), Claim),
        )
    }


def _schemas(kinds: Sequence[type[msgspec.Struct]]) -> Json:
    _, found = msgspec.json.schema_components(kinds, ref_template=REFERENCE)
    for kind in _types(kinds):
        if issubclass(kind, msgspec.Struct):
            _describe(found[kind.__name__]["properties"], field_docs(kind))
        elif docs := {member.value: doc for member, doc in member_docs(kind).items() if doc}:
            found[kind.__name__]["x-values"] = docs
    return {name: _without_discriminators(found[name]) for name in sorted(found)}


def _describe(properties: Mapping[str, Json], docs: Mapping[str, str]) -> None:
    for name, schema in properties.items():
        # The siblings of a reference are ignored.
        if docs.get(name) and "$ref" not in schema:
            schema.setdefault("description", docs[name])


def _types(kinds: Sequence[type[msgspec.Struct]]) -> set[type[msgspec.Struct] | type[Enum]]:
    """Return the structs, and the structs and enums that are part of one."""
    found: set[type[msgspec.Struct] | type[Enum]] = set()

    def visit(node: Any) -> None:
        if isinstance(node, msgspec.inspect.StructType | msgspec.inspect.EnumType):
            if node.cls in found:
                return
            found.add(node.cls)
        for part in _parts(node):
            visit(part)

    for info in msgspec.inspect.multi_type_info(kinds):
        visit(info)
    return found


def _parts(node: Any) -> Iterator[Any]:
    if isinstance(node, msgspec.inspect.StructType):
        yield from (field.type for field in node.fields)
    for name in ("type", "item_type", "key_type", "value_type"):
        if isinstance(part := getattr(node, name, None), msgspec.inspect.Type):
            yield part
    for name in ("types", "item_types"):
        yield from getattr(node, name, ())


def _without_discriminators(schema: Any) -> Any:
    """Return a schema without OpenAPI's `discriminator`, which is another one in AsyncAPI; the `type` enums suffice."""
    if isinstance(schema, dict):
        return {key: _without_discriminators(each) for key, each in schema.items() if key != "discriminator"}
    if isinstance(schema, list):
        return [_without_discriminators(each) for each in schema]
    return schema
