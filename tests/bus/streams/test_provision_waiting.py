"""Provisioning by a user who may not create streams: it waits for `apply`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bus import Bus, BusContext, TopologyDiffers, connect, provision
from bus.streams.topology import StreamConfig
from tests.bus.client.secured import secured_server

SMALL = StreamConfig(name="SMALL", description="small", subjects=("small.>",))
LARGER = StreamConfig(name="SMALL", description="small", subjects=("small.>",), max_messages_per_subject=5)
USERS = """
authorization { users: [
  { user: admin, password: a }
  { user: part, password: p, permissions: { publish: ["$JS.API.STREAM.INFO.SMALL"] } }
] }
"""


@asynccontextmanager
async def connected(folder: Path) -> AsyncIterator[tuple[Bus, Bus]]:
    """Yield the connections of an administrator and of a part."""
    async with (
        secured_server(folder, USERS) as url,
        connect(BusContext(url=url, user="admin", password="a"), name="admin") as admin,
        connect(BusContext(url=url, user="part", password="p"), name="part") as part,
    ):
        yield admin, part


async def test_a_part_waits_for_a_missing_stream(tmp_path: Path) -> None:
    async with connected(tmp_path) as (admin, part):
        waits, is_waiting = list[str](), asyncio.Event()

        def on_wait(text: str) -> None:
            waits.append(text)
            is_waiting.set()

        waiting = asyncio.create_task(provision(part, streams=[SMALL], on_wait=on_wait))
        await is_waiting.wait()
        await provision(admin, streams=[SMALL])
        await waiting
        assert "stream SMALL is missing" in waits[0]
        assert not waits[-1]


async def test_a_differing_stream_is_an_error_that_names_apply(tmp_path: Path) -> None:
    async with connected(tmp_path) as (admin, part):
        await provision(admin, streams=[SMALL])
        with pytest.raises(
            TopologyDiffers, match=r"max_msgs_per_subject is -1, has to be 5.*opensqt apply FILE"
        ):
            await provision(part, streams=[LARGER])


async def test_a_stream_that_a_part_may_not_see_is_skipped(tmp_path: Path) -> None:
    hidden = StreamConfig(name="HIDDEN", description="small", subjects=("hidden.>",))
    async with connected(tmp_path) as (_, part):
        await provision(part, streams=[hidden])
