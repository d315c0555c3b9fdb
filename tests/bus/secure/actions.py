"""What is tried as each user of a secured bus."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping

from bus.streams.topology import BUCKETS, STREAMS
from schemas.engine.control import CommandName
from tests.bus.secure.session import Session

API_PREFIXES = ("$JS.API", "$JS.trade.API", "$JS.read.API")
PAYLOAD = b'{"type":"Forged"}'
TARGET = "control.sim._all.flatten"
"""A subject that injected messages are aimed at."""

Action = Callable[[Session], Awaitable[bool]]


def store(subject: str, headers: dict[str, str] | None = None) -> Action:
    """Publish into a stream, with acknowledgement."""
    return lambda each: each.succeeds(subject, PAYLOAD, headers)


def send(subject: str) -> Action:
    """Publish without a stream."""
    return lambda each: each.is_permitted(each.nc.publish(subject, PAYLOAD))


def receive(subject: str) -> Action:
    """Subscribe."""

    async def act(each: Session) -> bool:
        return await each.is_permitted(each.nc.subscribe(subject))

    return act


def api(endpoint: str, body: object = None, prefixes: tuple[str, ...] = API_PREFIXES) -> Action:
    """Call an endpoint of the JetStream API under any of the prefixes."""

    async def act(each: Session) -> bool:
        # Not `any(...)` of a generator: all are tried.
        return True in [await each.succeeds(f"{prefix}.{endpoint}", body) for prefix in prefixes]

    return act


def trade_api(endpoint: str, body: object = None) -> Action:
    """Call an endpoint of the JetStream API of TRADE, as this user reaches it."""

    async def act(each: Session) -> bool:
        prefixes = ("$JS.trade.API", "$JS.API") if each.user == "admin" else ("$JS.trade.API",)
        return True in [await each.succeeds(f"{prefix}.{endpoint}", body) for prefix in prefixes]

    return act


async def inject_by_reply(each: Session) -> None:
    """Ask for a stored message, with a subject of another part as the reply subject."""

    for prefix in API_PREFIXES:
        for stream in ("MARKET", "JOURNAL", "CONTROL"):
            body = json.dumps({"seq": 1}).encode()
            await each.nc.publish(f"{prefix}.DIRECT.GET.{stream}", body, reply=TARGET)
            await each.nc.publish(f"{prefix}.STREAM.INFO.{stream}", b"", reply=TARGET)
    await each.is_permitted(asyncio.sleep(0))


async def inject_by_consumer(each: Session) -> None:
    """Create a push consumer that delivers to a subject of another part."""

    name = f"inject-{each.user}"
    config = {"name": name, "deliver_subject": TARGET, "ack_policy": "none"}
    for prefix in API_PREFIXES:
        for stream in ("MARKET", "JOURNAL", "CONTROL"):
            for endpoint in (f"CONSUMER.CREATE.{stream}.{name}", f"CONSUMER.CREATE.{stream}"):
                body = json.dumps({"stream_name": stream, "config": config}).encode()
                # The last two: the answer of the own API, taken for a request by that of TRADE.
                inbox = f"{each.context.inbox_prefix}.consumer"
                for reply in (inbox, f"$JS.trade.API.{endpoint}", f"$JS.API.{endpoint}"):
                    await each.nc.publish(f"{prefix}.{endpoint}", body, reply=reply)
    await each.is_permitted(asyncio.sleep(0))


STREAM_NAMES = (*(each.name for each in STREAMS), *(each.name for each in BUCKETS))
PUSH = {"deliver_subject": TARGET, "ack_policy": "none"}

GROUPS: Mapping[str, Mapping[str, Action]] = {
    "Publish": {
        subject: store(subject)
        for subject in (
            "market.sim.B.ticker",
            "market.other.B.ticker",
            "candle.sim.B.1m",
            "candle.other.B.1m",
            "order.sim.B.intent",
            "order.sim.B.request",
            "order.sim.B.report",
            "order.sim.B.trade",
            "order.sim.B.funding",
            "order.other.B.intent",
            "order.other.B.trade",
            "account.sim.B.position",
            "account.sim._all.latency",
            "account.other.B.position",
            "journal.sim.B.step",
            "journal._all._all.limits",
            "engine.sim.B.fill",
            "control.sim.B.result",
            *(f"control.sim.B.{name}" for name in CommandName),
            "alert.sim.B",
            "alert.other.B",
            "part.engine.x",
            "part.market.x",
            "part.account.x",
            "part.gateway.x",
            "part.liveserver.x",
            "$KV.symbols.sim.B",
            "$KV.portfolios.USDT",
            "$KV.instruments.sim.B",
            "$KV.instruments.other.B",
            "$KV.lease.engine.x",
            "$KV.lease.market.sim.x",
            "$KV.lease.account.sim.x",
            "$KV.lease.gateway.sim.x",
            "$KV.lease.member.gateway.other.x",
        )
    },
    "Publish, not stored": {
        subject: send(subject)
        for subject in (
            "sweep.sim",
            "heartbeat.sim.B",
            "heartbeat.other.B",
            "turn.gateway.sim.B",
            "live.market.sim.B.ticker",
            "live.engine.sim.B.fill",
            "mirror.JOURNAL",
            "_INBOX_engine.1.2",
            "$JS.ACK.JOURNAL.mirror.1.1.1.1.1",
            "$JS.FC.JOURNAL.mirror.1",
        )
    },
    "Subscribe": {
        subject: receive(subject)
        for subject in (
            ">",
            "_INBOX.>",
            "_INBOX_engine.>",
            "_R_.>",
            "$JS.>",
            "$SYS.>",
            "$KV.>",
            "market.>",
            "engine.>",
            "sweep.sim",
            "heartbeat.sim.*",
            "heartbeat.other.*",
            "turn.>",
            *(f"live.{each.subjects[0]}" for each in (*STREAMS, *BUCKETS)),
        )
    },
    "Read streams of TRADE": {
        **{
            f"STREAM.INFO.{name}": trade_api(f"STREAM.INFO.{name}")
            for name in ("MARKET", "JOURNAL", "KV_lease")
        },
        **{f"DIRECT.GET.{name}": trade_api(f"DIRECT.GET.{name}", {"seq": 1}) for name in STREAM_NAMES},
        "DIRECT.GET.JOURNAL.SUBJECT": trade_api("DIRECT.GET.JOURNAL.journal.sim.B.step"),
        **{
            f"STREAM.MSG.GET.{name}": trade_api(f"STREAM.MSG.GET.{name}", {"seq": 1})
            for name in ("MARKET", "JOURNAL", "ORDERS")
        },
        "STREAM.NAMES": trade_api("STREAM.NAMES"),
    },
    "Change streams of TRADE": {
        "STREAM.CREATE.X": trade_api("STREAM.CREATE.X", {"name": "X", "subjects": ["x"]}),
        "STREAM.CREATE.M (mirror)": trade_api(
            "STREAM.CREATE.M", {"name": "M", "mirror": {"name": "JOURNAL"}}
        ),
        "STREAM.UPDATE.X": trade_api("STREAM.UPDATE.X", {"name": "X", "subjects": ["y"]}),
        "STREAM.PURGE.X": trade_api("STREAM.PURGE.X"),
        "STREAM.MSG.DELETE.JOURNAL": trade_api("STREAM.MSG.DELETE.JOURNAL", {"seq": 2}),
        "STREAM.SNAPSHOT.JOURNAL": trade_api(
            "STREAM.SNAPSHOT.JOURNAL", {"deliver_subject": "_INBOX_x", "chunk_size": 1024}
        ),
        "STREAM.DELETE.X": trade_api("STREAM.DELETE.X"),
        "CONSUMER.CREATE.JOURNAL.NAME": trade_api(
            "CONSUMER.CREATE.JOURNAL.c1", {"stream_name": "JOURNAL", "config": {"name": "c1"}}
        ),
        "CONSUMER.CREATE.JOURNAL (push)": trade_api(
            "CONSUMER.CREATE.JOURNAL", {"stream_name": "JOURNAL", "config": {**PUSH, "deliver_subject": "x"}}
        ),
        "CONSUMER.DURABLE.CREATE.JOURNAL.NAME": trade_api(
            "CONSUMER.DURABLE.CREATE.JOURNAL.c2",
            {"stream_name": "JOURNAL", "config": {"durable_name": "c2"}},
        ),
        "CONSUMER.NAMES.JOURNAL": trade_api("CONSUMER.NAMES.JOURNAL"),
        "CONSUMER.MSG.NEXT.JOURNAL.mirror": trade_api("CONSUMER.MSG.NEXT.JOURNAL.mirror", {"batch": 1}),
        "CONSUMER.RESET.JOURNAL.mirror": trade_api("CONSUMER.RESET.JOURNAL.mirror"),
        "CONSUMER.DELETE.JOURNAL.c1": trade_api("CONSUMER.DELETE.JOURNAL.c1"),
        "a header that purges a bucket": store("$KV.instruments.sim.B", {"Nats-Rollup": "all"}),
    },
    "Mirrors in READ": {
        "STREAM.INFO.JOURNAL": api("STREAM.INFO.JOURNAL", None, ("$JS.read.API",)),
        "STREAM.CREATE.Y": api("STREAM.CREATE.Y", {"name": "Y", "subjects": ["y"]}, ("$JS.read.API",)),
        "STREAM.DELETE.Y": api("STREAM.DELETE.Y", None, ("$JS.read.API",)),
    },
    "Own account": {
        "STREAM.CREATE.Z": api("STREAM.CREATE.Z", {"name": "Z", "subjects": ["z"]}, ("$JS.API",)),
        "STREAM.PURGE.JOURNAL": api("STREAM.PURGE.JOURNAL", {"filter": "none"}, ("$JS.API",)),
        "CONSUMER.CREATE.JOURNAL (of a mirror)": api(
            "CONSUMER.CREATE.JOURNAL",
            {"stream_name": "JOURNAL", "config": {"ack_policy": "none"}},
            ("$JS.API",),
        ),
    },
    "Services": {
        "$SRV.PING": lambda each: each.is_permitted(each.nc.publish("$SRV.PING", reply="_INBOX_none")),
        "status.engine.ID": lambda each: each.is_permitted(each.nc.publish("status.engine.x")),
        "$SYS.REQ.SERVER.PING": lambda each: each.succeeds("$SYS.REQ.SERVER.PING"),
        "$SYS.REQ.SERVER.PING.CONNZ": lambda each: each.succeeds("$SYS.REQ.SERVER.PING.CONNZ"),
        "$SYS.REQ.ACCOUNT.TRADE.CONNZ": lambda each: each.succeeds("$SYS.REQ.ACCOUNT.TRADE.CONNZ"),
        "$SYS.REQ.ACCOUNT.PING.CONNZ (own account)": lambda each: each.succeeds(
            "$SYS.REQ.ACCOUNT.PING.CONNZ"
        ),
        "$SYS.REQ.CLAIMS.UPDATE": lambda each: each.succeeds("$SYS.REQ.CLAIMS.UPDATE", b"x"),
    },
}
INJECTIONS: Mapping[str, Callable[[Session], Awaitable[None]]] = {
    "by the reply subject of a request": inject_by_reply,
    "by a push consumer": inject_by_consumer,
}
