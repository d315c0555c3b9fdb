"""The data directory: lock, format, run record, replay directories."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bus import read_context
from cli import __version__
from cli.errors import CommandError
from cli.stack import data_dir
from cli.stack.data_dir import (
    DATA_FORMAT,
    DataDir,
    FormatRecord,
    RunRecord,
    default_data_dir,
    fresh_replay_dir,
)
from tests.other_user import OTHER_UID, needs_root

RECORD = RunRecord(
    pid=os.getpid(), bus_url="nats://x", venue_url="http://y", pages=("http://z",), logs="logs"
)


def test_a_second_run_gets_the_process_id_of_the_first(tmp_path: Path) -> None:
    first, second = DataDir(tmp_path), DataDir(tmp_path)

    with (
        first.hold(),
        pytest.raises(CommandError, match=f"in use .* process {os.getpid()}"),
        second.hold(),
    ):
        pass


def test_the_lock_is_released_when_its_process_dies(tmp_path: Path) -> None:
    held = (
        "import os, pathlib, sys; from cli.stack.data_dir import DataDir\n"
        f"with DataDir(pathlib.Path({str(tmp_path)!r})).hold(): os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", held], check=True)

    with DataDir(tmp_path).hold():
        assert (tmp_path / "up.lock").read_text() == f"{os.getpid()}\n"


def test_an_unwritable_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CommandError, match="cannot write to"), DataDir(tmp_path / "file").hold():
        pass


def test_the_record_of_a_run_is_read_while_it_holds_the_directory(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    with data.hold():
        assert data.read() is None
        data.write(RECORD)
        assert data.read() == RECORD
    assert data.read() is None


def test_the_record_of_a_dead_process_is_ignored(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()

    data.write(RunRecord(pid=ended.pid, bus_url="", venue_url="", pages=(), logs=""))

    assert data.read() is None


def test_each_replay_gets_a_directory_of_its_own(tmp_path: Path) -> None:
    assert [fresh_replay_dir(tmp_path).name for _ in range(3)] == ["replay-001", "replay-002", "replay-003"]


def test_the_default_directory_is_in_the_repository_of_the_launcher(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENSQT_ROOT", str(tmp_path))
    assert default_data_dir() == tmp_path / "data"

    monkeypatch.delenv("OPENSQT_ROOT")
    assert default_data_dir() == Path.cwd() / "data"


def test_a_new_directory_gets_the_current_format(tmp_path: Path) -> None:
    with DataDir(tmp_path).hold() as earlier:
        assert earlier is None

    assert DataDir(tmp_path).format() == FormatRecord(format=DATA_FORMAT, program=__version__)


def test_a_directory_without_a_format_is_of_version_0_1_and_updated(tmp_path: Path) -> None:
    (tmp_path / "bus").mkdir()
    with DataDir(tmp_path).hold() as earlier:
        assert earlier == 1

    with DataDir(tmp_path).hold() as earlier:
        assert earlier is None


def test_a_newer_directory_is_refused_and_left_alone(tmp_path: Path) -> None:
    record = b'{"format":99,"program":"9.1","added_later":1}'
    (tmp_path / "format.json").write_bytes(record)

    with (
        pytest.raises(CommandError, match=r"written by OpenSQT 9\.1 \(data format 99"),
        DataDir(tmp_path).hold(),
    ):
        pass
    assert (tmp_path / "format.json").read_bytes() == record


def test_a_directory_that_has_to_be_migrated_names_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(data_dir, "OLDEST_FORMAT", 2)
    (tmp_path / "venue.sqlite").touch()

    with (
        pytest.raises(CommandError, match=f"opensqt migrate --data-dir {tmp_path}"),
        DataDir(tmp_path).hold(),
    ):
        pass


def test_a_damaged_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "format.json").write_text("{")

    with pytest.raises(CommandError, match=r"format\.json cannot be read"), DataDir(tmp_path).hold():
        pass


def test_a_data_directory_is_for_its_owner_alone(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "data")
    (tmp_path / "data" / "bus").mkdir(parents=True, mode=0o755)
    (tmp_path / "data" / "venue.sqlite").touch(mode=0o644)
    with data.hold():
        assert data.close_to_others()
        data.write(RECORD)
        assert not data.close_to_others()
    modes = {
        path.relative_to(tmp_path).as_posix(): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")
    }
    assert modes == {name: 0o700 if "." not in name else 0o600 for name in modes}


def test_other_content_of_a_data_directory_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "letter.txt").touch(mode=0o644)
    (tmp_path / "logs").mkdir(mode=0o755)
    assert not DataDir(tmp_path).close_to_others()
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path, *tmp_path.iterdir())}
    assert modes == {tmp_path.name: 0o755, "letter.txt": 0o644, "logs": 0o700}


@needs_root
def test_a_link_of_another_user_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "data").symlink_to("home")
    os.lchown(tmp_path / "data", OTHER_UID, OTHER_UID)
    with (
        pytest.raises(CommandError, match="is a symbolic link of the user"),
        DataDir(tmp_path / "data").hold(),
    ):
        pass
    assert list((tmp_path / "home").iterdir()) == []


def test_a_link_in_the_place_of_a_temporary_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("kept")
    (tmp_path / "run.json.new").symlink_to("target")
    DataDir(tmp_path).write(RECORD)
    assert (tmp_path / "target").read_text() == "kept"


def test_the_credentials_of_the_bus_are_kept(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    first = data.bus_credentials()
    seed = data.bus_key.read_bytes()
    context = data.write_bus_context("nats://there:1", first)
    assert data.bus_credentials() == first
    assert data.bus_key.read_bytes() == seed
    assert data.bus_key.stat().st_mode & 0o077 == 0
    assert context == read_context(data.bus_context)
    assert context.option == f"--bus-context {data.bus_context}"


def test_a_damaged_key_of_the_bus_is_an_error(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    data.bus_key.write_text("SU")
    with pytest.raises(CommandError, match="delete it"):
        data.bus_credentials()
