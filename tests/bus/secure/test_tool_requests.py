"""The requests of the `nats` tool, as in its source (natscli 0.4, jsm.go, nats.go), sent as reader and as operator.

The tool itself is not in this environment.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nats.micro
import pytest
from nats.aio.msg import Msg
from nats.micro.service import ServiceConfig

from bus import Bus
from tests.bus.secure.running import as_user, secured_bus
from tests.bus.secure.session import Session, session

STEP = "journal.sim.B.step"
KEY = "$KV.symbols.sim.B"
READ_ONLY: tuple[tuple[str, str, object], ...] = (
    ("account info", "INFO", None),
    ("stream ls", "STREAM.LIST", {"offset": 0}),
    ("stream ls --names", "STREAM.NAMES", {"offset": 0}),
    ("stream info", "STREAM.INFO.JOURNAL", None),
    ("stream subjects", "STREAM.INFO.JOURNAL", {"subjects_filter": ">", "offset": 0}),
    ("stream get 1", "STREAM.MSG.GET.JOURNAL", {"seq": 1}),
    ("stream get --last-for", "STREAM.MSG.GET.JOURNAL", {"last_by_subj": STEP}),
    ("sub --direct --all", "DIRECT.GET.JOURNAL", {"seq": 1, "batch": 2, "next_by_subj": "journal.>"}),
    ("sub --direct --last-per-subject", "DIRECT.GET.JOURNAL", {"multi_last": ["journal.>"], "batch": 2}),
    ("kv ls", "STREAM.LIST", {"offset": 0}),
    ("kv get: bucket", "STREAM.INFO.KV_symbols", None),
    ("kv get: key", f"DIRECT.GET.KV_symbols.{KEY}", None),
)
PULL = {"ack_policy": "none", "deliver_policy": "all", "inactive_threshold": 30_000_000_000}
ORDERED_PUSH = {
    "deliver_policy": "last_per_subject",
    "ack_policy": "none",
    "ack_wait": 79_200_000_000_000,
    "max_deliver": 1,
    "flow_control": True,
    "idle_heartbeat": 5_000_000_000,
    "num_replicas": 1,
    "mem_storage": True,
    "filter_subject": "$KV.symbols.>",
}
CONSUMERS: tuple[tuple[str, str, Mapping[str, object]], ...] = (
    ("sub --stream JOURNAL --all", "CONSUMER.CREATE.JOURNAL.c1.journal.>", {"filter_subject": "journal.>"}),
    (
        "sub --stream --last-per-subject",
        "CONSUMER.CREATE.JOURNAL.c2.>",
        {"filter_subject": ">", "deliver_policy": "last_per_subject"},
    ),
    (
        "stream view",
        "CONSUMER.CREATE.JOURNAL.stream_pager_1.>",
        {"durable_name": "stream_pager_1", "filter_subject": ">", "mem_storage": True, "num_replicas": 1},
    ),
    (
        "consumer add",
        "CONSUMER.DURABLE.CREATE.JOURNAL.mine",
        {"durable_name": "mine", "ack_policy": "explicit"},
    ),
)


@asynccontextmanager
async def connected(root: Path, user: str) -> AsyncIterator[tuple[Bus, Session]]:
    """Run a bus with a stored step and key, mirrored; yield the administrator's connection, and the user's."""
    async with secured_bus(root) as admin:
        await admin.nc.request(STEP, b"{}")
        await admin.nc.request(KEY, b"{}")
        for stream in ("JOURNAL", "KV_symbols"):
            async with asyncio.timeout(10):
                while not await mirrored(admin, stream):  # noqa: ASYNC110 - the state of a server
                    await asyncio.sleep(0.05)
        async with session(root, user) as found:
            yield admin, found


async def mirrored(admin: Bus, stream: str) -> bool:
    info = await admin.api(f"STREAM.INFO.{stream}", None, dict, prefix="$JS.read.API")
    return bool(info["state"]["messages"])


def subject(user: Session, endpoint: str) -> str:
    return f"{user.context.api_prefix}.{endpoint}"


def consumer(endpoint: str, config: Mapping[str, object]) -> dict[str, object]:
    return {"stream_name": "JOURNAL", "config": {**PULL, "name": name_in(endpoint), **config}}


def name_in(endpoint: str) -> str:
    """Return the name of the consumer: `c1` of `CONSUMER.CREATE.JOURNAL.c1.journal.>`."""
    return endpoint.partition(".JOURNAL.")[2].partition(".")[0]


@pytest.mark.parametrize("name", ["reader", "operator"])
async def test_both_list_and_read_streams_and_buckets(tmp_path: Path, name: str) -> None:
    async with connected(tmp_path, name) as (_, user):
        replies = {
            command: await user.succeeds(subject(user, endpoint), body)
            for command, endpoint, body in READ_ONLY
        }
        assert [command for command, is_answered in replies.items() if not is_answered] == []
        assert user.errors == []


async def test_a_reader_consumes_the_mirrors(tmp_path: Path) -> None:
    async with connected(tmp_path, "reader") as (_, user):
        for _, endpoint, config in CONSUMERS:
            assert await user.succeeds(subject(user, endpoint), consumer(endpoint, config)), endpoint
            following = subject(user, f"CONSUMER.MSG.NEXT.JOURNAL.{name_in(endpoint)}")
            message = await next_message(user, following)
            assert message.subject == STEP
            assert await user.is_permitted(user.nc.publish(message.reply, b"+ACK"))
        assert await user.succeeds("$JS.API.CONSUMER.LIST.JOURNAL", {"offset": 0})
        assert await user.succeeds("$JS.API.CONSUMER.DELETE.JOURNAL.mine")


async def next_message(user: Session, subject: str) -> Msg:
    subscription = await user.nc.subscribe("_INBOX_reader.next")
    try:
        body = json.dumps({"batch": 1, "expires": 5_000_000_000}).encode()
        await user.nc.publish(subject, body, reply="_INBOX_reader.next")
        return await subscription.next_msg(5)
    finally:
        await subscription.unsubscribe()


async def test_a_reader_watches_a_bucket(tmp_path: Path) -> None:
    async with connected(tmp_path, "reader") as (admin, user):
        subscription = await user.nc.subscribe("_INBOX_reader.watch")
        config = {**ORDERED_PUSH, "deliver_subject": "_INBOX_reader.watch"}
        body = {"stream_name": "KV_symbols", "config": config}
        assert await user.succeeds("$JS.API.CONSUMER.CREATE.KV_symbols.w1.$KV.symbols.>", body)
        assert (await subscription.next_msg(5)).data == b"{}"
        await admin.nc.request(KEY, b"[]")
        assert (await subscription.next_msg(5)).data == b"[]"


async def test_a_reader_subscribes_to_the_subjects_of_the_streams(tmp_path: Path) -> None:
    async with connected(tmp_path, "reader") as (admin, user):
        subscription = await user.nc.subscribe("engine.>")
        assert await user.is_permitted(user.nc.flush())
        await admin.nc.request("engine.sim.B.fill", b"{}")
        assert (await subscription.next_msg(5)).subject == "engine.sim.B.fill"


@pytest.mark.parametrize("name", ["reader", "operator", "admin"])
async def test_the_services_of_the_parts_are_listed(tmp_path: Path, name: str) -> None:
    async with (
        connected(tmp_path, name) as (_, user),
        as_user(tmp_path, "engine") as engine,
        as_user(tmp_path, "gateway-sim") as gateway,
    ):
        for part, bus in (("engine", engine), ("gateway", gateway)):
            await nats.micro.add_service(bus.nc, ServiceConfig(name=part, version="1.0.0"))
            await bus.nc.flush()
        assert {each["name"] for each in await pinged(user)} == {"engine", "gateway"}


async def pinged(user: Session) -> list[dict[str, Any]]:
    """Return the answers of two services to a ping."""
    inbox = f"{user.context.inbox_prefix}.ping"
    subscription = await user.nc.subscribe(inbox)
    await user.nc.publish("$SRV.PING", b"", reply=inbox)
    found = [json.loads((await subscription.next_msg(5)).data) for _ in range(2)]
    await subscription.unsubscribe()
    return found


async def test_an_operator_creates_no_consumers(tmp_path: Path) -> None:
    async with connected(tmp_path, "operator") as (_, user):
        for _, endpoint, config in CONSUMERS:
            assert not await user.succeeds(subject(user, endpoint), consumer(endpoint, config))
