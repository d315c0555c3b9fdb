"""Try what each user of a secured bus can do, and write the table of docs/permissions.md.

python -m tests.bus.secure.trials > docs/permissions.md
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from bus import Bus, BusContext, read_context
from bus.client.message import Message
from bus.streams.topology import BUCKETS, STREAMS
from schemas.engine.control import CommandName
from tests.bus.secure.running import secured_bus

USERS = (
    "admin",
    "operator",
    "engine",
    "market-sim",
    "account-sim",
    "gateway-sim",
    "liveserver",
    "reader",
    "sys",
)
TIMEOUT_S = 5.0
SETTLE_S = 0.1
POLL_S = 0.02
API_PREFIXES = ("$JS.API", "$JS.trade.API", "$JS.read.API")
SYMBOL = "B"
PAYLOAD = b'{"type":"Forged"}'
TARGET = "control.sim._all.flatten"
"""A subject that injected messages are aimed at."""


@dataclass
class Session:
    """A raw connection of one user, with the errors that the server sends to it."""

    user: str
    context: BusContext
    nc: Client
    errors: list[str] = field(default_factory=list)
    replies: "asyncio.Queue[Msg]" = field(default_factory=asyncio.Queue)
    count: int = 0

    async def is_permitted(self, send: Awaitable[object]) -> bool:
        """Return whether the server accepts what is sent: errors precede the answer to the ping."""
        before = len(self.errors)
        await send
        # The client sends the first ping ahead of what it has buffered.
        await self.nc.flush()
        await self.nc.flush()
        return len(self.errors) == before

    async def request(
        self, subject: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Mapping[str, object] | None:
        """Return the reply, with `_status` for one without a body; None if the server does not permit the request."""
        self.count += 1
        inbox = f"{self.context.inbox_prefix}.trial.{self.count}"
        subscription = await self.nc.subscribe(inbox)
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        try:
            before = len(self.errors)
            await self.nc.publish(subject, data, reply=inbox, headers=headers)
            deadline = asyncio.get_running_loop().time() + TIMEOUT_S
            while (message := await _next(subscription)) is None:
                if len(self.errors) > before:
                    return None
                if asyncio.get_running_loop().time() > deadline:
                    raise TimeoutError(f"no reply to {subject} of {self.user}")
        finally:
            await subscription.unsubscribe()
        if not message.data:
            return {"_status": (message.headers or {}).get("Status", "")}
        if message.headers and "Nats-Stream" in message.headers:
            return {"_stored": message.data}
        return dict(json.loads(message.data))

    async def succeeds(
        self, subject: str, body: object = None, headers: dict[str, str] | None = None
    ) -> bool:
        """Return whether a request is permitted and answered without an error."""
        try:
            reply = await self.request(subject, body, headers)
        except TimeoutError:
            return False
        return reply is not None and "error" not in reply and reply.get("_status") != "503"


async def _next(subscription: Subscription) -> Msg | None:
    try:
        return await subscription.next_msg(POLL_S)
    except nats.errors.TimeoutError:
        return None


@asynccontextmanager
async def session(root: Path, user: str) -> AsyncIterator[Session]:
    """Connect as a user, without the checks of our own client."""
    context, nc = read_context(root / "contexts" / f"{user}.json"), Client()
    found = Session(user, context, nc)

    async def on_error(error: Exception) -> None:
        found.errors.append(str(error))

    options = {key: each for key, each in context.options().items() if key != "inbox_prefix"}
    await nc.connect(context.url, **options, error_cb=on_error, allow_reconnect=False)
    try:
        yield found
    finally:
        await nc.close()


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

Outcomes = Mapping[str, Mapping[str, frozenset[str]]]
"""Which users can do what, by group and action."""


async def try_all(root: Path) -> Outcomes:
    """Try each action as each user, on a bus of its own."""
    found: dict[str, dict[str, set[str]]] = {
        **{group: {action: set() for action in actions} for group, actions in GROUPS.items()},
        "Inject": {action: set() for action in INJECTIONS},
    }
    async with secured_bus(root) as admin:
        await _store_something(admin)
        async with counted(admin) as count:
            for user in USERS:
                for action in await _injections_of(root, user, admin, count):
                    found["Inject"][action].add(user)
        for user in USERS:
            for group, actions in GROUPS.items():
                # On a connection for each group, so that what it subscribed to does not get in its way.
                async with session(root, user) as each:
                    for action, act in actions.items():
                        if await act(each):
                            found[group][action].add(user)
    return {
        group: {action: frozenset(users) for action, users in actions.items()}
        for group, actions in found.items()
    }


async def _store_something(admin: Bus) -> None:
    own = ("market.sim.B.ticker", "journal.sim.B.step", "order.sim.B.trade")
    others = (f"{each}.sim.B" for each in ("candle", "account", "engine", "alert", "control", "part"))
    buckets = (f"$KV.{each.name.removeprefix('KV_')}.sim.B" for each in BUCKETS)
    for subject in (*own, *others, *buckets):
        await admin.nc.request(subject, PAYLOAD)


async def _injections_of(root: Path, user: str, admin: Bus, count: Callable[[], int]) -> list[str]:
    """Return the injections by which a user reaches the subject that is aimed at."""
    succeeded = []
    async with session(root, user) as each:
        for action, inject in INJECTIONS.items():
            before = count()
            await inject(each)
            await _settle(admin)
            if count() > before:
                succeeded.append(action)
            await _delete_injecting_consumers(admin)
    return succeeded


@asynccontextmanager
async def counted(admin: Bus) -> AsyncIterator[Callable[[], int]]:
    """Yield a function that returns the number of messages so far on the subject that is aimed at, in TRADE."""
    found: list[Message] = []
    unsubscribe = await admin.subscribe(TARGET, found.append)
    yield lambda: len(found)
    await unsubscribe()


async def _settle(admin: Bus) -> None:
    """Wait until the server has done what was sent before: its own work is in the order of arrival."""
    for stream in ("MARKET", "JOURNAL", "CONTROL"):
        await admin.nc.request(f"$JS.API.DIRECT.GET.{stream}", b'{"seq":1}')
    await asyncio.sleep(SETTLE_S)


async def _delete_injecting_consumers(admin: Bus) -> None:
    for stream in ("MARKET", "JOURNAL", "CONTROL"):
        listed = await admin.api(f"CONSUMER.NAMES.{stream}", None, dict)
        for name in listed["consumers"] or ():
            if name.startswith("inject-"):
                await admin.api(f"CONSUMER.DELETE.{stream}.{name}", None, dict)


def render(outcomes: Outcomes) -> str:
    """Return docs/permissions.md."""
    lines = [HEAD]
    for group, actions in outcomes.items():
        lines += ["", f"## {group}", "", f"| | {' | '.join(USERS)} |", "|---" * (len(USERS) + 1) + "|"]
        for action, users in actions.items():
            cells = " | ".join("yes" if user in users else "" for user in USERS)
            lines.append(f"| `{action}` | {cells} |" if " " not in action else f"| {action} | {cells} |")
    return "\n".join(lines) + "\n"


HEAD = """# What each user of a secured bus can do

Generated by `python -m tests.bus.secure.trials`, which starts a server with the configuration of
`./opensqt bus init`, connects as each user, and tries each action; a test holds this table. Venues
are `sim` and `other`; the parts here are those of `sim`. Subjects of the JetStream API are shown
without their prefix. See [secure](secure.md#the-bus)."""


def main() -> None:
    """Print docs/permissions.md."""
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(render(asyncio.run(try_all(Path(folder)))))


if __name__ == "__main__":
    main()
