"""Connections that a secured bus rejects."""

import datetime
from collections.abc import AsyncIterator
from pathlib import Path

import nats.errors
import pytest
from msgspec.structs import replace
from nats.aio.client import Client

from bus import BusContext, NotAuthorized, connect, read_context
from bus.secure.certificates import new_authority
from bus.secure.keys import new_seed
from tests.bus.secure.running import make_directory, running_server

NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[BusContext]:
    make_directory(tmp_path)
    async with running_server(tmp_path):
        yield read_context(tmp_path / "contexts" / "engine.json")


async def rejection(context: BusContext) -> str:
    """Connect once, and return the error."""
    options = {key: each for key, each in context.options().items() if key != "inbox_prefix"}
    with pytest.raises((nats.errors.Error, OSError)) as raised:
        await Client().connect(context.url, **options, allow_reconnect=False, max_reconnect_attempts=1)
    return str(raised.value)


async def test_a_user_connects(context: BusContext) -> None:
    async with connect(context, name="test") as bus:
        assert bus.is_connected


async def test_an_anonymous_client_is_rejected(context: BusContext) -> None:
    with pytest.raises(NotAuthorized, match="needs some"):
        async with connect(replace(context, nkey=""), name="test"):
            pass


async def test_a_password_is_rejected(context: BusContext) -> None:
    with pytest.raises(NotAuthorized):
        async with connect(replace(context, nkey="", user="admin", password="admin"), name="test"):
            pass


async def test_another_key_is_rejected(context: BusContext, tmp_path: Path) -> None:
    (tmp_path / "other.nk").write_bytes(new_seed())
    with pytest.raises(NotAuthorized, match=r"other\.nk"):
        async with connect(replace(context, nkey=str(tmp_path / "other.nk")), name="test"):
            pass


async def test_a_connection_without_tls_is_rejected(context: BusContext) -> None:
    async with connect(context, name="test"):  # it runs
        assert await rejection(replace(context, url=context.url.replace("tls:", "nats:"), ca=""))


async def test_a_server_with_a_foreign_certificate_is_rejected(context: BusContext, tmp_path: Path) -> None:
    (tmp_path / "foreign.pem").write_bytes(new_authority(NOW).certificate)
    async with connect(context, name="test"):  # it runs
        assert "certificate verify failed" in await rejection(
            replace(context, ca=str(tmp_path / "foreign.pem"))
        )
