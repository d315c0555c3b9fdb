"""Tests of bus contexts, against servers that demand credentials."""

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import nkeys
import pytest
import uvloop
from msgspec.structs import replace

from bus import (
    BusContext,
    Credentials,
    EmbeddedServer,
    InvalidContext,
    NotAuthorized,
    NotPermitted,
    choose_context,
    connect,
    nkey_credentials,
    read_context,
    write_context,
)
from bus.client.context import context_from_environment
from tests.bus.client.secured import nkey_pair, secured_server
from tests.other_user import needs_root, other_user

USERS = """
authorization {
  users: [
    { user: ann, password: secret, permissions: { publish: ["$JS.API.STREAM.INFO.*"], subscribe: ["_INBOX_ann.>"] } }
    { nkey: %s }
  ]
}
"""


def test_paths_in_a_context_are_relative_to_its_file(tmp_path: Path) -> None:
    file = tmp_path / "context.json"
    file.write_text('{"url": "nats://there:1", "nkey": "a.nk", "ca": "/etc/ca.pem", "color_scheme": ""}')
    assert read_context(file) == BusContext(
        url="nats://there:1", nkey=str(tmp_path / "a.nk"), ca="/etc/ca.pem", source=str(file)
    )


def test_a_written_context_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    file, context = tmp_path / "context.json", BusContext(user="ann", password="secret")
    write_context(file, context)
    assert read_context(file) == replace(context, source=str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "[]", '{"url": 5}', '{"creds": "/a"}'])
def test_an_invalid_context_is_one_clear_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "context.json"
    file.write_text(text)
    with pytest.raises(InvalidContext, match=str(file)):
        read_context(file)


def test_a_context_does_not_show_its_secrets() -> None:
    assert "secret" not in repr(BusContext(user="ann", password="secret"))


def test_the_environment_names_context_and_url(tmp_path: Path) -> None:
    write_context(tmp_path / "c.json", BusContext(user="ann"))
    found = context_from_environment(
        {"OPENSQT_BUS_CONTEXT": str(tmp_path / "c.json"), "OPENSQT_BUS_URL": "nats://b:2"}
    )
    assert found == BusContext(url="nats://b:2", user="ann", source=str(tmp_path / "c.json"))
    assert choose_context(None, None) is None


async def test_a_user_connects_with_password(tmp_path: Path) -> None:
    async with server(tmp_path) as (url, _), connect(as_ann(url), name="test") as bus:
        assert bus.is_connected
        assert bus.nc.new_inbox().startswith("_INBOX_ann.")


async def test_a_user_connects_with_nkey(tmp_path: Path) -> None:
    async with (
        server(tmp_path) as (url, seed),
        connect(BusContext(url=url, nkey=str(seed)), name="test") as bus,
    ):
        assert (await bus.api("STREAM.NAMES", None, dict))["total"] == 0


async def test_wrong_credentials_are_an_error_at_once(tmp_path: Path) -> None:
    async with server(tmp_path) as (url, _):
        with pytest.raises(NotAuthorized, match="rejects the credentials of the user ann"):
            async with connect(BusContext(url=url, user="ann", password="wrong"), name="test"):
                pass


async def test_a_request_that_is_not_permitted_fails_at_once(tmp_path: Path) -> None:
    async with server(tmp_path) as (url, _), connect(as_ann(url), name="test") as bus:
        with pytest.raises(NotPermitted, match=r"publish to \$JS.API.STREAM.DELETE.ORDERS"):
            await bus.api("STREAM.DELETE.ORDERS", None, dict)


async def test_a_context_that_cannot_be_used_is_the_error_of_connect(tmp_path: Path) -> None:
    missing = BusContext(url="tls://127.0.0.1:1", ca=str(tmp_path / "ca.pem"))
    with pytest.raises(InvalidContext, match=r"ca\.pem cannot be used"):
        async with connect(missing, name="test"):
            pass


def test_a_file_that_is_no_seed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.nk").write_text("UABC")
    with pytest.raises(InvalidContext, match="is not the seed"):
        BusContext(nkey=str(tmp_path / "a.nk")).options()


def as_ann(url: str) -> BusContext:
    return BusContext(url=url, user="ann", password="secret", inbox_prefix="_INBOX_ann")


@asynccontextmanager
async def server(folder: Path) -> AsyncIterator[tuple[str, Path]]:
    seed, public = nkey_pair()
    assert nkeys.from_seed(bytearray(seed)).public_key.decode() == public
    file = folder / "user.nk"
    file.write_bytes(seed)
    async with secured_server(folder, USERS % public) as url:
        yield url, file


async def receive_as_other_user(port: int) -> bytes:
    """Accept a connection as a server of another user, and return what the client sends to it."""
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    with socket.create_server(("127.0.0.1", port)) as listener:
        loop.add_reader(listener, readable.set)
        await readable.wait()
        loop.remove_reader(listener)
        with other_user():  # who accepts a connection owns its socket
            foreign, _ = listener.accept()
    with foreign:
        foreign.sendall(b'INFO {"auth_required": true, "nonce": "abc"}\r\n')
        foreign.setblocking(False)
        return await loop.sock_recv(foreign, 1000)


@needs_root
def test_a_server_of_another_user_receives_no_credentials(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            EmbeddedServer(tmp_path, credentials=Credentials("ann", "secret")) as server,
            connect(server.context, name="test") as bus,
        ):
            server.kill()
            await server.wait()
            assert await receive_as_other_user(server.port) == b""
            while bus.nc.is_connected:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await bus.nc.publish("a", b"")
            # The connection is closed without an error, though this has nowhere to go.

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as in all parts
        runner.run(run())


async def test_the_user_who_runs_the_server_may(tmp_path: Path) -> None:
    async with (
        EmbeddedServer(tmp_path, credentials=nkey_credentials(tmp_path / "bus.nk")) as server,
        connect(server.context, name="test") as bus,
    ):
        assert server.context.server_user
        assert bus.is_connected
