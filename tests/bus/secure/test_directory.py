"""The directory of a secured bus: idempotent, movable, closed to others."""

import datetime
import shutil
import stat
from pathlib import Path

import pytest
from msgspec.structs import replace

from bus import read_context
from bus.secure.certificates import Certificate
from bus.secure.directory import DirectoryInvalid, Settings, read_settings, write_directory
from bus.secure.server_config import Server
from schemas.units import VenueId
from tests.bus.secure.running import as_user, make_directory, running_server

NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
ONE = Settings(servers=(Server("bus", "bus.example.org", 4222),), venues=(VenueId("sim"),))
THREE = replace(ONE, servers=tuple(Server(f"bus-{i}", f"bus-{i}.internal", 4222) for i in range(3)))


def contents(root: Path) -> dict[str, bytes]:
    return {str(each.relative_to(root)): each.read_bytes() for each in root.rglob("*") if each.is_file()}


@pytest.mark.parametrize("settings", [ONE, THREE])
def test_writing_again_changes_nothing(tmp_path: Path, settings: Settings) -> None:
    write_directory(tmp_path, settings, now=NOW)
    before = contents(tmp_path)
    assert write_directory(tmp_path, settings, now=NOW).files == []
    assert contents(tmp_path) == before
    assert read_settings(tmp_path) == settings


def test_a_new_venue_keeps_the_keys_of_the_others(tmp_path: Path) -> None:
    write_directory(tmp_path, ONE, now=NOW)
    before = contents(tmp_path)
    written = write_directory(tmp_path, replace(ONE, venues=(VenueId("sim"), VenueId("okx"))), now=NOW)
    assert "contexts/gateway-okx.nk" in written.files
    changed = {name for name, data in before.items() if contents(tmp_path)[name] != data}
    assert changed == {"bus.json", "servers/bus/accounts.conf"}


def test_a_key_is_rotated(tmp_path: Path) -> None:
    write_directory(tmp_path, ONE, now=NOW)
    written = write_directory(tmp_path, ONE, rotate=["engine"], now=NOW)
    assert written.files == ["contexts/engine.nk", "servers/bus/accounts.conf"]


def test_an_unknown_user_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DirectoryInvalid, match="no user nobody: the users are admin, engine"):
        write_directory(tmp_path, ONE, rotate=["nobody"], now=NOW)


def test_certificates_are_renewed_on_demand(tmp_path: Path) -> None:
    before = write_directory(tmp_path, ONE, now=NOW).expires["bus"]
    later = NOW + datetime.timedelta(days=400)
    assert write_directory(tmp_path, ONE, now=later).expires["bus"] == before
    assert write_directory(tmp_path, ONE, is_renewing=True, now=later).expires["bus"] > before


def test_a_certificate_is_valid_for_the_names_of_its_server(tmp_path: Path) -> None:
    write_directory(tmp_path, replace(ONE, hosts=("10.0.0.7",)), now=NOW)
    folder = tmp_path / "servers" / "bus"
    found = Certificate((folder / "server.pem").read_bytes(), b"")
    assert found.names == {"bus.example.org", "bus", "10.0.0.7", "localhost", "127.0.0.1", "::1"}


def test_another_name_makes_a_new_certificate(tmp_path: Path) -> None:
    write_directory(tmp_path, ONE, now=NOW)
    written = write_directory(tmp_path, replace(ONE, hosts=("10.0.0.7",)), now=NOW)
    assert {"servers/bus/server.pem", "servers/bus/server.key"} < set(written.files)


def test_the_key_of_the_authority_may_be_kept_elsewhere(tmp_path: Path) -> None:
    write_directory(tmp_path, ONE, now=NOW)
    (tmp_path / "ca" / "ca.key").unlink()
    assert write_directory(tmp_path, ONE, now=NOW).files == []
    with pytest.raises(DirectoryInvalid, match=r"put ca\.key back"):
        write_directory(tmp_path, ONE, is_renewing=True, now=NOW)


def test_only_the_owner_reads_the_files(tmp_path: Path) -> None:
    root = tmp_path / "bus"
    write_directory(root, ONE, now=NOW)
    modes = {stat.S_IMODE(each.stat().st_mode) for each in root.rglob("*") if each.is_file()}
    folders = {stat.S_IMODE(each.stat().st_mode) for each in (root, *root.rglob("*/"))}
    assert (modes, folders) == ({0o600}, {0o700})


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        (replace(ONE, servers=THREE.servers[:2]), "2 servers"),
        (replace(ONE, servers=(THREE.servers[0],) * 3), "same name"),
        (replace(ONE, tls=False), r"only be on this machine, not on bus\.example\.org"),
        (replace(ONE, venues=(VenueId("*"), VenueId("sim"))), r"or \* for all"),
        (replace(ONE, venues=(VenueId("a.b"),)), "cannot be the name of a venue"),
    ],
)
def test_an_invalid_setting_is_an_error(tmp_path: Path, settings: Settings, error: str) -> None:
    with pytest.raises(DirectoryInvalid, match=error):
        write_directory(tmp_path, settings, now=NOW)


async def test_a_moved_directory_works(tmp_path: Path) -> None:
    make_directory(tmp_path / "first")
    shutil.move(tmp_path / "first", tmp_path / "second")
    async with running_server(tmp_path / "second"), as_user(tmp_path / "second", "admin") as admin:
        assert (await admin.api("STREAM.NAMES", None, dict))["total"] == 0


async def test_without_tls_the_bus_is_on_loopback(tmp_path: Path) -> None:
    make_directory(tmp_path, tls=False)
    assert read_context(tmp_path / "contexts" / "engine.json").url.startswith("nats://127.0.0.1:")
    async with running_server(tmp_path), as_user(tmp_path, "liveserver") as bus:
        assert bus.is_connected
